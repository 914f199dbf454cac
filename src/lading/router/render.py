"""Routes as Traefik's dynamic configuration: one file for all environments, which is its own record.

The first line is a comment with the routes as Lading means them, the rest is what Traefik reads (JSON, which is
YAML). So what serves and what is remembered cannot differ.
"""

import hashlib
import json
import re
from collections.abc import Mapping

import msgspec

from lading.model import typed
from lading.model.environment import Routes, ServiceRoute
from lading.ports.router.rules import asks, prefix_of, refusal
from lading.ports.router.sides import paths_of, sides_of
from lading.router import guard
from lading.router.balancing import TRANSPORT, Plain, cookie_of, services_of, shared, waiting_room
from lading.router.identity import RECORD

LOADED = "lading-loaded"
PRIORITY = 10

# Between other parts of a name: which generation is meant, where two share the traffic.
_RELEASE = "release"

# Below the time after which servers close idle connections (gunicorn 2 s, uvicorn 5 s): so a request is never sent
# into a closing connection, and connections to an instance that gets no more requests vanish soon.
IDLE_TIMEOUT = "1500ms"
DIAL_TIMEOUT = "5s"
IDLE_CONNECTIONS = 512

_NOT_PLAIN = re.compile(r"[^\x20-\x7e]+")


def service_name(environment: str, generation: str, service: str) -> str:
    """Return the name of a service in Traefik; ``~`` occurs in none of its parts."""
    return f"{environment.replace('/', '~')}~{generation}~{service}"


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the file depends on besides the routes: the environments' local ports, whether domains are served at all
    (``public``) and on which port by TLS, the files of each environment's certificate and of the placeholder, the
    number of the try at certificates that are still to be obtained (a new one makes the router ask again), seconds
    between ready checks, the port of the maintenance page; the key of the passes by which our own checks get past an
    edge (empty: they have none), and this host's addresses that they may come from; by environment and path the ports
    where requests wait.
    """

    ports: Mapping[str, int] = {}
    public: bool = False
    https_port: int | None = None
    certificates: Mapping[str, tuple[str, str]] = {}
    asking: int = 0
    certificate: Mapping[str, str] = {}
    interval: float = 1.0
    pages: int = 0
    pass_key: str = ""
    own: tuple[str, ...] = ()
    rooms: Mapping[str, Mapping[str, int]] = {}


def render(routes: Mapping[str, Routes], around: Surroundings) -> tuple[bytes, str]:
    """Return the file for all environments and the name of its revision."""
    http = _http(routes, around)
    tls = _tls(routes, around)
    name = _revision({**http, "tls": tls, **({"asking": around.asking} if around.asking else {})})
    # A router drops empty middlewares, so the two marks do something; no route uses them.
    mark = {"stripPrefix": {"prefixes": ["/lading"]}}
    http["middlewares"] |= {LOADED: mark, name: mark}
    # It refuses empty sections as well.
    body: Plain = {"http": {kind: part for kind, part in http.items() if part}}
    if tls:
        body["tls"] = tls
    record = _plain(msgspec.json.encode([routes[key] for key in sorted(routes)]))
    # Braces inside the record's strings are written as escapes; outside of strings JSON never doubles them.
    record = record.replace(b"{{", b"\\u007b\\u007b")
    text = RECORD + record + b"\n" + _plain(msgspec.json.encode(body, order="sorted")) + b"\n"
    if b"{{" in text:
        raise refusal(", ".join(routes), "a value holds '{{', which the router would take for a template")
    return text, name


def _tls(routes: Mapping[str, Routes], around: Surroundings) -> Plain:
    tls: Plain = {}
    if around.certificate:
        tls["stores"] = {"default": {"defaultCertificate": around.certificate}}
    shown = dict.fromkeys(around.certificates[key] for key in sorted(around.certificates) if key in routes)
    if shown:
        tls["certificates"] = [{"certFile": chain, "keyFile": key} for chain, key in shown]
    return tls


def _plain(text: bytes) -> bytes:
    """Write what is not plain ASCII as escapes: to YAML some of it ends a line, and with it the record's comment."""
    return _NOT_PLAIN.sub(lambda found: json.dumps(found[0])[1:-1], text.decode()).encode()


def parse(text: bytes) -> dict[str, Routes]:
    """Return the routes a file was made of; ValueError when it is not one of ours."""
    first = text.split(b"\n", 1)[0]
    if not first.startswith(RECORD):
        raise ValueError("not a file of routes")
    return {r.environment: r for r in typed.decode(first.removeprefix(RECORD), list[Routes])}


def names(routes: Routes, around: Surroundings) -> tuple[list[str], list[str]]:
    """Return the names of the routers and services that make up an environment's routes."""
    http = _http({routes.environment: routes}, around)
    return list(http["routers"]), list(http["services"])


