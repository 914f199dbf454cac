"""Which instance a request goes to, as Traefik's services: ready ones first, one client to one instance where asked."""

import hashlib
from typing import Any

from lading.model.environment import ServiceRoute
from lading.model.manifest import Probe

TRANSPORT = "lading"

# Parts a share is counted in: one in a thousand requests is the smallest.
WEIGHTS = 1000

Plain = dict[str, Any]


def services_of(name: str, service: ServiceRoute, cookie: Plain, interval: float) -> Plain:
    """Return Traefik's services for one of ours, ``name`` first; ``interval`` is in seconds between ready checks.

    ``cookie`` is what a client is known by, where the service has affinity.
    """
    balancer = _balancer(service, cookie)
    check = health_check(service.ready, interval) if service.ready is not None else None
    if check is None:
        return {name: {"loadBalancer": balancer}}
    # When no instance is ready, all of them get requests again: the last one is never taken away.
    return {
        name: {"failover": {"service": f"{name}~ready", "fallback": f"{name}~any"}},
        f"{name}~ready": {"loadBalancer": {**balancer, "healthCheck": check}},
        f"{name}~any": {"loadBalancer": balancer},
    }


def shared(first: tuple[str, ServiceRoute], canary: tuple[str, ServiceRoute], share: float, cookie: Plain) -> Plain:
    """Return Traefik's services that give the canary its share of the first's requests, the topmost first.

    Both are given as name and service. ``cookie`` is what a client is known by, where the services have affinity.
    While no instance of one of both is ready, the other gets all requests; while none is, all of the first's do.
    """
    sides = (first, canary)
    name = f"{first[0]}~with~{canary[0].rpartition('~')[2]}"
    checked = all(service.ready is not None and health_check(service.ready, 1.0) for _, service in sides)
    weights = (WEIGHTS - round(share * WEIGHTS), round(share * WEIGHTS))
    parts = [
        {"name": f"{side}~ready" if checked else side, "weight": weight}
        for (side, _), weight in zip(sides, weights, strict=True)
    ]
    weighted: Plain = {"services": parts}
    if first[1].affinity:
        weighted["sticky"] = {"cookie": cookie}
    if not checked:
        return {name: {"weighted": weighted}}
    return {
        name: {"failover": {"service": f"{name}~ready", "fallback": f"{first[0]}~any"}},
        f"{name}~ready": {"weighted": {**weighted, "healthCheck": {}}},
    }


def waiting_room(name: str, port: int | None) -> Plain:
    """Return the service whose requests wait behind a port; without one, which is soon mended, they get 503."""
    servers = [] if port is None else [{"url": f"http://127.0.0.1:{port}"}]
    return {name: {"loadBalancer": {"servers": servers, "serversTransport": TRANSPORT, "passHostHeader": True}}}


def _balancer(service: ServiceRoute, cookie: Plain) -> Plain:
    balancer: Plain = {
        "servers": [{"url": f"http://{backend.address}"} for backend in service.backends],
        "serversTransport": TRANSPORT,
        "passHostHeader": True,
    }
    if service.affinity:
        balancer["sticky"] = {"cookie": cookie}
    return balancer


def cookie_of(environment: str, service: str, *, secure: bool) -> Plain:
    """Return the cookie by which a client stays with an instance; it tells nothing but which one answered.

    It lasts for a browser's session, and scripts cannot read it. ``secure`` keeps it to TLS.
    """
    # Environments on one host may differ by port alone, and browsers send a cookie to every port of a host.
    name = f"lading_{service}_{hashlib.sha256(environment.encode()).hexdigest()[:8]}"
    return {"name": name, "httpOnly": True, "secure": secure, "sameSite": "lax", "path": "/"}


def health_check(probe: Probe, interval: float) -> Plain | None:
    """Return the check by which Traefik keeps asking an instance; None where Traefik cannot judge the answer.

    It judges one status, or any of 200–399; what the body must hold only Lading's own ready check judges.
    """
    check: Plain = {
        "path": probe.path,
        "interval": f"{round(interval * 1000)}ms",
        "timeout": f"{round(probe.timeout * 1000)}ms",
        "followRedirects": False,
    }
    if probe.host is not None:
        check["hostname"] = probe.host
    if len(probe.status) == 1:
        check["status"] = probe.status[0]
    elif not probe.status or min(probe.status) < 200 or max(probe.status) > 399:
        return None
    return check
