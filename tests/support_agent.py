"""The agent's real operations and interface over a house in memory, answering on a Unix socket."""

import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from lading import __version__
from lading.agent.answers import About
from lading.agent.api.app import create_app
from lading.agent.backing import Backing
from lading.agent.bills import Bills
from lading.agent.bringing import Bringing
from lading.agent.changes import Changes
from lading.agent.down import Downs
from lading.agent.gatekeeper import Gatekeeper
from lading.agent.jobs import Jobs
from lading.agent.keys import CurrentSigner, Keys
from lading.agent.logs import InstanceLogs
from lading.agent.maintenance import Maintenances
from lading.agent.outputs import Outputs
from lading.agent.policies import Policies
from lading.agent.registries import Registries
from lading.agent.releases import ReleaseShelf
from lading.agent.results import Results
from lading.agent.rollouts import Rollouts
from lading.agent.secret_values import SecretValues
from lading.agent.service import AgentService
from lading.agent.stacks import SideStacks
from lading.agent.status import Status
from lading.bill.keys import KeyRing
from lading.build.report import Report
from lading.engine.context import Locks
from lading.model.errors import LadingError
from lading.model.interface import API_VERSION, SOCKET
from lading.model.manifest import Manifest
from lading.model.release import Artifact, Release, artifact_digest, backing_name, release_digest
from lading.ports.sources.memory import MemorySources
from lading.ports.stacks.memory import MemoryStacks
from lading.ports.store.memory import make_layer
from tests.recovery.house import House
from tests.support import until

GIT = {
    "GIT_AUTHOR_NAME": "ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class MemoryAgent:
    """An agent whose ports are in memory; everything between them and the socket is real."""

    def __init__(self, home: Path, name: str = "memory") -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        (home / "spool").mkdir(exist_ok=True)
        ring = KeyRing(home / "keys", name)
        self.house = House.build()
        self.world = world = self.house.world = replace(self.house.world, signer=CurrentSigner(ring))
        self.changes = Changes()
        self.built: list[tuple[str, ...]] = []
        self.trouble: LadingError | None = None
        keys = Keys(world.journal, ring, world.clock)
        locks = Locks()
        self.sources = MemorySources()
        self.stacks = MemoryStacks()
        self.rollouts = Rollouts(world, Gatekeeper(world, lambda: (keys.own(),)), self.changes, locks, self.sources)
        self.jobs = Jobs(world, locks, world.secrets.all_values)
        self.outputs = Outputs(world)
        releases = ReleaseShelf(world.journal, world.store, self._build)
        self.service = AgentService(
            about=lambda: About(
                name=name,
                version=__version__,
                api=API_VERSION,
                pid=os.getpid(),
                started=0.0,
                home=str(home),
                fingerprint=keys.own().fingerprint,
                runtime=world.runtime.name,
                isolation=world.runtime.isolation,
            ),
            rollouts=self.rollouts,
            changes=self.changes,
            journal=world.journal,
            store=world.store,
            releases=releases,
            registries=Registries(world.store),
            bills=Bills(world.journal, world.signer, keys, world.clock),
            keys=keys,
            policies=Policies(world.journal, world.clock),
            secrets=SecretValues(world.journal, world.secrets, world.clock),
            stacks=SideStacks(self.stacks, world.journal, world.secrets, self.sources, world.clock),
            status=Status(world.journal, world.runtime, world.router, world.clock),
            maintenances=Maintenances(world, locks),
            downs=Downs(world, self.rollouts.admission, locks, self._data, self.jobs.end_all),
            backing=Backing(world, self._data, home / "spool"),
            bringing=Bringing(world, self.rollouts, releases),
            logs=InstanceLogs(world.journal, world.runtime, world.secrets),
            jobs=self.jobs,
            outputs=self.outputs,
            results=Results(world.journal, world.clock),
            spool=home / "spool",
            halt=lambda: 0,
        )

    def app(self) -> FastAPI:
        """Return the interface."""
        return create_app(self.service)

    def _data(self, project: str, environment: str) -> Path:
        return self.home / "environments" / project / environment

    def _build(self, source: Path, manifest: Manifest, version: str, commit: str, report: Report) -> Release:
        if self.trouble is not None:
            raise self.trouble
        with tarfile.open(source) as tar:
            names = tuple(sorted(tar.getnames()))
        self.built.append(names)
        report(f"source  {len(names)} files")
        content = f"{commit} {' '.join(names)}"
        programs = {"app": ("bundle", "environment", "source")} if manifest.build else {}
        artifacts = tuple(self._artifact(name, kind, roles, content) for name, (kind, *roles) in programs.items())
        artifacts += tuple(
            self._artifact(backing_name(name), "image", ["config"], service.image)
            for name, service in manifest.services.items()
            if service.image is not None
        )
        return Release(
            project=manifest.project.name,
            version=version,
            digest=release_digest(artifacts, manifest, {}),
            artifacts=artifacts,
            manifest=manifest.frozen(),
            commit=commit,
            created=self.world.clock.now(),
        )

    def _artifact(self, name: str, kind: str, roles: list[str], content: str) -> Artifact:
        layers = []
        for role in roles:
            layer, blob = make_layer(role, {role: content.encode()})
            self.world.store.put(layer.digest, iter([blob]))
            layers.append(layer)
        platform = self.world.runtime.platform()
        digest = artifact_digest(kind, platform, layers)
        return Artifact(name=name, kind=kind, digest=digest, platform=platform, layers=tuple(layers))

    @contextmanager
    def serving(self) -> Iterator["MemoryAgent"]:
        """Answer on the home's socket while the block runs."""
        server = uvicorn.Server(
            uvicorn.Config(
                self.app(), log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
            )
        )
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.home / SOCKET))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield self
        finally:
            self.changes.close()
            server.should_exit = True
            thread.join()
            self.rollouts.stop()
            self.jobs.stop()
            listener.close()
            (self.home / SOCKET).unlink(missing_ok=True)


class ShortDirectory:
    """A directory whose path is short enough for sockets, removed at the end."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix="lading-"))
        return self._path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def git(directory: Path, *arguments: str) -> str:
    """Run git in a directory and return what it printed."""
    done = subprocess.run(
        ["git", *arguments], cwd=directory, env={**os.environ, **GIT}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(directory: Path, message: str = "change", tag: str = "") -> str:
    """Commit everything in a directory (a repository from then on), tag it, and return the commit."""
    if not (directory / ".git").exists():
        git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", message)
    if tag:
        git(directory, "tag", tag)
    return git(directory, "rev-parse", "HEAD")
