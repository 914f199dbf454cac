"""What is started: the commands of the manifest, with what each is given. No process is touched here."""

import dataclasses
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from lading.dev.addresses import Addresses
from lading.dev.virtualenv import making, search_path
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from lading.model.manifest import Manifest, Probe, Service
from lading.model.secret import Secret

LOOPBACK = "127.0.0.1"
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_RELOADS = re.compile(r"\s(--reload|--debug|runserver)\b")


@dataclasses.dataclass(frozen=True, repr=False)
class Program:
    """A command and all it is given; ``env`` holds secrets, so the whole never prints itself.

    ``port`` is set for a web service. ``own_reload`` tells that it looks after changed files itself.
    """

    name: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path
    port: int | None = None
    ready: Probe | None = None
    grace: float = 10.0
    own_reload: bool = False

    def __repr__(self) -> str:
        return f"Program({self.name})"


@dataclasses.dataclass(frozen=True)
class Given:
    """What a project's programs are given on this machine.

    ``root`` is the project's directory, ``virtualenv`` its environment. ``databases`` are URLs and ``volumes``
    directories, by name; ``told`` are variables about databases that have a server. ``hosts`` has the address for each
    name by which containers find a server: here nobody finds it by that name.
    """

    root: Path
    virtualenv: Path
    secrets: Mapping[str, Secret]
    databases: Mapping[str, str]
    volumes: Mapping[str, str]
    environ: Mapping[str, str]
    told: Mapping[str, Secret] = dataclasses.field(default_factory=dict)
    hosts: Mapping[str, str] = dataclasses.field(default_factory=dict)


def services(manifest: Manifest, table: Environment, given: Given, ports: Mapping[str, int]) -> list[Program]:
    """Return the web services and workers of a manifest; ``ports`` says where each web service listens.

    Raise ``start-failed`` for a command that is none or names a program that is not there, all of them at once.
    """
    making_of = _Making(manifest, table, given)
    made, problems = [], []
    for name, service in manifest.services.items():
        if service.static is not None or service.image is not None:
            continue
        try:
            made.append(making_of.service(name, service, ports.get(name)))
        except _Unusable as problem:
            problems.append(f"services.{name}: {problem}")
    _refuse(problems, manifest)
    return made


def migrations(manifest: Manifest, table: Environment, given: Given) -> list[Program]:
    """Return the commands that bring the databases up to date, one a database that has one."""
    making_of = _Making(manifest, table, given)
    made, problems = [], []
    for name, database in manifest.databases.items():
        if database.migrate is None:
            continue
        build = database.build if database.build is not None else next(iter(manifest.build), None)
        try:
            made.append(making_of.command(f"{name} migrate", database.migrate, build, manifest.env, {}, None))
        except _Unusable as problem:
            problems.append(f"databases.{name}.migrate: {problem}")
    _refuse(problems, manifest)
    return made


class _Unusable(Exception):
    """Says why a command cannot be started."""


def _refuse(problems: list[str], manifest: Manifest) -> None:
    if not problems:
        return
    locks = [build.bundle for build in manifest.build.values() if build.bundle is not None]
    raise LadingError(
        "start-failed",
        doing=f"starting the programs of {manifest.project.name}",
        happened=f"{len(problems)} of their commands cannot be run",
        details=tuple(problems),
        now="nothing of it was started",
        hint=f"install what is pinned: {making(locks)}" if locks else "correct the commands in lading.toml",
    )


class _Making:
    """What all programs of one project share."""

    def __init__(self, manifest: Manifest, table: Environment, given: Given) -> None:
        self._manifest = manifest
        self._table = table
        self._given = given
        self._path = search_path(given.virtualenv, given.environ)
        self._from_here = Addresses(given.hosts)
        told = (
            database.variables(given.databases[name])
            for name, database in manifest.databases.items()
            if not database.has_server
        )
        self._databases = {variable: value for values in told for variable, value in values.items()}

    def service(self, name: str, service: Service, port: int | None) -> Program:
        if service.command is None:
            raise _Unusable("it has no command; what only an image knows how to start cannot be run here")
        volumes = {
            volume.env: self._given.volumes[key] for key, volume in service.volumes.items() if volume.env is not None
        }
        # Files of the source are where somebody works on them.
        volumes |= {told.env: str(self._given.root / path) for path, told in service.files.items() if told.env}
        env = {**self._manifest.env, **service.env}
        made = self.command(name, service.command, service.build, env, volumes, port)
        return dataclasses.replace(
            made,
            ready=service.ready or service.health,
            grace=service.grace,
            own_reload=_RELOADS.search(f" {service.command}") is not None and "--noreload" not in service.command,
        )

    def command(
        self,
        name: str,
        text: str,
        build: str | None,
        env: Mapping[str, str],
        volumes: Mapping[str, str],
        port: int | None,
    ) -> Program:
        directory = self._directory(build)
        places = {**self._databases, **volumes}
        if port is not None:
            places |= {"port": str(port), "host": LOOPBACK}
        return Program(
            name=name,
            words=tuple(self._words(text, places, directory)),
            env=self._variables(env, volumes, directory, port),
            directory=directory,
            port=port,
        )

    def _directory(self, build: str | None) -> Path:
        known = self._manifest.build.get(build) if build is not None else None
        return self._given.root / known.context if known is not None else self._given.root

    def _words(self, text: str, places: Mapping[str, str], directory: Path) -> Iterator[str]:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise _Unusable(f"it cannot be split into words: {error}") from error
        if not words:
            raise _Unusable("it is empty")
        words = [_PLACEHOLDER.sub(lambda found: places.get(found[1], found[0]), word) for word in words]
        program = words[0]
        found = str(directory / program) if "/" in program else shutil.which(program, path=self._path)
        if found is None or not os.access(found, os.X_OK):
            raise _Unusable(f"there is no program {program!r} in {self._given.virtualenv / 'bin'} nor on the PATH")
        return iter([found, *words[1:]])

    def _variables(
        self, env: Mapping[str, str], volumes: Mapping[str, str], directory: Path, port: int | None
    ) -> dict[str, str]:
        values = {name: value for name, value in self._given.environ.items() if name != "PYTHONHOME"}
        values |= {
            "PATH": self._path,
            "VIRTUAL_ENV": str(self._given.virtualenv),
            "PYTHONPATH": self._python_path(directory),
            "PYTHONUNBUFFERED": "1",
        }
        own = {**env, **self._table.env, **self._databases, **volumes}
        own |= {name: secret.reveal() for name, secret in self._given.secrets.items()}
        values |= {name: self._from_here.put_into(name, value) for name, value in own.items()}
        values |= {name: secret.reveal() for name, secret in self._given.told.items()}
        if port is not None:
            values |= {"PORT": str(port), "HOST": LOOPBACK, "UVICORN_PORT": str(port), "UVICORN_HOST": LOOPBACK}
        return values

    def _python_path(self, directory: Path) -> str:
        folders = [directory, directory / "src"] if (directory / "src").is_dir() else [directory]
        before = self._given.environ.get("PYTHONPATH", "")
        return os.pathsep.join([*(str(folder) for folder in folders), *([before] if before else [])])
