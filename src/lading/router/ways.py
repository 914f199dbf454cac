"""The ways into an environment: its local port, its domain by plain HTTP or TLS; and how this host itself goes."""

from collections.abc import Mapping

from lading.model.environment import Routes
from lading.model.errors import LadingError
from lading.router.control import Control, State
from lading.router.passing import probe_host
from lading.router.settings import RouterSettings

DEFAULTS = {"http": 80, "https": 443}
MISSING_PORT_PATIENCE = 0.5  # seconds to try again for a port that another program held


def port_of(settings: RouterSettings, scheme: str) -> int | None:
    """Return the port on which domains answer by a scheme, None where they do not."""
    return settings.https_port if scheme == "https" else settings.http_port


def scheme_of(routes: Routes) -> str:
    """Return the scheme by which visitors come to an environment's domain."""
    return "https" if routes.edge.tls is not None else "http"


def url_of(routes: Routes, settings: RouterSettings) -> str:
    """Return where an environment's domain answers, empty where it does not."""
    scheme = scheme_of(routes)
    port = port_of(settings, scheme)
    if routes.domain is None or port is None:
        return ""
    return f"{scheme}://{routes.domain}" + ("" if port == DEFAULTS[scheme] else f":{port}")


def probe_of(routes: Routes, settings: RouterSettings, trust: str) -> str:
    """Return the base URL by which this host asks an environment's domain, empty where it asks by the local port.

    Until ACME has obtained a certificate there is none that a check could hold anything against.
    """
    scheme = scheme_of(routes)
    port = port_of(settings, scheme)
    if routes.domain is None or port is None or (scheme == "https" and not trust):
        return ""
    return f"{scheme}://{probe_host(settings)}:{port}"


def need_domain(routes: Routes, settings: RouterSettings, state: State, control: Control) -> None:
    """Raise ``port-taken`` or ``router-failed`` where the ports by which the domain is served cannot be had."""
    if routes.domain is None:
        return
    if routes.edge.tls is not None and settings.https_port is None:
        raise LadingError(
            "router-failed",
            doing=f"TLS of {routes.environment}",
            happened="this host's agent serves nothing by TLS: no https_port is set",
            now="the routes in force are untouched",
            hint="write https_port = 443 into [router] of agent.toml in the agent's home, then start the agent again",
        )
    wanted = ("http", "https") if routes.edge.tls is not None else ("http",)
    for name in (name for name in wanted if port_of(settings, name) is not None):
        why = state.missing.get(name)
        if why and name in control.retry_missing(name, MISSING_PORT_PATIENCE).missing:
            raise _taken(routes, port_of(settings, name), why)


def _taken(routes: Routes, port: int | None, why: str) -> LadingError:
    return LadingError(
        "port-taken",
        doing=f"domain {routes.domain} of {routes.environment}",
        happened=f"port {port}, by which domains are served, cannot be had: {why}",
        now="the routes in force are untouched",
        hint="free the port, or let the agent serve domains on another one (below 1024 only root may)",
    )


def missing_of(missing: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """Return the environments whose local port another program holds, with the reason."""
    return {key: missing[f"p{port}"] for key, port in ports.items() if f"p{port}" in missing}
