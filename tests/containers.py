"""A docker runtime over an image made up by tests, and the engine that such tests need."""

import fcntl
import hashlib
import io
import os
import shutil
import socket
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from examples.make_repository import make_repository

from lading.docker import SOCKET, Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.errors import LadingError
from lading.runtime.docker import DockerRuntime
from lading.runtime.docker.names import INSTANCE, KIND, NAME, Names
from tests.agents import RealAgent, copy_of, ended, fill
from tests.processes import PROGRAM
from tests.projects import add_greedy, as_images, make_project
from tests.specs import Programs
from tests.strikes import record
from tests.support import until

BASE = "python:3.11-slim"
IMAGE = "lading-tests/program"
STRUCK = ("v1.0.0", "v1.1.0", "v1.3.0", "v1.8.0", "v1.9.0")  # of the project; no more than a store keeps unasked
GREEDY = {"v1.8.0": False, "v1.9.0": True}  # versions that want too much memory, and whether only later
DOCKERFILE = f"""
FROM {BASE}
RUN useradd --uid 10001 app
COPY app.py /srv/app.py
WORKDIR /srv
USER app
CMD ["python", "app.py", "serve"]
"""


@cache
def why_not() -> str:
    """Say why tests with containers cannot run here, empty when they can."""
    engine = Engine(SOCKET)
    try:
        engine.get(f"/images/{segment(BASE)}/json")
    except EngineRefused:
        return f"the engine has no image {BASE} (make base-images)"
    except LadingError as error:
        return f"no container engine answers at {SOCKET}: {error.happened}"
    return ""


