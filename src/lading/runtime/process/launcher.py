"""Bring a spec to run: directories, user, limits, record, keeper, in this order."""

import errno
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.secret import Secret, redact
from lading.ports.runtime.refusals import start_failed
from lading.runtime.process import directories, launch, logs, users
from lading.runtime.process.limits import Applied, Groups
from lading.runtime.process.records import Record, Records, file_name
from lading.runtime.process.spawn import can_become, loads_code, spawn

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # a shell drops others on the way
SHOWN = 5  # lines of a log that explain a start that failed
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One start: under which name of which records, after which earlier attempt, on which port, logging where.

    ``args`` follow the command. ``with_outputs`` gives the program a fresh directory for its files, as runs have;
    ``kept`` lets its record stay until somebody drops it.
    """

    name: str
    records: Records
    previous: Record | None
    log: Path
    port: int | None = None
    args: tuple[str, ...] = ()
    with_outputs: bool = False
    kept: bool = False

    @property
    def number(self) -> int:
        """The attempt's number, from 1."""
        return self.previous.attempt + 1 if self.previous is not None else 1

    @property
    def group(self) -> str:
        """The name of its control groups; a run's differs from that of any instance."""
        return f"run:{self.name}" if self.with_outputs else self.name


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A start with everything settled but the start; ``variables`` hold secrets in plain, so it is never written."""

    record: Record
    words: tuple[str, ...]
    variables: dict[str, str]
    cwd: str
    address_space: int | None = None
    user: int | None = None

    def spawn(self, records: Records, lock: int, log: int) -> bool:
        """Start it under its name's open lock; tell whether it came to run."""
        return spawn(
            records,
            self.record,
            lock,
            words=self.words,
            variables=self.variables,
            cwd=Path(self.cwd),
            log=log,
            applied=Applied(self.record.cgroups, self.address_space),
            user=self.user,
        )


