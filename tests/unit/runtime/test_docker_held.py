"""Containers that stand still: noted before they are paused, let go by whoever reads the notes."""

from pathlib import Path
from typing import Any

import pytest

from lading.docker import EngineRefused
from lading.model.errors import LadingError
from lading.ports.database import Place
from lading.runtime.docker import held, names
from lading.runtime.docker.held import PausedContainers
from lading.runtime.docker.names import Names
from lading.runtime.process.hold import Folder, HoldPlan

PLAN = HoldPlan(
    name="h",
    marker="shop/stage",
    run="h",
    place=Place(engine="sqlite", live="", saved=""),
    limit=1.0,
    root="",
    kind="image",
)


class FakeEngine:
    """An engine of a few containers, which tests take away and give back."""

    def __init__(self, folder: Folder, **running: str) -> None:
        self.running = running
        self.paused: set[str] = set()
        self.away = 0
        self.broken = ""
        self._folder = folder

    def get(self, _path: str, **query: Any) -> list[dict[str, Any]]:
        self._reach()
        assert query["filters"]["status"] == ["running"]
        assert f"{names.ENVIRONMENT}=shop/stage" in query["filters"]["label"]
        left = {container: name for container, name in self.running.items() if container not in self.paused}
        return [{"Id": container, "Labels": {names.NAME: name}} for container, name in left.items()]

    def post(self, path: str) -> None:
        self._reach()
        _, _, container, act = path.split("/")
        if container not in self.running:
            raise EngineRefused(f"POST {path}", 404, f"No such container: {container}")
        if container == self.broken:
            raise EngineRefused(f"POST {path}", 500, "cannot write to its cgroup")
        if act == "pause":
            assert ["container", container] in self._folder.frozen()
            self.paused.add(container)
        elif container not in self.paused:
            raise EngineRefused(f"POST {path}", 500, f"Container {container} is not paused")
        else:
            self.paused.discard(container)

    def _reach(self) -> None:
        if self.away:
            self.away -= 1
            raise LadingError("no-engine", happened="nobody answers there")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    Names(tmp_path / "docker").agent  # noqa: B018 - as an agent that ran a container
    folder = Folder(tmp_path / "h")
    folder.open(PLAN)
    return folder


def paused(folder: Folder, engine: FakeEngine) -> PausedContainers:
    return PausedContainers(folder, PLAN, engine, folder.path.parent / "docker")  # type: ignore[arg-type]


def test_everybody_but_the_run_and_what_backs_it_is_paused(folder: Folder) -> None:
    """Each is noted before; a server that programs wait for is no release's instance and goes on."""
    engine = FakeEngine(folder, a="web-1", b="worker-1", c="h", d="shop.stage.main")
    paused(folder, engine).freeze()
    assert engine.paused == {"a", "b"}


def test_whoever_comes_after_lets_go_what_was_noted_and_nothing_else(folder: Folder) -> None:
    """What somebody else paused stays so; what is gone, or was never paused after all, is passed over quietly."""
    engine = FakeEngine(folder, a="web-1", b="worker-1")
    engine.paused = {"b"}
    paused(folder, engine).freeze()
    for container in ("gone", "c"):
        folder.note_frozen("container", container)
    engine.running["c"] = "web-2"
    folder.note_frozen("0f3a", 4711, 12)  # a process, which others let go
    paused(folder, engine).thaw()
    assert engine.paused == {"b"}


def test_an_engine_that_is_just_restarted_is_waited_for(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while; then the guard gives up, undone, and another one tries again."""
    monkeypatch.setattr(held, "AGAIN", 0.001)
    engine = FakeEngine(folder, a="web-1")
    paused(folder, engine).freeze()
    engine.away = 3
    paused(folder, engine).thaw()
    assert engine.paused == set()
    monkeypatch.setattr(held, "BACK", 0.0)
    engine.away = 1
    with pytest.raises(LadingError) as raised:
        paused(folder, engine).thaw()
    assert raised.value.code == "no-engine"


def test_one_that_cannot_be_let_go_keeps_nobody_else_waiting(folder: Folder) -> None:
    """The others serve again; then the guard gives up, undone, so that another one tries that one again."""
    engine = FakeEngine(folder, a="web-1", b="web-2", c="web-3")
    paused(folder, engine).freeze()
    engine.broken = "a"
    with pytest.raises(EngineRefused, match="cgroup"):
        paused(folder, engine).thaw()
    assert engine.paused == {"a"}


def test_an_agent_that_never_ran_a_container_asks_no_engine(tmp_path: Path) -> None:
    """Bundles are migrated where there is no engine at all."""
    folder = Folder(tmp_path / "h")
    folder.open(PLAN)
    engine = FakeEngine(folder)
    engine.away = 9
    paused(folder, engine).look()
    paused(folder, engine).freeze()
    paused(folder, engine).thaw()
    assert engine.away == 9