@contextmanager
def _locked(how: int) -> Iterator[None]:
    place = os.environ.get("LADING_ENGINE", "")
    if not place:
        yield
        return
    with Path(place, "tests.lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield


@contextmanager
def engine_alone() -> Iterator[None]:
    """Let no other worker of this run use the engine within the block: it is restarted there."""
    with _locked(fcntl.LOCK_EX):
        yield


@contextmanager
def engine_shared() -> Iterator[None]:
    """Let the engine live as it is within the block."""
    with _locked(fcntl.LOCK_SH):
        yield


def with_engine(test: Any) -> Any:
    """Mark a test or class of tests as one that needs an engine with a base image."""
    # Where CI promises an engine, its absence is a failure and no reason to skip.
    if os.environ.get("LADING_TESTS_NEED_ENGINE"):
        assert not why_not(), why_not()
    return pytest.mark.system(pytest.mark.skipif(bool(why_not()), reason=why_not())(test))


@cache
def image_id(dockerfile: str = DOCKERFILE, program: str = PROGRAM) -> str:
    """Build the image of a program and return its id; the engine's cache makes a second time cheap."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, text in (("Dockerfile", dockerfile), ("app.py", program)):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    engine = Engine(SOCKET)
    tag = f"{IMAGE}:{hashlib.sha256((dockerfile + program).encode()).hexdigest()[:12]}"
    with engine.stream("POST", "/build", context.getvalue(), kind="application/x-tar", t=tag, timeout=120) as answer:
        said = answer.read().decode()
    assert "error" not in said, said
    return str(engine.get(f"/images/{segment(tag)}/json")["Id"])


class Containers(Programs):
    """A docker runtime in a home of its own, whose releases are an image made up by tests."""

    runtime: DockerRuntime

    def __init__(self, home: Path) -> None:
        self.home = home
        self.engine = Engine(SOCKET)
        self.runtime = self.reopen()
        self.runtime._names.agent  # noqa: B018 - the image is tagged for this agent
        self.use(image_id())

    def use(self, image: str) -> None:
        """Give the runtime an image under the name it would have loaded it under."""
        self.image = image
        repository = self.runtime._names.repository("shop")
        self.engine.post(f"/images/{segment(image)}/tag", repo=repository, tag=image.removeprefix("sha256:"))

    def reopen(self) -> DockerRuntime:
        self.runtime = DockerRuntime(
            self.home / "docker",
            data_dir=lambda project, environment: self.home / "environments" / project / environment,
            layer_dir=lambda diff_id: self.home / "layers" / diff_id,
            open_blob=self._no_blob,
            users=self.home / "users.json",
            processes=self.home / "process",
            guard=(sys.executable, "-m", "lading.agent.guard", str(self.home / "docker"), SOCKET),
        )
        return self.runtime

    @staticmethod
    def _no_blob(digest: str) -> Any:
        raise KeyError(digest)

    def given(self) -> dict[str, Any]:
        return {"kind": "image", "layers": {"config": self.image}}

    def up(self, name: str) -> None:
        until(lambda: self._answers(name), within=20.0)

    def _answers(self, name: str) -> bool:
        try:
            with socket.create_connection(self.address(name), timeout=1.0):
                return True
        except OSError:
            return False

    def say(self, name: str, line: str) -> None:
        with socket.create_connection(self.address(name), timeout=5.0) as connection:
            connection.sendall(f"say {line}\n".encode())
            while connection.recv(1):
                pass

    def crash(self, name: str) -> None:
        state = self.runtime.look(name)
        assert state is not None
        os.kill(state.pid, 9)

    @contextmanager
    def connect(self, name: str) -> Iterator[socket.socket]:
        with socket.create_connection(self.address(name), timeout=5.0) as connection:
            connection.sendall(b"hold\n")
            yield connection

    def until(self, condition: Callable[[], object]) -> None:
        until(condition, within=20.0)

    def exec(self, name: str, *words: str) -> str:
        """Run a command inside an instance and return what it printed."""
        return inside(self.engine, self.runtime._names.container("instance", name), *words)

    def remove_networks(self) -> None:
        """Remove this agent's networks, whoever is in them."""
        remove_networks(self.engine, self.runtime._names.filters())

    def end(self) -> None:
        """Remove all that this agent made in the engine."""
        clear(self.engine, self.runtime._names)


@contextmanager
def containers() -> Iterator[Containers]:
    """Give a runtime, and leave nothing of it behind."""
    home = Path(tempfile.mkdtemp(prefix="lading-docker-"))
    with engine_shared():
        world = Containers(home)
        try:
            yield world
        finally:
            world.end()
            with suppress(OSError):
                shutil.rmtree(home)


class ContainerAgent(RealAgent):
    """A real agent whose project is built as images; what it makes in the engine goes with it."""

    def filters(self) -> dict[str, list[str]]:
        """Return the engine's filter for what this agent made."""
        return Names(self.home / "docker").filters()

    def instances(self) -> set[str]:
        """Return the names of the instances that run, containers and processes."""
        found = Engine(SOCKET).get("/containers/json", filters=self.filters())
        kept = {entry["Labels"][NAME] for entry in found if entry["Labels"][KIND] == INSTANCE}
        return kept | super().instances()

    def container_of(self, service: str = "web", environment: str = "local") -> dict[str, Any]:
        """Return what the engine knows of the first instance of a service that serves."""
        known = record(self, environment)
        assert known.serving is not None
        specs = (*known.serving.instances, *known.backing.values())
        name = next(spec.name for spec in specs if spec.service == service)
        found = Engine(SOCKET).get(f"/containers/{Names(self.home / 'docker').container(INSTANCE, name)}/json")
        assert isinstance(found, dict)
        return found

    def inside(self, container: dict[str, Any], *words: str) -> str:
        """Run a command inside a container and return what it printed."""
        return inside(Engine(SOCKET), container["Id"], *words)

    def end(self) -> None:
        """Stop everything and remove what the agent made in the engine."""
        try:
            super().end()
        finally:
            if (self.home / "docker" / "id").exists():
                clear(Engine(SOCKET), Names(self.home / "docker"))


def inside(engine: Engine, container: str, *words: str) -> str:
    """Run a command inside a container and return what it printed."""
    asked = {"Cmd": list(words), "AttachStdout": True, "AttachStderr": True, "Tty": True}
    made = engine.post(f"/containers/{container}/exec", asked)
    with engine.stream("POST", f"/exec/{made['Id']}/start", b'{"Detach": false, "Tty": true}') as answer:
        return answer.read().decode()


def make_image_template(place: Path) -> Path:
    """Return ``place`` with a home in which versions of the project are built as images, greedy ones among them."""
    place.mkdir(parents=True)
    project = as_images(make_project(place / "project"))
    for version, later in GREEDY.items():
        add_greedy(project, version, later=later)
    with engine_shared():
        fill(ContainerAgent(place / "template", project), STRUCK)
    return place


def container_copy_of(template: Path, place: Path) -> ContainerAgent:
    """Return an agent with a fresh home in which every image is built and nothing was deployed."""
    agent = copy_of(template, place, kind=ContainerAgent)
    assert isinstance(agent, ContainerAgent)
    return agent


def remove_networks(engine: Engine, filters: dict[str, list[str]]) -> None:
    """Remove networks as somebody does who wants to be rid of them: what is in them runs on without."""
    for network in engine.get("/networks", filters=filters):
        for container in engine.get(f"/networks/{network['Id']}")["Containers"]:
            with suppress(EngineRefused):  # it has just ended
                engine.post(f"/networks/{network['Id']}/disconnect", {"Container": container, "Force": True})
        engine.delete(f"/networks/{network['Id']}")


def clear(engine: Engine, names: Names) -> None:
    """Remove all that one agent made in the engine."""
    for found in engine.get("/containers/json", all=True, filters=names.filters()):
        engine.delete(f"/containers/{found['Id']}", force=True, v=True)
    for found in engine.get("/networks", filters=names.filters()):
        engine.delete(f"/networks/{found['Id']}")
    for found in engine.get("/images/json"):
        for tag in found["RepoTags"] or ():
            if tag.startswith(names.repository("")):
                engine.delete(f"/images/{segment(tag)}")


@contextmanager
def released(agent: ContainerAgent, versions: Iterable[str]) -> Iterator[ContainerAgent]:
    """Build releases of a project, none of them deployed, and end the agent afterwards."""
    with engine_shared(), ended([agent]):
        for version in versions:
            agent.checkout(version)
            told = agent.lading("release")
            assert told.exit == 0, told
        yield agent


@contextmanager
def released_example(name: str, home: Path, *, classic: bool = False) -> Iterator[ContainerAgent]:
    """Give an agent with all three releases of an example, none of them deployed; the first stays checked out."""
    make_repository(name, home / "project", classic=classic)
    agent = ContainerAgent(home / "home", home / "project", name=name)
    with released(agent, ("v1.1.0", "v1.2.0", "v1.0.0")):
        yield agent
