"""One container a name: made, found again, watched and ended, with its output kept when it goes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.secret import Secret, redact
from lading.ports.runtime.refusals import start_failed
from lading.runtime.docker import frames
from lading.runtime.docker.names import Names
from lading.runtime.docker.states import is_running
from lading.runtime.process import logs
from lading.runtime.process.records import file_name

CREATING = 10.0  # seconds a name may be held by a container that is just being removed
KILLED = 15.0  # seconds the engine may take to end what was killed
AGAIN = 0.05  # seconds between two tries
KEPT_LINES = 20_000  # lines of output that are kept of a container that goes


class Containers:
    """The containers of one kind, instances or runs, of one agent; ``kept`` is a directory for what they wrote.

    ``gone`` is told the name of every container that was removed.
    """

    def __init__(
        self, engine: Engine, known: Names, kind: str, kept: Path, gone: Callable[[str], None] = lambda _: None
    ) -> None:
        self._engine = engine
        self._names = known
        self._kind = kind
        self._kept = kept
        self._gone = gone

    def inspect(self, name: str) -> dict[str, Any] | None:
        """Return what the engine knows of a container, None when there is none."""
        try:
            found: dict[str, Any] = self._engine.get(f"{self._path(name)}/json")
        except EngineRefused as error:
            if error.status == 404:
                return None
            raise
        return found

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield every container, whether it runs or not."""
        for entry in self._engine.get("/containers/json", all=True, filters=self._names.filters(self._kind)):
            try:
                yield self._engine.get(f"/containers/{entry['Id']}/json")
            except EngineRefused as error:
                if error.status != 404:
                    raise

    def create(self, name: str, request: Mapping[str, Any]) -> None:
        """Make a container; one of that name which is on its way out is waited for."""
        deadline = time.monotonic() + CREATING
        while True:
            try:
                self._engine.post("/containers/create", request, name=self._names.container(self._kind, name))
                return
            except EngineRefused as error:
                if error.status != 409 or time.monotonic() >= deadline:
                    raise
            time.sleep(AGAIN)

    def start(self, name: str) -> None:
        """Start a container that was made."""
        self._engine.post(f"{self._path(name)}/start")

    def signal(self, name: str, signal: str) -> None:
        """Send a signal; quiet when nothing runs. What is paused is let go on first, or it would not hear."""
        self._unless_stopped(name, "unpause")
        self._unless_stopped(name, "kill", signal=signal)

    def _unless_stopped(self, name: str, act: str, **query: Any) -> None:
        path = f"{self._path(name)}/{act}"
        try:
            with self._engine.stream("POST", path, **query) as answer:
                answer.read()
        except EngineRefused as error:
            quiet = "not paused" in error.message or "not running" in error.message
            if error.status not in (404, 409) and not quiet:
                raise

    def wait(self, name: str, seconds: float) -> bool:
        """Wait until a container has ended; return whether it did."""
        if seconds <= 0:
            found = self.inspect(name)
            return found is None or not is_running(found)
        try:
            self._engine.post(f"{self._path(name)}/wait", timeout=seconds, condition="not-running")
        except TimeoutError:
            return False
        except EngineRefused as error:
            if error.status != 404:
                raise
        return True

    def stop(self, name: str, grace: float) -> None:
        """Ask a program to end by its stop signal, wait, then kill what is left; quiet when nothing runs."""
        found = self.inspect(name)
        if found is None or not is_running(found):
            return
        if grace > 0:
            self.signal(name, found["Config"].get("StopSignal") or "SIGTERM")
            if self.wait(name, grace):
                return
        self.kill(name)

    def kill(self, name: str) -> None:
        """Kill a container with all that runs in it and wait until it has ended."""
        self.signal(name, "SIGKILL")
        if not self.wait(name, KILLED):
            raise LadingError(
                "engine-failed",
                doing=f"ending {name}",
                happened=f"the engine did not end it within {KILLED:.0f} s of being asked to kill it",
                hint="docker ps, and the engine's own log",
            )

    def remove(self, name: str) -> None:
        """Remove a container, running or not, and keep what it wrote; quiet when there is none."""
        self._keep(name)
        self.discard(name)

    def discard(self, name: str) -> None:
        """Remove a container, running or not, with what it wrote; quiet when there is none."""
        self._delete(name)
        self._gone(self._names.container(self._kind, name))

    def _delete(self, name: str) -> None:
        deadline = time.monotonic() + CREATING
        while True:
            try:
                self._engine.delete(self._path(name), force=True, v=True)
                return
            except EngineRefused as error:
                if error.status == 404:
                    return
                if error.status != 409 or time.monotonic() >= deadline:  # 409: it is being removed already
                    raise
            time.sleep(AGAIN)

    def output(self, name: str, lines: int) -> str:
        """Return the last lines that a container wrote, both streams; empty when there is none."""
        return self._written(name, tail=str(lines))

    def stamped(self, name: str, since: float, lines: int | None = None) -> str:
        """Return what a container wrote since a moment, each line after the moment it was written in."""
        return self._written(name, timestamps=True, since=f"{since:.0f}", tail="all" if lines is None else str(lines))

    def _written(self, name: str, **query: Any) -> str:
        try:
            with self._engine.stream("GET", f"{self._path(name)}/logs", stdout=True, stderr=True, **query) as answer:
                return frames.text(answer)
        except EngineRefused as error:
            if error.status == 404:
                return ""
            raise

    def last_lines(self, name: str, lines: int) -> Sequence[str]:
        """Return the last lines written under a name, by the container there is now and by those before it."""
        if lines <= 0:
            return ()
        now = self.output(name, lines).splitlines()[-lines:]
        if len(now) == lines:
            return tuple(now)
        return (*logs.last_lines(self.log(name), lines - len(now)), *now)

    def log(self, name: str) -> Path:
        """Return the file with what containers of a name wrote that are gone."""
        return self._kept / f"{file_name(name)}.log"

    def _keep(self, name: str) -> None:
        text = self.output(name, KEPT_LINES)
        if text:
            self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(logs.open_log(self.log(name)), "ab") as file:
                file.write(text.encode() if text.endswith("\n") else f"{text}\n".encode())

    def _path(self, name: str) -> str:
        return f"/containers/{segment(self._names.container(self._kind, name))}"


@contextmanager
def explained(spec: InstanceSpec, secrets: Mapping[str, Secret]) -> Iterator[None]:
    """Turn the engine's refusal into an error that says what could not be started and why."""
    try:
        yield
    except EngineRefused as error:
        message = redact(error.message, secrets.values())
        if error.code == "no-space":
            raise
        raise start_failed(spec, message, hint=_hint(spec, message)) from error


def _hint(spec: InstanceSpec, message: str) -> str:
    if "No command specified" in message:
        return f"the image has no command of its own: give services.{spec.service} one in lading.toml"
    if "executable file not found" in message or "no such file or directory" in message:
        return "see that the image holds that program, or correct the command; then release again"
    if "unable to find user" in message:
        return f"name a user that the image has, or a number, as services.{spec.service}.user"
    return "docker logs and the engine's own log may say more"
