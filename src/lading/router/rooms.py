"""The agent's side of the waiting rooms: open one where routes are held, pass its requests on once they are not."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from lading.model import typed
from lading.model.environment import Routes
from lading.model.errors import LadingError
from lading.ports.router.rules import asks
from lading.router.identity import boot_id, is_running, write_whole
from lading.router.room import told
from lading.router.starting import start

START_TIMEOUT = 10.0  # seconds for a room to listen


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """What a room wrote of itself: its name, its process, the port of each path, how long requests wait in it."""

    name: str
    boot: str
    pid: int
    started: int | None
    ports: dict[str, int]
    limit: float

    @property
    def lives(self) -> bool:
        """Whether its process runs."""
        return self.boot == boot_id() and is_running(self.pid, self.started)


class Rooms:
    """The waiting rooms of one router, one an environment at most that still waits to be told."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def ports(self) -> dict[str, dict[str, int]]:
        """Return, by environment, the port of each path whose requests wait."""
        return {environment: state.ports for environment, state in self._waiting()}

    def open(self, routes: Routes) -> None:
        """See that a room is open for held routes. Idempotent."""
        paths = sorted(asks(service) for service in routes.services)
        for environment, state in self._waiting():
            if environment == routes.environment:
                if sorted(state.ports) == paths and state.limit == routes.hold:
                    return
                self._tell(state, {})
        self._start(routes, paths)

    def settle(self, in_force: Mapping[str, Routes]) -> None:
        """Open what is missing for routes that are held, and pass on what waits for routes that are not."""
        for routes in in_force.values():
            if routes.hold:
                self.open(routes)
        for environment, state in self._waiting():
            routes_now = in_force.get(environment)
            if routes_now is None:
                self._tell(state, {})
            elif not routes_now.hold:
                self._tell(state, _places(routes_now))

    def close(self) -> None:
        """End every room; what waits is cut."""
        for state in self._all():
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)

    def _all(self) -> Iterator[RoomState]:
        """Yield the rooms that live; what others left is removed."""
        for file in sorted(self._root.glob("*.json")):
            try:
                state = typed.decode(file.read_bytes(), RoomState)
            except FileNotFoundError:
                continue
            if state.lives:
                yield state
            else:
                file.unlink(missing_ok=True)
                told(self._root, state.name, state.pid).unlink(missing_ok=True)

    def _waiting(self) -> Iterator[tuple[str, RoomState]]:
        """Yield the rooms that were not told yet where requests go, with their environments."""
        for state in self._all():
            if not told(self._root, state.name, state.pid).exists():
                yield state.name.replace("~", "/"), state

    def _tell(self, state: RoomState, places: Mapping[str, list[str]]) -> None:
        write_whole(told(self._root, state.name, state.pid), msgspec.json.encode(places))
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGHUP)

    def _start(self, routes: Routes, paths: list[str]) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        words = (str(self._root), _name(routes.environment), f"{routes.hold:g}", *paths)
        try:
            status, said = start("lading.router.room", *words, within=START_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failure(routes.environment, str(error)) from error
        if status:
            raise _failure(routes.environment, said[-1] if said else f"it ended with status {status}")


def _places(routes: Routes) -> dict[str, list[str]]:
    return {asks(service): [backend.address for backend in service.backends] for service in routes.services}


def _name(environment: str) -> str:
    return environment.replace("/", "~")


def _failure(environment: str, happened: str) -> LadingError:
    return LadingError(
        "router-failed",
        doing=f"letting requests of {environment} wait",
        happened=f"their waiting room did not open: {happened}",
        now="the earlier routes are in force",
        hint="see that the host has processes and memory left, then try again",
    )
