"""A house whose project is the till of the benches with containers, and the floor: such a container made by hand."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.asking import Asker
from benchmarks.house import ROOT, House
from lading.docker import SOCKET, Engine, EngineRefused
from lading.runtime.docker.names import INSTANCE, Names
from tests.containers import clear, why_not
from tests.strikes import record

OLD, NEW, BAD = "v1.0.0", "v1.1.0", "v1.2.0"
ENVIRONMENT = "bench"
DEADLINE = 30.0  # seconds that a manifest gives a release to become ready unless it says otherwise
READY = "/ready"
PATIENCE = 60.0  # seconds for a first answer
TILL = ROOT / "benchmarks" / "till"

# What of a container's configuration makes another one like it.
COPIED = ("User", "Env", "Cmd", "Entrypoint", "StopSignal", "Healthcheck")


class TillHouse(House):
    """A house with the till's repository; what its agent made in the engine goes with it."""

    name = "till"

    def __enter__(self) -> "TillHouse":
        if why_not():
            raise RuntimeError(f"containers cannot be measured here: {why_not()}")
        super().__enter__()
        return self

    def _halt(self) -> None:
        try:
            super()._halt()
        finally:
            if (self.home / "docker" / "id").exists():
                clear(Engine(SOCKET), Names(self.home / "docker"))

    def take_till(self, *releases: str, more: str = "", source: Path | None = None) -> None:
        """Make the till's repository with a tag a release, and build these; v1.0.0 stays checked out.

        ``more`` is added to the manifest, the directory ``source`` to the image.
        """
        self.project.mkdir()
        for file in TILL.iterdir():
            if file.is_file():
                shutil.copy2(file, self.project)
        manifest = self.project / "lading.toml"
        text = manifest.read_text("utf-8").replace('name = "till"', f'name = "{self.name}"')
        manifest.write_text(text + more, "utf-8")
        if source is not None:
            shutil.copytree(source, self.project / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            with (self.project / "Dockerfile").open("a") as dockerfile:
                dockerfile.write(f"COPY {source.name} {source.name}\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        for release in (OLD, NEW, BAD):
            self.write_release(release)
            self.git("add", "--all")
            self.git("commit", "--quiet", "--message", release)
            self.git("tag", release)
        for release in releases:
            self.checkout(release)
            self.lading("release")
        self.checkout(OLD)

    def write_release(self, release: str) -> None:
        """Make the program in the work tree one of a release."""
        (self.project / "till.py").write_text(program(release), "utf-8")

    def serving(self) -> dict[str, Any]:
        """Return what the engine knows of the instance that serves."""
        unit = record(self, ENVIRONMENT).serving  # type: ignore[arg-type]
        assert unit is not None, "a release serves"
        name = unit.instances[0].name
        found: dict[str, Any] = Engine(SOCKET).get(
            f"/containers/{Names(self.home / 'docker').container(INSTANCE, name)}/json"
        )
        return found


def program(release: str) -> str:
    """Return the text of the till's program as one release has it; the bad one is never ready."""
    text = (TILL / "till.py").read_text("utf-8").replace(f'RELEASE = "{OLD}"', f'RELEASE = "{release}"')
    return text.replace("READY_AFTER = 1.0", "READY_AFTER = -1.0") if release == BAD else text


def floor(like: dict[str, Any], release: str, engine: Engine, asker: Callable[[int, str, str], Asker] = Asker) -> float:
    """Make and start a container like one that serves, by hand, and return the seconds until it is ready.

    It has the same image, limits, network and mounts; it is removed again.
    """
    network = like["HostConfig"]["NetworkMode"]
    request = {key: like["Config"][key] for key in COPIED if like["Config"].get(key) is not None}
    request |= {"Image": like["Image"], "HostConfig": like["HostConfig"]}
    request["NetworkingConfig"] = {"EndpointsConfig": {network: {}}}
    name = f"lading-floor-{Path(like['Name']).name}"
    began = time.monotonic()
    made = engine.post("/containers/create", request, name=name)["Id"]
    try:
        engine.post(f"/containers/{made}/start")
        address = engine.get(f"/containers/{made}/json")["NetworkSettings"]["Networks"][network]["IPAddress"]
        with asker(8000, READY, address) as asking:
            return asking.first(release, began, PATIENCE).answered - began
    finally:
        with suppress(EngineRefused):
            engine.delete(f"/containers/{made}", force=True, v=True)
