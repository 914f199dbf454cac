"""What routes must look like before any router sees them: one malformed value could stop every environment's routes."""

import ipaddress
import math
import re
from collections.abc import Iterable

from lading.model.environment import Canary, Edge, Routes, RouteTls, ServiceRoute
from lading.model.errors import LadingError

ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}/[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
ADDRESS = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,4})")
PATH = re.compile(r"/[A-Za-z0-9/_.~%@:+,;=-]*")
PROBE_PATH = re.compile(r"/[!-~]*")
HOST_HEADER = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,253}")
LOGIN = re.compile(r"[!-9;-z|~]{1,64}:\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`|~-]{1,64}@[A-Za-z0-9.-]{1,253}")
FILE = re.compile(r"/[^\x00-\x20{}\x7f]+")
HIGHEST_PORT = 65535


def check_routes(routes: Routes) -> None:
    """Raise ``router-failed`` naming the first value no router may be given."""
    key = routes.environment
    _demand(key, ENVIRONMENT, key, "the environment should be PROJECT/NAME")
    _demand(key, NAME, routes.generation, "the generation should be a plain name")
    if routes.domain is not None:
        _demand(key, DOMAIN, routes.domain, "the domain should be a host name in small letters, without a port")
    if routes.port is not None and not 0 < routes.port <= HIGHEST_PORT:
        raise refusal(key, f"port {routes.port} is not between 1 and {HIGHEST_PORT}")
    _check_edge(key, routes.edge)
    if routes.edge.tls is not None and routes.domain is None:
        raise refusal(key, "TLS needs a domain: a certificate is for a name")
    if routes.maintenance is not None and routes.maintenance.retry_after < 1:
        raise refusal(key, "clients should be told to wait a second at least")
    _check_services(key, routes.services, held=routes.hold > 0)
    if routes.canary is not None:
        _check_canary(key, routes, routes.canary)


def _check_canary(key: str, routes: Routes, canary: Canary) -> None:
    _demand(key, NAME, canary.generation, "the generation of a canary should be a plain name")
    if canary.generation == routes.generation:
        raise refusal(key, "a canary should be of another generation")
    if not 0 < canary.share < 1:
        raise refusal(key, f"the share of a canary should lie between 0 and 1, got {canary.share:g}")
    _check_services(key, canary.services, held=False)


def _check_services(key: str, services: Iterable[ServiceRoute], *, held: bool) -> None:
    seen: dict[str, str] = {}
    names: set[str] = set()
    for service in services:
        _check_service(key, service, held=held)
        path = service.path.rstrip("/") or "/"
        if path in seen:
            raise refusal(key, f"services {seen[path]} and {service.service} both claim the path {service.path}")
        if service.service in names:
            raise refusal(key, "a service has two routes")
        seen[path] = service.service
        names.add(service.service)


def _check_service(key: str, service: ServiceRoute, *, held: bool) -> None:
    name = service.service
    _demand(key, NAME, name, "a service should have a plain name")
    _demand(key, PATH, service.path, f"the path of {name} should be plain, such as /api")
    if not service.backends and not held:
        raise refusal(key, f"service {name} has no instance to send requests to")
    for backend in service.backends:
        _demand(key, NAME, backend.instance, f"an instance of {name} should have a plain name")
        match = _demand(key, ADDRESS, backend.address, f"the address of {backend.instance} should be HOST:PORT")
        if int(match.group(2)) > HIGHEST_PORT:
            raise refusal(key, f"the address of {backend.instance} should be HOST:PORT, got {backend.address!r}")
    if service.ready is not None:
        _demand(key, PROBE_PATH, service.ready.path, f"the ready path of {name} should be a path")
        if "{{" in service.ready.path:
            raise refusal(
                key, f"the ready path of {name} holds '{{{{', which a router's file would take for a template"
            )
        if service.ready.host is not None:
            _demand(key, HOST_HEADER, service.ready.host, f"the ready check's host of {name} should be a host name")


def _check_edge(key: str, edge: Edge) -> None:
    for login in edge.logins:
        if LOGIN.fullmatch(login) is None:
            # Not shown: it could be a password that somebody forgot to hash.
            raise refusal(key, "a login should be a user and a bcrypt hash")
    for network in edge.allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise refusal(key, f"{network!r} is no network that may be let in: {error}") from error
    if edge.tls is not None:
        _check_tls(key, edge.tls)
    limits = {name: getattr(edge.limits, name) for name in edge.limits.__struct_fields__}
    for name, value in limits.items():
        if value is not None and not 0 < value < math.inf:
            raise refusal(key, f"the limit {name} should be above zero, got {value}")


def _check_tls(key: str, tls: RouteTls) -> None:
    if bool(tls.acme) == bool(tls.certificate) or bool(tls.certificate) != bool(tls.key):
        raise refusal(key, "TLS needs either a contact for ACME, or a certificate and its key")
    if tls.acme:
        _demand(key, MAIL, tls.acme, "the contact for ACME should be a mail address")
    for file in filter(None, (tls.certificate, tls.key)):
        _demand(key, FILE, file, "a certificate's file should be an absolute path")
    if tls.hsts < 0:
        raise refusal(key, f"hsts should not be below zero, got {tls.hsts}")


def _demand(key: str, pattern: re.Pattern[str], value: str, rule: str) -> re.Match[str]:
    match = pattern.fullmatch(value)
    if match is None:
        raise refusal(key, f"{rule}, got {value!r}")
    return match


def check_against(routes: Routes, others: Iterable[Routes]) -> None:
    """Raise ``router-failed`` when another environment already answers for the same domain or on the same port."""
    for other in others:
        if other.environment == routes.environment:
            continue
        if routes.domain is not None and other.domain == routes.domain:
            raise refusal(routes.environment, f"{other.environment} already answers for {routes.domain}")
        if routes.port is not None and other.port == routes.port:
            raise port_taken(routes.environment, f"{other.environment} already answers on port {routes.port}")


def refusal(environment: str, happened: str) -> LadingError:
    """Build the error for routes that were not taken."""
    return LadingError(
        "router-failed",
        doing=f"routes of {environment}",
        happened=happened,
        now="the routes in force are untouched",
        hint="correct the value in lading.toml and deploy again",
    )


def port_taken(environment: str, happened: str) -> LadingError:
    """Build the error for a local port that cannot be had."""
    return LadingError(
        "port-taken",
        doing=f"local port of {environment}",
        happened=happened,
        now="the routes of other environments are untouched",
        hint="free the port (ss -ltnp shows who has it), or write another one in lading.toml: "
        f"port = … in [environments.{environment.rpartition('/')[2]}]",
    )


def asks(service: ServiceRoute) -> str:
    """Return which requests a service's instances see, and under which paths: the same for interchangeable routes."""
    path = service.path.rstrip("/") or "/"
    return f"{path} without its prefix" if service.strip_prefix else path


def prefix_of(service: ServiceRoute) -> str:
    """Return what is taken off the paths that a service's instances see, empty for nothing."""
    return service.path.rstrip("/") if service.strip_prefix else ""


def service_for(services: Iterable[ServiceRoute], path: str) -> ServiceRoute | None:
    """Return the service whose path is the longest prefix of ``path``, whole segments only."""
    best: ServiceRoute | None = None
    for service in services:
        prefix = service.path.rstrip("/")
        if (path == prefix or path.startswith(prefix + "/")) and (
            best is None or len(prefix) > len(best.path.rstrip("/"))
        ):
            best = service
    return best