def _revision(http: Plain) -> str:
    return "lading-" + hashlib.sha256(msgspec.json.encode(http, order="sorted")).hexdigest()[:20]


def _http(routes: Mapping[str, Routes], around: Surroundings) -> Plain:
    timeouts = {"dialTimeout": DIAL_TIMEOUT, "idleConnTimeout": IDLE_TIMEOUT}
    transport = {"maxIdleConnsPerHost": IDLE_CONNECTIONS, "forwardingTimeouts": timeouts}
    http: Plain = {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {TRANSPORT: transport}}
    for environment in routes.values():
        http["middlewares"] |= guard.middlewares(environment) | guard.body_middleware(environment)
        http["middlewares"] |= guard.pass_middleware(environment) if around.pass_key else {}
        about, page = guard.page(environment, around.pages)
        http["middlewares"] |= about
        http["services"] |= page
        found, leading = guard.redirect(environment, around.https_port)
        http["middlewares"] |= found
        http["routers"] |= leading if around.public else {}
        _add_services(http, environment, around)
        for path in paths_of(environment):
            _add_path(http, environment, path, around)
    return http


def _add_services(http: Plain, routes: Routes, around: Surroundings) -> None:
    """Add the services of both generations, or where requests wait instead."""
    generations = {routes.generation: routes.services}
    if routes.canary is not None:
        generations[routes.canary.generation] = routes.canary.services
    for generation, services in generations.items():
        for service in services:
            name = service_name(routes.environment, generation, service.service)
            if routes.hold:
                rooms = around.rooms.get(routes.environment, {})
                http["services"] |= waiting_room(name, rooms.get(asks(service)))
            else:
                cookie = _cookie(routes, service.service)
                http["services"] |= services_of(name, service, cookie, around.interval)


def _cookie(routes: Routes, what: str) -> Plain:
    # Where an environment answers by plain HTTP, a cookie kept to TLS would never come back.
    return cookie_of(routes.environment, what, secure=routes.edge.tls is not None)


def _add_path(http: Plain, routes: Routes, prefix: str, around: Surroundings) -> None:
    """Add the routers of one path (without a slash at its end), and what they share their requests out by."""
    sides = sides_of(routes, prefix)
    owner = sides.first or sides.canary
    assert owner is not None, "a path is claimed by somebody"
    generation = routes.generation if sides.first is not None or routes.canary is None else routes.canary.generation
    name = service_name(routes.environment, generation, owner.service)
    if sides.first is not None and sides.canary is not None and routes.canary is not None:
        other = service_name(routes.environment, routes.canary.generation, sides.canary.service)
        # One a path: the services behind two paths are called differently, and each cookie names one of its own.
        cookie = _cookie(routes, f"{_claims(routes, prefix)[1].service}_{_RELEASE}")
        made = shared((name, sides.first), (other, sides.canary), routes.canary.share, cookie)
        http["services"] |= made
        name = next(iter(made))
    router: Plain = {"service": name, "priority": PRIORITY + len(prefix)}
    if prefix_of(owner):
        http["middlewares"][f"{name}~strip"] = {"stripPrefix": {"prefixes": [prefix_of(owner)]}}
        router["middlewares"] = [f"{name}~strip"]
    # PathPrefix alone would also match /apix for /api.
    rule = f"Path(`{prefix}`) || PathPrefix(`{prefix}/`)" if prefix else "PathPrefix(`/`)"
    label = _label(routes, prefix)
    port = routes.port or around.ports.get(routes.environment)
    ways: dict[str, Plain] = {}
    if port is not None:
        ways["local"] = {**router, "entryPoints": [f"p{port}"], "rule": rule}
    if routes.domain is not None and (around.public or routes.edge.tls is not None):
        ways |= guard.domain_ways(routes, router, rule, around.https_port)
    for way, made_router in ways.items():
        http["routers"] |= guard.routers(f"{label}~{way}", routes, made_router, around.pass_key, around.own)


def _label(routes: Routes, prefix: str) -> str:
    """Return what the routers of a path are called: by the service that claims it."""
    of_first, service = _claims(routes, prefix)
    label = f"{routes.environment.replace('/', '~')}~{service.service}"
    return label if of_first else f"{label}~{_RELEASE}"


def _claims(routes: Routes, prefix: str) -> tuple[bool, ServiceRoute]:
    """Return the service that claims a path, that of the first generation if any, and whether it is of that."""
    services = routes.canary.services if routes.canary is not None else ()
    found = [(True, one) for one in routes.services] + [(False, one) for one in services]
    return next(one for one in found if one[1].path.rstrip("/") == prefix)
