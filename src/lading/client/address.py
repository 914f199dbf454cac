"""Where an agent listens, as an environment's ``host`` or ``--agent`` names it."""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from lading.model.errors import LadingError
from lading.model.interface import SOCKET, SYSTEM_HOME, home_of

# What ssh takes as a user and a host; neither may look like one of its options.
_SSH = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?"
    r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    # Others would mean something to ssh where it forwards a socket.
    r"(?P<path>/[A-Za-z0-9._/@+-]*)?"
)


class SshHost(NamedTuple):
    """A machine as ``ssh`` names it: a name, an address, or an alias, which ssh's configuration explains."""

    name: str
    user: str | None = None
    port: int | None = None

    @property
    def login(self) -> str:
        """The words ``USER@HOST`` (or ``HOST``), as one would type them after ``ssh``."""
        return f"{self.user}@{self.name}" if self.user else self.name

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        login = f"{self.user}@{name}" if self.user else name
        return f"ssh://{login}:{self.port}" if self.port else f"ssh://{login}"


class Address(NamedTuple):
    """The Unix socket of an agent, on ``host`` if one is named.

    ``local`` agents are this user's own: they are started when they are needed and do not run.
    """

    socket: Path
    local: bool
    host: SshHost | None = None

    @property
    def home(self) -> Path:
        """The directory that holds the agent's state."""
        return self.socket.parent

    def is_same(self, other: "Address") -> bool:
        """Tell whether both name one agent."""
        return (self.socket, self.host) == (other.socket, other.host)

    def __str__(self) -> str:
        if self.host is None:
            return f"unix://{self.socket}"
        own = str(self.home) != SYSTEM_HOME or self.socket.name != SOCKET
        place = self.home if self.socket.name == SOCKET else self.socket
        return f"{self.host}{place if own else ''}"


def local_home() -> Path:
    """Return the absolute home directory of this user's own agent."""
    return Path(home_of(os.environ, os.getuid()))


def local_address() -> Address:
    """Return the address of this user's own agent."""
    return Address(local_home() / SOCKET, local=True)


def parse_address(host: str | None) -> Address:
    """Return the address that ``host`` names; None is this user's own agent.

    ``unix:///path`` names a socket, or a directory that holds ``agent.sock``. ``ssh://USER@HOST:PORT/path`` names the
    same on another machine; without a path it is the agent of the whole machine, which ``lading host add`` sets up.
    Raise ``not-supported`` for transports of later versions and ``usage`` for anything else.
    """
    if host is None:
        return local_address()
    scheme, separator, rest = host.partition("://")
    if separator and scheme == "unix" and rest.startswith("/"):
        path = _socket_at(rest)
        return Address(path, local=path == local_address().socket)
    if separator and scheme == "ssh":
        return _over_ssh(host, rest)
    if separator and scheme == "https":
        raise LadingError(
            "not-supported",
            doing=f"finding the agent at {host}",
            happened="https:// is not supported yet; this version reaches agents of this machine, and others by ssh://",
            hint='give the environment host = "ssh://USER@HOST", or no host for your own agent',
        )
    raise _no_address(host)


def parse_host(text: str) -> SshHost:
    """Return the machine that ``ssh://USER@HOST:PORT`` names; raise ``usage`` for anything else."""
    scheme, separator, rest = text.partition("://")
    address = _over_ssh(text, rest) if separator and scheme == "ssh" else None
    if address is None or address.host is None or address.home != Path(SYSTEM_HOME):
        raise _no_address(text, 'write it as "ssh://USER@HOST"')
    return address.host


def _over_ssh(host: str, rest: str) -> Address:
    match = _SSH.fullmatch(rest)
    if match is None or not 0 < int(match["port"] or 22) < 65536:
        raise _no_address(
            host, 'write it as "ssh://USER@HOST", "ssh://USER@HOST:PORT" or "ssh://HOST/path/of/its/home"'
        )
    path = match["path"] or ""
    socket = _socket_at(path if path.strip("/") else SYSTEM_HOME)
    named = SshHost(match["name"].strip("[]"), match["user"], int(match["port"]) if match["port"] else None)
    return Address(socket, local=False, host=named)


def _socket_at(text: str) -> Path:
    path = Path(unquote(text))
    return path if path.suffix == ".sock" else path / SOCKET


def _no_address(host: str, hint: str = 'write it as "unix:///path/of/its/home" or "ssh://USER@HOST"') -> LadingError:
    return LadingError(
        "usage",
        # Somebody may have written a password before the @.
        doing=f"finding the agent at {re.sub('//[^/]*@', '//…@', host)!r}",
        happened="that is not an address of an agent",
        hint=hint,
    )
