"""What stands before an environment's services, in Traefik's words: access, limits, and the pass of our own checks."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

from lading.model.environment import Routes
from lading.router.settings import resolver_of

Plain = dict[str, Any]

HTTPS_PORT = 443
PASS_HEADER = "X-Lading-Pass"
PAGE_HEADER = "X-Lading-Page"

# Overwritten with each request and taken out again: one name for all requests, so that they are counted together.
COUNTED_HEADER = "X-Lading-Counted"

# Above every router of visitors, whatever the length of its path; two services' own order stays as it is.
OVER_VISITORS = 1_000_000

# Only these may come without a body's length and stay unbuffered: streams and WebSockets are among them.
BODILESS = ("GET", "HEAD", "OPTIONS")


def pass_token(key: str, environment: str) -> str:
    """Return what the agent's own checks show at one environment; it opens no other one."""
    return hmac.new(key.encode(), environment.encode(), hashlib.sha256).hexdigest()


def middlewares(routes: Routes) -> Plain:
    """Return the middlewares of an environment's edge by name, in the order in which a request meets them.

    Counting comes first: guessing passwords is limited too.
    """
    edge, label = routes.edge, routes.environment.replace("/", "~")
    limits = edge.limits
    found: Plain = {}
    if limits.rate is not None:
        burst = limits.burst if limits.burst is not None else max(1, round(limits.rate * 2))
        found[f"{label}~rate"] = {"rateLimit": {**_whole(limits.rate), "burst": burst}}
    if limits.concurrency is not None:
        found[f"{label}~counted"] = {"headers": {"customRequestHeaders": {COUNTED_HEADER: "all"}}}
        together = {"requestHeaderName": COUNTED_HEADER}
        found[f"{label}~concurrency"] = {"inFlightReq": {"amount": limits.concurrency, "sourceCriterion": together}}
        found[f"{label}~uncounted"] = {"headers": {"customRequestHeaders": {COUNTED_HEADER: ""}}}
    if edge.allow:
        found[f"{label}~allow"] = {"ipAllowList": {"sourceRange": list(edge.allow)}}
    if edge.logins:
        realm = routes.environment.rpartition("/")[2]
        # Taken out: the program behind must see what it sees in every environment.
        found[f"{label}~login"] = {"basicAuth": {"users": list(edge.logins), "realm": realm, "removeHeader": True}}
    return found


def body_middleware(routes: Routes) -> Plain:
    """Return the middleware that refuses large bodies, empty without a limit."""
    limit = routes.edge.limits.body
    name = f"{routes.environment.replace('/', '~')}~body"
    return {} if limit is None else {name: {"buffering": {"maxRequestBodyBytes": limit}}}


def pass_middleware(routes: Routes) -> Plain:
    """Return the middleware that keeps the pass from the program behind."""
    name = f"{routes.environment.replace('/', '~')}~pass"
    return {name: {"headers": {"customRequestHeaders": {PASS_HEADER: ""}}}}


def page(routes: Routes, port: int) -> tuple[Plain, Plain]:
    """Return middleware and service of the page that visitors get under maintenance, both empty without one."""
    if routes.maintenance is None:
        return {}, {}
    name = f"{routes.environment.replace('/', '~')}~page"
    about = {"headers": {"customRequestHeaders": {PAGE_HEADER: routes.environment}}}
    return {name: about}, {name: {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}}


def domain_ways(routes: Routes, router: Plain, rule: str, https_port: int | None) -> dict[str, Plain]:
    """Return the ways in by an environment's domain: by plain HTTP, or by TLS where it has that."""
    host = f"Host(`{routes.domain}`) && ({rule})"
    tls = routes.edge.tls
    if tls is None:
        return {"public": {**router, "entryPoints": ["http"], "rule": host}}
    if https_port is None:
        return {}
    secured = {"certResolver": resolver_of(tls.acme)} if tls.acme else {}
    hsts = [f"{routes.environment.replace('/', '~')}~hsts"] if tls.hsts else []
    inner = [*hsts, *router.get("middlewares", [])]
    way: Plain = {**router, "entryPoints": ["https"], "rule": host, "tls": secured}
    return {"secure": {**way, "middlewares": inner} if inner else way}


