"""Stacks of one agent: read by the plugin as a user that may read nothing else, fitted in, brought up, looked at."""

import json
import os
import shutil
import tarfile
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.errors import LadingError
from lading.model.secret import Secret, redact
from lading.ports.stacks import Report, StackService, StackSpec, StackState
from lading.runtime.docker import frames, names, states
from lading.runtime.docker.names import STACK, STACK_NAME, Names
from lading.runtime.docker.networks import Networks
from lading.runtime.docker.stacks.file import Fitted, Fitting, Tree, fit
from lading.runtime.docker.stacks.plugin import Plugin, last_words
from lading.runtime.process.users import Users

IMAGE = "dev.lading.image"
SERVICE = "com.docker.compose.service"
WELL_WITHIN = 120.0  # seconds until a stack has come up
SETTLED = 2.0  # seconds that a program without a health check has to run
TRIES = 3  # restarts after which nobody waits any more
AGAIN = 0.25  # seconds between two looks at it


class DockerStacks:
    """Stacks as compose projects; ``root`` keeps the files that came with them, ``users`` the environments' numbers."""

    def __init__(self, root: Path, engine: Engine, known: Names, networks: Networks, users: Path) -> None:
        self._root = root
        self._engine = engine
        self._names = known
        self._networks = networks
        self._users = Users(users)
        self._plugin = Plugin(engine.path)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def require(self) -> None:
        """Raise ``no-compose`` or ``no-engine`` when no stack can run here now."""
        self._plugin.require()
        self._engine.get("/info")

    def up(self, spec: StackSpec, source: Path, secrets: Mapping[str, Secret], report: Report) -> StackState:
        """Bring a stack to what its source says, and return it once it is well."""
        self.require()
        with self._locks[spec.key], self._unpacked(spec, source) as directory:
            fitted = self._fitted(spec, directory, secrets)
            for note in fitted.notes:
                report(note)
            self._place(spec, directory)
            self._networks.provide(spec.project, spec.environment)
            tree = self._pinned(spec, fitted.tree, secrets, report)
            told = self._plugin.act(
                self._project(spec),
                ["up", "--detach", "--remove-orphans"],
                tree,
                lambda line: report(redact(line, secrets.values())),
            )
            if told.status:
                raise _failed(spec, f"the plugin ended with status {told.status}", last_words(told, secrets))
            return self._well(spec, secrets)

    def down(self, project: str, environment: str, name: str) -> None:
        """Stop and remove a stack's containers and its own network; its volumes stay."""
        spec = StackSpec(project=project, environment=environment, name=name, compose="")
        if not self._names.in_use or not self._containers(spec):
            return
        self.require()
        with self._locks[spec.key]:
            told = self._plugin.act(self._project(spec), ["down", "--remove-orphans"])
            if told.status:
                raise _failed(spec, f"the plugin ended with status {told.status}", last_words(told, {}), "taking down")
        filters = {"label": [*self._names.filters()["label"], f"{names.ENVIRONMENT}={project}/{environment}"]}
        if not self._engine.get("/containers/json", all=True, filters=filters):
            self._networks.drop(project, environment)

    def look(self, project: str, environment: str) -> Sequence[StackState]:
        """Return an environment's stacks that are up or have data here."""
        if not self._names.in_use:
            return ()
        label = f"{names.ENVIRONMENT}={project}/{environment}"
        filters = {"label": [*self._names.filters(STACK)["label"], label]}
        volumes = self._engine.get("/volumes", filters=filters)["Volumes"] or ()
        containers = self._engine.get("/containers/json", all=True, filters=filters)
        known = {one["Labels"][STACK_NAME] for one in (*volumes, *containers)}
        return tuple(
            StackState(
                project=project,
                environment=environment,
                name=name,
                services=self._services(StackSpec(project=project, environment=environment, name=name, compose="")),
                volumes=tuple(sorted(one["Name"] for one in volumes if one["Labels"][STACK_NAME] == name)),
            )
            for name in sorted(known)
        )

    # reading it

    @contextmanager
    def _unpacked(self, spec: StackSpec, source: Path) -> Iterator[Path]:
        """Unpack the source where only the environment's own user can read it, apart from all that root can."""
        user = self._users.number(f"{spec.project}/{spec.environment}")
        place = Path(tempfile.mkdtemp(prefix="lading-stack-"))
        try:
            with tarfile.open(source) as tar:
                tar.extractall(place, filter="data")
            for path in (place, *place.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
            yield place
        except tarfile.TarError as error:
            raise _refused(spec, [f"its files cannot be unpacked: {error}"]) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _fitted(self, spec: StackSpec, directory: Path, secrets: Mapping[str, Secret]) -> Fitted:
        variables = {**spec.env, **{name: secret.reveal() for name, secret in secrets.items()}}
        user = self._users.number(f"{spec.project}/{spec.environment}")
        told = self._plugin.read(self._project(spec), directory, spec.compose, variables, user)
        if told.status:
            raise _refused(spec, last_words(told, secrets))
        unset = [line for line in told.lines if "variable is not set" in line]
        # Where they will lie is where they are mounted from.
        read: Tree = json.loads(told.out.replace(str(directory), str(self._files(spec))))
        fitted = fit(
            read,
            Fitting(
                spec=spec,
                project=self._project(spec),
                files=str(self._files(spec)),
                network=self._names.network(spec.project, spec.environment),
                labels=self._labels(spec),
            ),
        )
        wrong = [*fitted.refused, *(f"{_variable(line)}  is not set: name it in env or secrets" for line in unset)]
        if wrong:
            raise _refused(spec, [redact(line, secrets.values()) for line in wrong])
        return fitted

    def _place(self, spec: StackSpec, directory: Path) -> None:
        """Put the files where containers have them mounted from; what is there is changed and not replaced."""
        files = self._files(spec)
        files.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        for path in sorted(files.rglob("*"), reverse=True) if files.exists() else ():
            there = directory / path.relative_to(files)
            # A link cannot be written through, nor a directory over a file.
            if path.is_symlink() or path.is_dir() != there.is_dir() or not there.exists():
                _discard(path)
        shutil.copytree(directory, files, dirs_exist_ok=True, symlinks=True)
        files.chmod(0o755)

    def _pinned(self, spec: StackSpec, tree: Tree, secrets: Mapping[str, Secret], report: Report) -> Tree:
        """Name every image by what it is, so that it stays that, whatever its tag comes to mean."""
        images = {service["image"] for service in tree["services"].values()}
        lacking = {image for image in images if self._image(image) is None}
        if lacking:
            wanted = sorted(name for name, service in tree["services"].items() if service["image"] in lacking)
            report(f"pulling {', '.join(sorted(lacking))}")
            told = self._plugin.act(self._project(spec), ["pull", *wanted], tree)
            if told.status:
                raise _failed(spec, f"{', '.join(sorted(lacking))} cannot be had", last_words(told, secrets))
        for service in tree["services"].values():
            found = self._image(service["image"])
            if found is None:
                raise _failed(spec, f"{service['image']} is not in the engine after it was pulled", ())
            service["labels"][IMAGE] = service["image"]
            service["image"], service["pull_policy"] = found, "never"
        return tree

    def _image(self, reference: str) -> str | None:
        try:
            return str(self._engine.get(f"/images/{segment(reference)}/json")["Id"])
        except EngineRefused as error:
            if error.status == 404:
                return None
            raise

    # looking at it

    def _well(self, spec: StackSpec, secrets: Mapping[str, Secret]) -> StackState:
        deadline = time.monotonic() + WELL_WITHIN
        while any(map(_is_coming, self._services(spec))) and time.monotonic() < deadline:
            time.sleep(AGAIN)
        (state,) = [one for one in self.look(spec.project, spec.environment) if one.name == spec.name]
        for one in state.services:
            if not one.is_well:
                how = one.health or f"{one.state}, status {one.exit_status}"
                raise _failed(spec, f"{one.name} is not well: {how}", self._written(spec, one.name, secrets))
        return state

    def _services(self, spec: StackSpec) -> tuple[StackService, ...]:
        found = []
        for entry in self._containers(spec):
            try:
                found.append(_service(self._engine.get(f"/containers/{entry['Id']}/json")))
            except EngineRefused as error:
                if error.status != 404:  # 404: it was just removed
                    raise
        return tuple(sorted(found, key=lambda one: one.name))

    def _containers(self, spec: StackSpec) -> list[dict[str, Any]]:
        label = f"com.docker.compose.project={self._project(spec)}"
        found: list[dict[str, Any]] = self._engine.get("/containers/json", all=True, filters={"label": [label]})
        return found

    def _written(self, spec: StackSpec, service: str, secrets: Mapping[str, Secret]) -> tuple[str, ...]:
        for entry in self._containers(spec):
            if entry["Labels"].get(SERVICE) == service:
                path = f"/containers/{entry['Id']}/logs"
                with self._engine.stream("GET", path, stdout=True, stderr=True, tail="5") as answer:
                    text = redact(frames.text(answer), secrets.values())
                return tuple(f"{service}: {line}" for line in text.splitlines())
        return ()

    # what it is called

    def _project(self, spec: StackSpec) -> str:
        return f"lading-{self._names.agent}-{spec.project}-{spec.environment}-{spec.name}-stack"

    def _files(self, spec: StackSpec) -> Path:
        return self._root / spec.project / spec.environment / spec.name

    def _labels(self, spec: StackSpec) -> dict[str, str]:
        environment = f"{spec.project}/{spec.environment}"
        own = {names.AGENT: self._names.agent, names.KIND: STACK, names.ENVIRONMENT: environment}
        return {**own, STACK_NAME: spec.name}


def _is_coming(one: StackService) -> bool:
    """Tell whether it is too early to judge a service."""
    if one.state == "running" and not one.health:
        return 0 <= time.time() - one.started < SETTLED
    return one.is_coming and one.restarts < TRIES


def _service(found: dict[str, Any]) -> StackService:
    state = found["State"]
    bound = found["NetworkSettings"].get("Ports") or {}
    published = [
        f"{one['HostIp']}:{one['HostPort']} → {port}" for port, places in bound.items() for one in places or ()
    ]
    return StackService(
        name=states.label(found, SERVICE),
        image=states.label(found, IMAGE) or str(found["Config"]["Image"]),
        image_id=str(found["Image"]),
        state=str(state["Status"]),
        health=str((state.get("Health") or {}).get("Status", "")),
        exit_status=states.exit_status(found) if not state["Running"] else None,
        started=states.started_at(found),
        restarts=int(found["RestartCount"]),
        published=tuple(published),
    )


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


def _variable(line: str) -> str:
    return line.partition('The \\"')[2].partition('\\"')[0] or line


def _refused(spec: StackSpec, wrong: Sequence[str]) -> LadingError:
    return LadingError(
        "stack-refused",
        doing=f"bringing up {spec.name} of {spec.environment}",
        happened=f"{spec.compose} asks for what a stack beside a project may not have, or cannot be read",
        details=tuple(wrong),
        now="the stack is as it was; what serves is untouched",
        hint=f"change what is listed, commit, then: lading stack up {spec.environment} {spec.name}",
    )


def _failed(spec: StackSpec, happened: str, lines: Sequence[str], doing: str = "bringing up") -> LadingError:
    return LadingError(
        "stack-failed",
        doing=f"{doing} {spec.name} of {spec.environment}",
        happened=happened,
        details=tuple(lines),
        now="what serves is untouched; the stack's volumes are as they were",
        hint=f"lading stack status {spec.environment} {spec.name}; mended, the same command again goes on from there",
    )
