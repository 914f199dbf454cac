"""The agent's side of the socket holder: start it, tell it what changed, read what it says."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lading.model import typed
from lading.model.canonical import digest_of
from lading.model.errors import LadingError
from lading.router.holder import ANOTHER_HOLDS
from lading.router.identity import PROTOCOL, boot_id, is_running, write_whole
from lading.router.settings import RouterSettings, Wants, holder_config
from lading.router.starting import start
from lading.router.units import Units, units_of

START_TIMEOUT = 20.0  # seconds for the holder to bind its ports and Traefik to load its routes
POLL_INTERVAL = 0.005  # seconds


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder last wrote: processes as (pid, start time), ports by name, why ports are missing.

    ``service`` is the unit it is the service of, empty for a process of its own.
    """

    boot: str = ""
    protocol: int = 1
    service: str = ""
    holder: tuple[int, int] = (0, 0)
    router: tuple[int, int] | None = None
    api: int = 0
    pages: int = 0
    pager: tuple[int, int] | None = None
    sockets: dict[str, int] = {}
    missing: dict[str, str] = {}
    config: str = ""
    ready: bool = False

    @property
    def held(self) -> bool:
        """Whether the holder lives."""
        return self.boot == boot_id() and is_running(*self.holder)

    @property
    def serving(self) -> bool:
        """Whether holder and Traefik live and Traefik has loaded its routes."""
        return self.held and self.ready and self.router is not None and is_running(*self.router)


class Control:
    """Start, inform and end the holder of one root."""

    def __init__(self, root: Path, settings: RouterSettings, wants: Callable[[], Wants] = Wants) -> None:
        self.root = root
        self.settings = settings
        self._wants = wants

    def state(self) -> State:
        """Return what the holder last wrote; an empty state when there is none."""
        try:
            return typed.decode((self.root / "holder.json").read_bytes(), State)
        except (OSError, msgspec.MsgspecError):
            return State()

    def ensure(self, keep: Sequence[int], wants: Wants | None = None) -> State:
        """See that a holder serves with today's configuration; ``keep`` are the ports promised to environments.

        ``wants`` is what routes need that are about to come into force, unless given what those in force need.
        """
        serial = self._configure(keep, wants or self._wants())
        state = self.state()
        units = units_of(self.root)
        if state.held and self._is_outdated(state, units):
            state = self._replace(state, units)
        began = not state.held
        if began:
            self._start(units)
            state = self.state()
        # One that started by itself at boot may have read what was written before.
        if state.config != serial or (state.missing and not began):
            self._tell(state)
        return self._await_serving(serial)

    def retry_missing(self, name: str, within: float) -> State:
        """Let the holder try again to bind a missing port and return its state once it has it, or in time."""
        state = self.state()
        deadline = time.monotonic() + within
        while name in state.missing and time.monotonic() < deadline:
            os.kill(state.holder[0], signal.SIGHUP)
            time.sleep(POLL_INTERVAL * 10)
            state = self.state()
        return self._await_serving(state.config) if name in state.sockets else state

    def stop(self) -> None:
        """End holder and Traefik, requests under way within their grace. Idempotent."""
        units = units_of(self.root)
        if units is not None:
            self._by_systemd(units.stop)
        state = self.state()
        if state.boot != boot_id():
            return
        targets = [p for p in (state.holder, state.router, state.pager) if p is not None and is_running(*p)]
        deadline = time.monotonic() + self.settings.grace + 5.0
        if targets:
            os.kill(targets[0][0], signal.SIGTERM)
        while any(is_running(*process) for process in targets):
            if time.monotonic() > deadline:
                for process in targets:
                    if is_running(*process):
                        os.kill(process[0], signal.SIGKILL)
            time.sleep(POLL_INTERVAL)
        (self.root / "holder.json").unlink(missing_ok=True)

    def _configure(self, keep: Sequence[int], wants: Wants) -> str:
        config = holder_config(self.root, self.settings, sorted(keep), wants)
        serial = digest_of(config)
        file = self.root / "holder-config.json"
        data = msgspec.json.encode({**config, "serial": serial})
        if not file.exists() or file.read_bytes() != data:
            write_whole(file, data)
        return serial

    def _tell(self, state: State) -> None:
        if state.held:
            os.kill(state.holder[0], signal.SIGHUP)

    def _is_outdated(self, state: State, units: Units | None) -> bool:
        """Tell whether a holder must make way: for one that knows more, or one whom systemd keeps."""
        return state.protocol != PROTOCOL or state.service != (units.service if units else "")

    def _replace(self, state: State, units: Units | None) -> State:
        """Put another holder in a holder's place; Traefik serves on meanwhile. Return the state that is left."""
        if units is not None and state.service == units.service:
            self._by_systemd(units.restart)
            return self.state()
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.holder[0], signal.SIGKILL)
        deadline = time.monotonic() + START_TIMEOUT
        while is_running(*state.holder) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        return State()

    def _start(self, units: Units | None) -> None:
        if units is not None:
            # A router that an earlier holder left has the ports still; both listen until it has gone.
            beside = self.state().router is not None and self.state().service != units.service
            self._by_systemd(lambda: units.start(beside=beside))
            return
        try:
            status, said = start("lading.router.holder", str(self.root), within=START_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failure(f"its socket holder did not start: {error}") from error
        if status not in (0, ANOTHER_HOLDS):
            raise self._failure(f"its socket holder ended with status {status}", *said[-3:])

    def _by_systemd(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or ""
            raise self._failure(f"systemd did not do it: {error}", *said.strip().splitlines()[-3:]) from error

    def _await_serving(self, serial: str) -> State:
        deadline = time.monotonic() + START_TIMEOUT
        state = self.state()
        while not (state.serving and state.config == serial):
            if time.monotonic() > deadline:
                raise self._failure(f"it did not serve within {START_TIMEOUT:g} s")
            time.sleep(POLL_INTERVAL)
            state = self.state()
        return state

    def _failure(self, happened: str, *lines: str) -> LadingError:
        units, log = units_of(self.root), self.root / "holder.log"
        read = f"journalctl -u {units.service}" if units else f"read {log}"
        tail = log.read_text(errors="replace").splitlines()[-3:] if log.exists() and units is None else []
        return LadingError(
            "router-failed",
            doing="start the router",
            happened=happened,
            now="routes that were in force are kept and served once it runs",
            hint=f"{read}, and read {self.root / 'traefik.log'}",
            details=(*lines, *tail),
        )
