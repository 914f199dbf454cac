"""The way to an agent of another machine: its socket, forwarded through a connection that is shared by commands."""

import time

from lading.client.address import Address, SshHost
from lading.client.ssh.connection import Connection
from lading.client.ssh.pipe import PipeConnection, probe
from lading.client.ssh.problems import command
from lading.client.wire import UnixConnection
from lading.model.errors import LadingError

IDLE_LIMIT = 3.0  # seconds a connection is kept for the next request; the agent ends an idle one after five
REFUSED = b"open failed"  # what ssh notes when the other side does not open a socket


class SshLine:
    """The way to an agent over ssh. A command that finds the connection open starts no ssh at all."""

    keeps = True

    def __init__(self, address: Address) -> None:
        assert address.host is not None
        self._kept: UnixConnection | None = None
        self._address = address
        self._host: SshHost = address.host
        self._connection = Connection(address.host)
        self._forward = self._connection.control.forward(address.socket)
        self._mark = self._connection.control.mark(address.socket)
        self._refusals = 0
        self._kept_until = 0.0

    def __del__(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def connect(self, timeout: float) -> UnixConnection:
        """Connect to the agent's socket, over a connection that is opened where there is none."""
        kept, self._kept = self._kept, None
        if kept is not None:
            if time.monotonic() < self._kept_until and kept.is_idle():
                kept.take_up(timeout)
                return kept
            kept.close()
        if self._mark.exists():
            return self._by_pipe(timeout)
        self._refusals = self._noted()
        connection = UnixConnection(self._forward, timeout)
        try:
            connection.connect()
        except OSError:
            self._forward.unlink(missing_ok=True)
            self._connection.open(self._address.socket, timeout)
            self._refusals = self._noted()
            self._connect_fresh(connection)
        return connection

    def again(self, connection: UnixConnection, error: OSError, *, harmless: bool, whole: bool) -> bool:
        """Find out why nobody answered; a request that never arrived, or changes nothing, is sent once more."""
        if connection.heard or isinstance(connection, PipeConnection) or isinstance(error, TimeoutError):
            return False
        if self._noted() == self._refusals:
            # Not refused, so cut: what had been sent may have arrived.
            return harmless
        self._find_out()
        # The agent is there for a program, but not for ssh itself: forwarding is forbidden.
        self._mark.touch(0o600)
        if whole:
            return True
        raise self._unreachable(
            "forwarding a socket is not allowed there; a slower way was found", "the same command again"
        )

    def give_back(self, connection: UnixConnection, *, may_go_on: bool) -> None:
        """Keep it for the next request if it may go on: that saves a round trip to the other machine."""
        if not may_go_on:
            connection.close()
            return
        if self._kept is not None:
            self._kept.close()
        self._kept, self._kept_until = connection, time.monotonic() + IDLE_LIMIT

    def _by_pipe(self, timeout: float) -> UnixConnection:
        self._connection.open(timeout=timeout)
        connection = PipeConnection(self._connection, self._address.socket, timeout)
        connection.connect()
        return connection

    def _connect_fresh(self, connection: UnixConnection) -> None:
        try:
            connection.connect()
        except OSError as error:
            # The connection stands, but its own side of the way could not be made.
            self._connection.close()
            raise self._unreachable(
                f"ssh has connected, but not opened {self._forward} ({error.strerror})", "the same command again"
            ) from error

    def _noted(self) -> int:
        try:
            return self._connection.control.log.read_bytes().count(REFUSED)
        except FileNotFoundError:
            return 0

    def _find_out(self) -> None:
        """Open the agent's socket by a program there; raise ``agent-unreachable`` saying why it does not open."""
        found = probe(self._connection, self._address.socket)
        login = command(self._host)
        if found.status == 0:
            return
        home = self._address.home
        start = f"on {self._host.name}, as the user who runs it: LADING_HOME={home} lading agent start"
        if found.err == "ENOENT":
            raise self._unreachable(
                f"no agent runs there (there is no {self._address.socket})",
                f"{start}; a machine without one: lading host add ssh://root@{self._host.name}",
            )
        if found.err == "ECONNREFUSED":
            raise self._unreachable("no agent runs there (its socket is left over)", start)
        if found.err == "EACCES":
            raise self._unreachable(
                f"permission denied: {self._host.user or 'this user'} may not open {self._address.socket}",
                "ask as a user that the agent's group has, or as root",
            )
        said = found.err.strip().splitlines()
        raise self._unreachable(
            f"its socket does not open, and no program there can say why ({said[-1] if said else found.status})",
            f"{login} python3 --version; a machine without Lading: lading host add ssh://root@{self._host.name}",
        )

    def _unreachable(self, happened: str, hint: str) -> LadingError:
        return LadingError(
            "agent-unreachable",
            doing=f"asking the agent at {self._address}",
            happened=happened,
            now="what it serves goes on serving",
            hint=hint,
        )
