"""One connection to one machine, shared by all commands for a while: OpenSSH's control master."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from lading.client.address import SshHost
from lading.client.ssh.control import Control
from lading.client.ssh.problems import no_ssh, problem

# A user may name another ssh, or give it words of their own: LADING_SSH="ssh -F ci/ssh_config".
COMMAND = "LADING_SSH"

KEPT = 300  # seconds an unused connection stays open for the next command
CONNECT_TIMEOUT = 15  # seconds until a machine that does not answer is given up; less for who has less patience
ALIVE_EVERY = 5  # seconds between signs of life
ALIVE_MISSED = 3  # signs of life that may be missed until a connection counts as cut
OPEN_TIMEOUT = 90.0  # seconds for connecting and authenticating, jump hosts included

# Said for every call: nothing may ask a question, and nothing but what is asked for is opened or carried out.
# Host keys, keys, agents and jump hosts are the user's own configuration.
OPTIONS = (
    "BatchMode=yes",
    f"ServerAliveInterval={ALIVE_EVERY}",
    f"ServerAliveCountMax={ALIVE_MISSED}",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ExitOnForwardFailure=no",
    "StreamLocalBindUnlink=yes",
    "StreamLocalBindMask=0177",
    "LogLevel=INFO",
)


class Ran(NamedTuple):
    """How a command on the other machine ended, and what it wrote."""

    status: int
    out: bytes
    err: str


class Connection:
    """The connection to a machine; it is opened by who first needs it and closes itself when nobody uses it."""

    def __init__(self, host: SshHost) -> None:
        self.host = host
        self._ssh = shlex.split(os.environ.get(COMMAND, "")) or ["ssh"]
        self.control = Control(*self._ssh, host.login, str(host.port))

    def open(self, remote: Path | None = None, timeout: float = CONNECT_TIMEOUT) -> None:
        """See that the connection is open and, if given, that a local socket leads to the ``remote`` one.

        ``timeout`` is the patience in seconds with a machine that does not answer at all. Raise ``agent-unreachable``
        in words that say what to do. Calling it again changes nothing.
        """
        with self.control.locked():
            if self.is_open():
                if remote is not None and not self.control.forward(remote).exists():
                    # Somebody has cleaned up; ssh believes that it still leads there.
                    self._order("cancel", *self._leading_to(remote))
                    self._order("forward", *self._leading_to(remote))
                return
            self.control.clear()
            self._begin(remote, max(1, min(CONNECT_TIMEOUT, int(timeout))))

    def is_open(self) -> bool:
        """Tell whether the connection is there."""
        return self.control.socket.exists() and self._order("check") == 0

    def close(self) -> None:
        """Close the connection and remove its files; quiet when there is none."""
        with self.control.locked():
            if self.control.socket.exists():
                self._order("exit")
            self.control.clear()

    def run(self, command: str, given: bytes = b"", timeout: float | None = None) -> Ran:
        """Run a shell command there, ``given`` to its standard input, and return how it ended.

        Raise ``agent-unreachable`` when the machine cannot be reached, TimeoutExpired after ``timeout`` seconds.
        """
        self.open()
        done = subprocess.run(self.words(command), input=given, capture_output=True, check=False, timeout=timeout)
        err = done.stderr.decode(errors="replace")
        if done.returncode == 255 and not self.is_open():
            raise problem(self.host, err)
        return Ran(done.returncode, done.stdout, err)

    def loudly(self) -> str:
        """Log in once more, by oneself, and return what ssh tells of it: which key was taken, among others."""
        # First, as of two words on how much to tell the first counts.
        head, more = [*self._ssh, "-v"], self._call(f"ConnectTimeout={CONNECT_TIMEOUT}")[len(self._ssh) :]
        words = [*head, *more, "-S", "none", "--", self.host.name, "true"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=OPEN_TIMEOUT)
        return done.stderr.decode(errors="replace")

    def words(self, command: str) -> list[str]:
        """Return the words that run a shell command there over this connection."""
        return [*self._call("ControlMaster=no"), "--", self.host.name, command]

    def _begin(self, remote: Path | None, patience: int) -> None:
        words = self._call("ControlMaster=yes", f"ControlPersist={KEPT}", f"ConnectTimeout={patience}")
        # What goes to the background lets go of its standard error, but notes in this file which sockets were refused.
        words += [
            "-N",
            "-f",
            "-E",
            str(self.control.log),
            *(self._leading_to(remote) if remote else ()),
            "--",
            self.host.name,
        ]
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        with os.fdopen(os.open(self.control.log, flags, 0o600), "r+b") as log:
            try:
                done = subprocess.run(
                    words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=OPEN_TIMEOUT
                )
            except FileNotFoundError:
                raise no_ssh(self.host, words) from None
            except subprocess.TimeoutExpired:
                raise problem(self.host, "timed out") from None
            if done.returncode != 0:
                log.seek(0)
                raise problem(self.host, log.read().decode(errors="replace"))

    def _order(self, what: str, *more: str) -> int:
        words = [*self._call(), "-O", what, *more, "--", self.host.name]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode

    def _call(self, *options: str) -> list[str]:
        given = (f"ControlPath={self.control.socket}", *options, *OPTIONS)
        login = ["-l", self.host.user] if self.host.user else []
        port = ["-p", str(self.host.port)] if self.host.port else []
        return [*self._ssh, "-T", *(word for option in given for word in ("-o", option)), *login, *port]

    def _leading_to(self, remote: Path) -> tuple[str, str]:
        return ("-L", f"{self.control.forward(remote)}:{remote}")