class Launcher:
    """Starts programs of releases in their environments.

    ``as_user``: True starts every environment's programs under its own system user, False never does, None does where
    the agent is root and the user can reach what it needs. ``static`` are the words that start the server of built
    files; the directory follows. An agent that is root has that server become the environment's user by itself, always:
    it has loaded its code and opened the directory by then, so nothing has to be open to that user.
    """

    def __init__(
        self,
        root: Path,
        layer_dir: Callable[[str], Path],
        data_dir: Callable[[str, str], Path],
        *,
        as_user: bool | None,
        static: Sequence[str] = (),
    ) -> None:
        self._layer_dir = layer_dir
        self._data_dir = data_dir
        self._as_user = as_user
        self._static = tuple(static)
        self._users = users.Users(root / "users.json")
        self._groups = Groups(root)

    @property
    def group_folders(self) -> list[Path]:
        """Where the control groups of this agent's instances lie."""
        return self._groups.folders

    def start(self, spec: InstanceSpec, secrets: Mapping[str, Secret], attempt: Attempt, lock: int) -> Record:
        """Start a spec's program under the name's open lock and return the record of it.

        Raise ``start-failed`` or ``no-space``.
        """
        prepared = self.prepare(spec, secrets, attempt)
        with explained(spec):
            log = logs.open_log(attempt.log)
            try:
                came_up = prepared.spawn(attempt.records, lock, log)
            finally:
                os.close(log)
            if not came_up:
                lines = (redact(line, secrets.values()) for line in logs.last_lines(attempt.log, SHOWN))
                raise start_failed(spec, "its keeper ended before the program ran", details=tuple(lines))
            return prepared.record

    def prepare(self, spec: InstanceSpec, secrets: Mapping[str, Secret], attempt: Attempt) -> "Prepared":
        """Do all but the start itself, the record included; raise ``start-failed`` or ``no-space``."""
        with explained(spec):
            place = self._place(spec)
            words = launch.command(spec, place, port=attempt.port, args=attempt.args)
            user, said = self._user(spec, place)
            record = self._record(spec, place, attempt, user)
            variables = launch.variables(spec, secrets, place, port=attempt.port, user=user)
            variables["LADING_INSTANCE"] = attempt.name
            _check_variables(spec, variables, secrets)
            if record.outputs:
                variables["LADING_OUTPUTS"] = record.outputs
            applied = self._groups.prepare(attempt.group, spec.resources)
            record = msgspec.structs.replace(record, cgroups=applied.cgroups, limits="; ".join([applied.text, *said]))
            attempt.records.write(record)
            return Prepared(
                record=record,
                words=tuple(words),
                variables=variables,
                cwd=str(place.source_layer),
                address_space=applied.address_space,
                user=user,
            )

    def _place(self, spec: InstanceSpec) -> launch.Place:
        if spec.static is not None:
            # The server is a program of the agent's own, whatever the release brings, and sheds root by itself.
            number = self._number(spec) if os.geteuid() == 0 else None
            return launch.Place(
                environment_layer=Path(sys.prefix),
                source_layer=self._layers(spec, "static")["static"] / spec.static,
                data=self._data_dir(spec.project, spec.environment),
                server=(*self._static, *([f"--user={number}"] if number is not None else [])),
            )
        layers = self._layers(spec, "environment", "source", *(["files"] if spec.files else []))
        return launch.Place(
            environment_layer=layers["environment"],
            source_layer=layers["source"],
            data=self._data_dir(spec.project, spec.environment),
            files_layer=layers.get("files"),
        )

    def _layers(self, spec: InstanceSpec, *roles: str) -> dict[str, Path]:
        layers = {}
        for role in roles:
            if role not in spec.layers:
                raise start_failed(spec, f"its release has no {role} layer", hint="build the release again")
            layers[role] = self._layer_dir(spec.layers[role])
            if not layers[role].is_dir():
                raise start_failed(
                    spec,
                    f"its {role} layer is not laid out at {layers[role]}",
                    hint=f"deploy {spec.version} again: fetching lays the layers out",
                )
        return layers

    def _record(self, spec: InstanceSpec, place: launch.Place, attempt: Attempt, user: int | None) -> Record:
        owner = user if user is not None else os.geteuid()
        if not place.server:  # it writes nothing, and what lies there belongs to the programs beside it
            directories.provide(place, spec, owner)
        outputs = ""
        if attempt.with_outputs:
            outputs = str(place.outputs / file_name(attempt.name))
            directories.hold(place.outputs)
            shutil.rmtree(outputs, ignore_errors=True)
            directories.give(Path(outputs), owner)
        if spec.stop_signal not in signal.Signals.__members__:
            raise start_failed(spec, f"its stop signal {spec.stop_signal!r} does not exist", hint="such as SIGTERM")
        return Record(
            name=attempt.name,
            marker=f"{spec.project}/{spec.environment}",
            attempt=attempt.number,
            started=time.time(),
            boot=attempt.records.boot,
            port=attempt.port,
            stop_signal=spec.stop_signal,
            outputs=outputs,
            kept=attempt.kept,
        )

    def _user(self, spec: InstanceSpec, place: launch.Place) -> tuple[int | None, list[str]]:
        """Return the user to become (None: stay) and what is to be said about it."""
        if os.geteuid() != 0:
            return None, []
        if place.server:
            return None, [f"user {self._number(spec)}"]
        if self._as_user is False:
            return None, ["as root"]
        place.data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        number = self._number(spec)
        obstacle = _obstacle(spec, place, number) if can_become() else "setpriv (util-linux) is not installed"
        if obstacle is None:
            return number, [f"user {number}"]
        if self._as_user:
            raise start_failed(
                spec,
                f"it cannot run as a user of its own: {obstacle}",
                hint="open the way for others (chmod o+x), move LADING_HOME, or let instances run as root",
            )
        return None, [f"as root: {obstacle}"]

    def _number(self, spec: InstanceSpec) -> int:
        return self._users.number(f"{spec.project}/{spec.environment}")


def _check_variables(spec: InstanceSpec, variables: Mapping[str, str], secrets: Mapping[str, Secret]) -> None:
    for name, value in variables.items():
        if not VARIABLE.fullmatch(name):
            raise start_failed(spec, f"{name!r} is no name for an environment variable", hint="use A-Z, 0-9 and _")
        if "\0" in value:
            raise start_failed(spec, f"the value of {name} holds a NUL character", hint=f"set {name} again without it")
    for name in secrets:
        if loads_code(name):
            raise start_failed(
                spec, f"{name} is set by a secret, and it steers the loader", hint=f"give {name} as a plain value"
            )


def _obstacle(spec: InstanceSpec, place: launch.Place, number: int) -> str | None:
    interpreter = place.environment_layer / "bin" / "python"
    for path in (place.environment_layer, place.source_layer, interpreter, place.data.parent):
        closed = users.first_closed(path, number)
        if closed is not None:
            return f"{closed} is closed to other users"
    for path in directories.sqlite_files(spec):
        if not directories.lies_in(place, path):
            return f"the database {path} lies outside the environment's directory"
    return None


@contextmanager
def explained(spec: InstanceSpec) -> Iterator[None]:
    """Turn an error of the system into one that says what could not be started and why."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise LadingError(
                "no-space",
                doing=f"starting {spec.label} of {spec.version} in {spec.project}/{spec.environment}",
                happened=f"no space left for {error.filename or 'its record'}",
                now="nothing of it runs; what served before is untouched",
                hint="free some space on that file system, then deploy again",
            ) from error
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        raise start_failed(spec, reason) from error