def redirect(routes: Routes, https_port: int | None) -> tuple[Plain, Plain]:
    """Return middlewares and router by which plain HTTP leads to TLS, empty for an environment without."""
    tls = routes.edge.tls
    if tls is None or https_port is None:
        return {}, {}
    label = routes.environment.replace("/", "~")
    told = {"scheme": "https", "permanent": True} | ({} if https_port == HTTPS_PORT else {"port": str(https_port)})
    found: Plain = {f"{label}~redirect": {"redirectScheme": told}}
    if tls.hsts:
        found[f"{label}~hsts"] = {"headers": {"stsSeconds": tls.hsts}}
    way = {"entryPoints": ["http"], "rule": f"Host(`{routes.domain}`)", "service": "noop@internal"}
    return found, {f"{label}~redirect": {**way, "middlewares": [f"{label}~redirect"]}}


def routers(name: str, routes: Routes, router: Plain, key: str, own: tuple[str, ...]) -> Iterator[tuple[str, Plain]]:
    """Return the routers of one way in (name, router): for visitors, for bodies to be held against the limit, and for
    the agent's own checks, which come from this host (``own``: its further addresses) and show the pass.
    """
    inner = router.get("middlewares", [])
    edge = list(middlewares(routes))
    body = routes.edge.limits.body
    if routes.maintenance is not None:
        (shown,) = page(routes, 0)[1]
        yield name, {**_with(router, [*edge, shown]), "service": shown}
    else:
        yield name, _with(router, [*edge, *inner])
    if body is not None and routes.maintenance is None:
        rule = f"({router['rule']}) && ({_heavy(body)})"
        yield f"{name}~body", {**_with(router, [*edge, *body_middleware(routes), *inner], rule), **_above(router, 1)}
    if key:
        places = " || ".join(f"ClientIP(`{place}`)" for place in ("127.0.0.0/8", "::1", *own))
        shown = f"Header(`{PASS_HEADER}`, `{pass_token(key, routes.environment)}`)"
        rule = f"({router['rule']}) && {shown} && ({places})"
        passing = _with(router, [*pass_middleware(routes), *inner], rule)
        yield f"{name}~pass", {**passing, **_above(router, OVER_VISITORS)}


def _with(router: Plain, names: list[str], rule: str = "") -> Plain:
    made = {**router, "rule": rule or router["rule"], "middlewares": names}
    if not names:
        # Traefik refuses an empty list.
        del made["middlewares"]
    return made


def _above(router: Plain, step: int) -> Plain:
    return {"priority": router["priority"] + step}


def _whole(rate: float) -> Plain:
    """Return the rate as Traefik counts: whole requests a period."""
    return {"average": round(rate)} if rate == round(rate) else {"average": round(rate * 100), "period": "100s"}


def _heavy(limit: int) -> str:
    """Return the rule for requests whose body is larger than the limit, or of unknown length.

    Only those are buffered: Traefik buffers the answer with the request, and a stream would never arrive.
    """
    bare = " && ".join(f"!Method(`{method}`)" for method in BODILESS)
    unknown = f"{bare} && !HeaderRegexp(`Content-Length`, `^[0-9]+$`)"
    return f"HeaderRegexp(`Content-Length`, `{above(limit)}`) || ({unknown})"


def above(number: int) -> str:
    """Return a regular expression for decimal numbers larger than ``number``."""
    digits = str(number)
    longer = f"[1-9][0-9]{{{len(digits)},}}"
    larger = [
        f"{digits[:at]}[{int(digit) + 1}-9]" + (f"[0-9]{{{rest}}}" if (rest := len(digits) - at - 1) else "")
        for at, digit in enumerate(digits)
        if digit != "9"
    ]
    return f"^0*({'|'.join([longer, *larger])})$"
