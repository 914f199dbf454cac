"""Who gets a request while a canary shares the traffic: the same rule for every router."""

from typing import NamedTuple

from lading.model.environment import Routes, ServiceRoute
from lading.ports.router.rules import prefix_of, service_for


class Sides(NamedTuple):
    """The services for one path: that of the first generation, and that of the canary; None where one has none."""

    first: ServiceRoute | None
    canary: ServiceRoute | None


def sides_of(routes: Routes, path: str) -> Sides:
    """Return who shares the requests for a path.

    Where both would have to be given different paths, which a router cannot do within one route, the first generation
    keeps all of them; so it does where the canary has nobody to answer.
    """
    first = service_for(routes.services, path)
    canary = service_for(routes.canary.services, path) if routes.canary is not None else None
    if first is not None and canary is not None and prefix_of(first) != prefix_of(canary):
        return Sides(first, None)
    return Sides(first, canary)


def paths_of(routes: Routes) -> list[str]:
    """Return every path that a service of either generation claims, without a slash at the end (``/`` is empty)."""
    services = [*routes.services, *(routes.canary.services if routes.canary is not None else ())]
    return list(dict.fromkeys(service.path.rstrip("/") for service in services))
