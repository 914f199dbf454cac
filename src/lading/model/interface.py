"""Where an agent is found on its host, and which version of the interface client and agent speak."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from lading.model.errors import LadingError

API_VERSION: Final = "1"
API_HEADER: Final = "lading-api"
USER_HEADER: Final = "lading-user"

SOCKET: Final = "agent.sock"
LOG: Final = "agent.log"
LOCK: Final = "agent.lock"
CARD: Final = "agent.json"

SYSTEM_HOME: Final = "/var/lib/lading"


def home_of(environ: Mapping[str, str], uid: int) -> PurePosixPath:
    """Return the directory that holds all state of this user's agent.

    ``LADING_HOME`` moves it; otherwise it is ``/var/lib/lading`` for root and ``~/.local/share/lading`` for others.
    Raise ``usage`` for a relative ``LADING_HOME``: each directory it is used in would have an agent of its own.
    """
    if environ.get("LADING_HOME"):
        home = PurePosixPath(environ["LADING_HOME"])
        if not home.is_absolute():
            raise LadingError(
                "usage",
                doing="looking for the agent's home",
                happened=f"LADING_HOME={home} is relative, and would mean another home in every directory",
                now="nothing was changed",
                hint=f'give it whole: export LADING_HOME="$PWD/{home}" (best outside of any repository)',
            )
        return home
    if uid == 0:
        return PurePosixPath(SYSTEM_HOME)
    data = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '/')}/.local/share"
    return PurePosixPath(data) / "lading"
