"""The way to an agent: how a connection to it is opened, and what is known when one fails."""

from collections.abc import Callable
from typing import Protocol

from lading.client.address import Address
from lading.client.wire import UnixConnection
from lading.model.errors import LadingError


class Line(Protocol):
    """A way to one agent."""

    def connect(self, timeout: float) -> UnixConnection:
        """Return an open connection with this patience in seconds; raise ``agent-unreachable``."""
        ...

    def again(self, connection: UnixConnection, error: OSError, *, harmless: bool, whole: bool) -> bool:
        """Tell whether a request that failed may be sent once more, over a new connection.

        ``harmless`` requests change nothing; ``whole`` ones have a body that can be sent again. Raise
        ``agent-unreachable`` when it is known why nobody answered.
        """
        ...

    @property
    def keeps(self) -> bool:
        """Whether connections are kept for the next request, because opening one takes long."""
        ...

    def give_back(self, connection: UnixConnection, *, may_go_on: bool) -> None:
        """Take back a connection whose request has ended; close it, or keep it for the next one."""
        ...


class UnixLine:
    """The way to an agent of this machine; ``start`` is called once when nobody listens, to start it."""

    keeps = False

    def __init__(self, address: Address, start: Callable[[], None] | None) -> None:
        self._address = address
        self._start = start

    def give_back(self, connection: UnixConnection, *, may_go_on: bool) -> None:  # noqa: ARG002
        """Close it: the next one costs nothing."""
        connection.close()

    def connect(self, timeout: float) -> UnixConnection:
        """Connect to the agent's socket."""
        connection = UnixConnection(self._address.socket, timeout)
        try:
            connection.connect()
        except (ConnectionRefusedError, FileNotFoundError) as error:
            if self._start is None:
                raise unreachable(self._address, error) from error
            self._start()
            try:
                connection.connect()
            except OSError as again:
                raise unreachable(self._address, again) from again
        except OSError as error:
            raise unreachable(self._address, error) from error
        return connection

    def again(self, connection: UnixConnection, error: OSError, *, harmless: bool, whole: bool) -> bool:  # noqa: ARG002
        """Return False: who accepted a connection may have acted."""
        return False


def line_to(address: Address, start: Callable[[], None] | None) -> Line:
    """Return the way to an address."""
    if address.host is None:
        return UnixLine(address, start)
    # Only who needs it pays for loading it.
    from lading.client.ssh.line import SshLine

    return SshLine(address)


def unreachable(address: Address, error: OSError) -> LadingError:
    """Return the error for an agent that is not there."""
    hint = "lading agent start" if address.local else f"on its host: LADING_HOME={address.home} lading agent start"
    if isinstance(error, PermissionError):
        hint = "run it as the user who runs the agent (or as root)"
    return LadingError(
        "agent-unreachable",
        doing=f"asking the agent at {address}",
        happened=reason(error),
        now="what it serves goes on serving without it",
        hint=hint,
    )


def reason(error: Exception) -> str:
    """Say in words why a connection failed."""
    if isinstance(error, FileNotFoundError):
        return "no agent runs there (there is no socket)"
    if isinstance(error, ConnectionRefusedError):
        return "no agent runs there (its socket is left over)"
    if isinstance(error, PermissionError):
        return "permission denied: its socket is for its own user and root alone"
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(error) or type(error).__name__
