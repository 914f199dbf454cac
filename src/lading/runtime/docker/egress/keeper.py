"""The agent's side: who is confined is written down, and nothing starts before the gate says that the rules stand."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from lading import __version__
from lading.model import typed
from lading.model.errors import LadingError
from lading.runtime.docker.egress import refused
from lading.runtime.docker.egress.confined import Confined, read_all
from lading.runtime.docker.egress.firewall import Firewall, NoFirewall
from lading.runtime.docker.egress.gate import state_of
from lading.runtime.process.records import file_name

PROGRAM = (sys.executable, "-m", "lading.runtime.docker.egress.gate")
IN_FORCE = 15.0  # seconds until the rules for a container must stand
ENDED = 5.0  # seconds that are waited for the gate to end
AGAIN = 0.01  # seconds between two looks
SWEEP_EVERY = 30.0  # seconds between two looks for containers that are gone


class Keeper:
    """Keeps the confined containers of one agent; ``root`` is a directory, ``agent`` gives the agent's own part."""

    def __init__(self, root: Path, agent: Callable[[], str]) -> None:
        self._root = root
        self._confined = root / "confined"
        self._agent = agent
        self._lock = threading.Lock()
        self._sweep_at = 0.0

    @property
    def in_use(self) -> bool:
        """Whether anything was ever confined here."""
        return self._confined.exists()

    def require(self) -> None:
        """Raise ``egress`` when rules cannot be set on this host."""
        try:
            Firewall(self._agent()).check()
        except NoFirewall as error:
            raise unenforced(str(error)) from error

    def confine(self, one: Confined) -> None:
        """Return once nothing that a container sends gets anywhere it may not; ``egress`` when that cannot be."""
        self.require()
        with self._lock:
            for directory in (self._root, self._confined, self._root / "refused"):
                directory.mkdir(mode=0o700, exist_ok=True)
            self._drop_others(one)
            _write(self._file(one.name), msgspec.json.encode(one))
        deadline = time.monotonic() + IN_FORCE
        while not self._stands(one):
            if time.monotonic() >= deadline:
                raise unenforced(f"no rules for it stand after {IN_FORCE:.0f} s: {self._last_words()}")
            self._wake()
            time.sleep(AGAIN)

    def free(self, name: str) -> None:
        """Forget a container that is gone; nothing for one that was not confined."""
        if not self.in_use:
            return
        with suppress(FileNotFoundError):
            self._file(name).unlink()
            self._wake()

    def free_address(self, address: str) -> None:
        """See that nothing stands for an address any more, before somebody who is not confined gets it.

        Raise ``egress`` when that cannot be: the program would be refused what it may reach, and nobody would know why.
        """
        if not self.in_use:
            return
        stale = [one for one in read_all(self._confined) if one.address == address]
        for one in stale:
            self.free(one.name)
        deadline = time.monotonic() + IN_FORCE
        while any(self._applied().get(one.name) for one in stale):
            if time.monotonic() >= deadline:
                reason = f"rules for what had {address} before still stand after {IN_FORCE:.0f} s"
                raise unenforced(f"{reason}: {self._last_words()}")
            self._wake()
            time.sleep(AGAIN)

    def keep(self, is_there: Callable[[str], bool]) -> None:
        """See that the gate is there while anybody is confined, and now and then forget containers that are gone."""
        if not self.in_use:
            return
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_EVERY
            self.sweep(is_there)
        if any(self._confined.glob("*.json")):
            self._wake(tell=False)

    def sweep(self, is_there: Callable[[str], bool]) -> None:
        """Forget containers that are gone."""
        for one in list(read_all(self._confined)):
            if not is_there(one.name):
                self.free(one.name)

    def rest(self, is_running: Callable[[str], bool]) -> None:
        """Forget containers that do not run, and end the gate: whatever starts again is confined anew."""
        if not self.in_use:
            return
        self.sweep(is_running)
        running = self._running()
        if running is not None:
            with suppress(ProcessLookupError):
                os.kill(running[0], signal.SIGTERM)
            deadline = time.monotonic() + ENDED
            while self._running() is not None and time.monotonic() < deadline:
                time.sleep(AGAIN)

    def refused(self, marker: str, lines: int) -> Sequence[str]:
        """Return the last attempts that were refused in an environment."""
        return refused.last_lines(self._root / "refused", marker, lines) if self.in_use else ()

    def _drop_others(self, one: Confined) -> None:
        for other in read_all(self._confined):
            if other.address == one.address and other.name != one.name:
                self._file(other.name).unlink(missing_ok=True)

    def _stands(self, one: Confined) -> bool:
        return self._applied().get(one.name) == state_of(one)

    def _applied(self) -> dict[str, str]:
        # What a gate that is gone has applied stands too: rules outlive it. But its connections lead nowhere.
        if self._running() is None:
            return {}
        with suppress(FileNotFoundError):
            return typed.decode((self._root / "applied.json").read_bytes(), dict[str, str])
        return {}

    def _wake(self, *, tell: bool = True) -> None:
        """Tell the gate that something changed; start it when it is not there, or of another version."""
        running = self._running()
        if running is None:
            self._start()
            return
        pid, version = running
        with suppress(ProcessLookupError):
            if version != __version__:
                os.kill(pid, signal.SIGTERM)
            elif tell:
                os.kill(pid, signal.SIGHUP)

    def _running(self) -> tuple[int, str] | None:
        """Return number and version of the gate that runs; its lock says that it does."""
        try:
            descriptor = os.open(self._root / "gate.pid", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            words = os.pread(descriptor, 100, 0).decode().split()
            return (int(words[0]), words[1]) if len(words) == 2 else None
        finally:
            os.close(descriptor)
        return None

    def _start(self) -> None:
        with open(self._root / "gate.log", "ab") as log:
            # It goes into the background by itself; what is waited for is that it is there.
            subprocess.run(
                [*PROGRAM, str(self._root), self._agent()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=IN_FORCE,
                check=False,
                cwd="/",
            )

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self._root / "gate.log").read_text(errors="replace").splitlines()
            return lines[-1] if lines else "its gate said nothing"
        return "its gate said nothing"

    def _file(self, name: str) -> Path:
        return self._confined / f"{file_name(name)}.json"


def _write(file: Path, content: bytes) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(file)


def unenforced(reason: str) -> LadingError:
    """Return the error for what cannot be restricted."""
    return LadingError(
        "egress",
        doing="restricting what programs may reach",
        happened=reason,
        now="nothing was started without its restriction; what serves goes on serving",
        hint="run the agent as root on a host with iptables and an engine that uses it, or remove egress",
    )
