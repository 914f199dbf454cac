"""Which service is reached where: shared by the plan, the smoke suite and the prober."""

from lading.model.environment import Pinned
from lading.model.manifest import Service

# The end of the paths that the server of built files answers once it serves.
STATIC_READY = "/.lading/ready"


def entry_service(unit: Pinned) -> str | None:
    """Return the service that answers at ``/``, else the first web service; None when nothing takes requests."""
    names = list(dict.fromkeys(spec.service for spec in unit.web))
    services = unit.release.manifest.services
    for name in names:
        if services[name].path == "/":
            return name
    return names[0] if names else None


def public_path(service: Service, path: str) -> str:
    """Return the path by which a service's own ``path`` is reached through the router."""
    if service.strip_prefix and service.path != "/":
        return service.path.rstrip("/") + path
    return path


def own_path(service: Service, path: str) -> str:
    """Return the path an instance itself sees for a public ``path``: the reverse of :func:`public_path`."""
    prefix = service.path.rstrip("/")
    if service.strip_prefix and prefix and path.startswith(prefix):
        return path[len(prefix) :] or "/"
    return path


def prober_path(unit: Pinned) -> tuple[str, str | None] | None:
    """Return the public path the prober asks and the Host header it needs; None without a web service."""
    name = entry_service(unit)
    if name is None:
        return None
    service = unit.release.manifest.services[name]
    if service.static is not None:
        return service.path.rstrip("/") + STATIC_READY, None
    probe = service.ready or service.health
    if probe is None:
        return public_path(service, "/"), None
    return public_path(service, probe.path), probe.host
