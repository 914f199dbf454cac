"""Where an agent listens, as an environment's ``host`` or ``--agent`` names it."""

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from lading.model.errors import LadingError
from lading.model.interface import SOCKET, home_of


class Address(NamedTuple):
    """The Unix socket of an agent; ``local`` agents are started when they are needed and do not run."""

    socket: Path
    local: bool

    @property
    def home(self) -> Path:
        """The directory that holds the agent's state."""
        return self.socket.parent

    def __str__(self) -> str:
        return f"unix://{self.socket}"


def local_home() -> Path:
    """Return the absolute home directory of this user's own agent."""
    return Path(home_of(os.environ, os.getuid())).absolute()


def local_address() -> Address:
    """Return the address of this user's own agent."""
    return Address(local_home() / SOCKET, local=True)


def parse_address(host: str | None) -> Address:
    """Return the address that ``host`` names; None is this user's own agent.

    ``unix:///path`` names a socket, or a directory that holds ``agent.sock``. Raise ``not-supported`` for transports
    of later versions and ``usage`` for anything else.
    """
    if host is None:
        return local_address()
    scheme, separator, rest = host.partition("://")
    if separator and scheme == "unix" and rest.startswith("/"):
        path = Path(unquote(rest))
        path = path if path.suffix == ".sock" else path / SOCKET
        return Address(path, local=path == local_address().socket)
    if separator and scheme in ("ssh", "https"):
        raise LadingError(
            "not-supported",
            doing=f"finding the agent at {host}",
            happened=f"{scheme}:// is not supported yet; this version reaches agents of this machine",
            hint='give the environment host = "unix:///path/of/its/home", or no host for your own agent',
        )
    raise LadingError(
        "usage",
        doing=f"finding the agent at {host!r}",
        happened="that is not an address of an agent",
        hint='write it as "unix:///path/of/its/home"',
    )
