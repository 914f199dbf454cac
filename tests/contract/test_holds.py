"""The promises of holding an environment still, kept by every runtime that can."""

import sys
from collections.abc import Iterator

import pytest

from lading.model.manifest import Database
from lading.ports.clock.memory import MemoryClock
from lading.ports.database.memory import Data, MemoryDatabases
from lading.ports.runtime import Held, Run, RunResult
from lading.ports.runtime.hold_conformance import HoldConformance, House
from lading.ports.runtime.memory import MemoryRuntime
from tests.containers import containers, with_engine
from tests.processes import processes
from tests.specs import instance
from tests.support import until
from tests.support_holds import ContainedHouse, HeldHouse


class MemoryHouse:
    def __init__(self) -> None:
        self.databases = MemoryDatabases()
        self.runtime = MemoryRuntime(MemoryClock(), custody_of=self.databases.custody_of)
        self.url = self.databases.provide("shop", "stage", "main", Database(engine="sqlite"))
        self.databases.contents[self.url] = Data(rows=["one"])

    def reopen(self) -> MemoryRuntime:
        return self.runtime

    def start(self, name: str) -> None:
        self.runtime.start(instance(name), {})

    def hold(self, name: str, *, exit_status: int = 0) -> Held:
        def migrate(_run: Run) -> RunResult:
            self.databases.contents[self.url].revision = ("9c41",)
            return RunResult(exit_status=exit_status, output="", outputs="", seconds=0.1)

        self.runtime.script_run(name, migrate)
        run = Run(name=name, spec=instance(name))
        return Held(name=name, run=run, place=self.databases.custody("shop", "stage", "main", 1))

    def is_changed(self) -> bool:
        return self.databases.contents[self.url].revision == ("9c41",)

    def stands_still(self, name: str) -> bool:
        return name in self.runtime.frozen

    def writes_on(self, name: str) -> None:
        assert name in self.runtime.running


class ProcessHouse(HeldHouse):
    def start(self, name: str) -> None:
        self.write(name)

    def hold(self, name: str, *, exit_status: int = 0) -> Held:  # type: ignore[override]
        return self.held(f"leave {exit_status}" if exit_status else "", name=name)

    def is_changed(self) -> bool:
        return self.databases.revision("shop", "stage", "main") == ("9c41",)

    def stands_still(self, name: str) -> bool:
        return self.is_frozen(name)

    def writes_on(self, name: str) -> None:
        before = max(self.said(name))
        until(lambda: max(self.said(name)) > before + 3, within=10)


class TestMemoryHolds(HoldConformance):
    @pytest.fixture
    def house(self) -> House:
        return MemoryHouse()

    @pytest.mark.parametrize(("stage", "outcome"), [("frozen", "restored"), ("ran", "restored"), ("decided", "kept")])
    def test_a_guard_that_dies_is_followed(self, house: MemoryHouse, stage: str, outcome: str) -> None:
        """Whoever settles it restores what was not decided, and lets everybody go."""
        house.start("web-1")
        house.runtime.kill_guard(stage)
        result = house.runtime.run_held(house.hold("h"), {})
        assert result.outcome == outcome
        assert house.is_changed() == (outcome == "kept")
        assert not house.runtime.frozen


@pytest.mark.system
class TestProcessHolds(HoldConformance):
    @pytest.fixture
    def house(self) -> Iterator[House]:
        with processes(guard=(sys.executable, "-m", "lading.agent.guard")) as world:
            house = ProcessHouse(world, "wal")
            house.write("first")
            yield house


@with_engine
class TestDockerHolds(HoldConformance):
    @pytest.fixture
    def house(self) -> Iterator[House]:
        with containers() as world:
            house = ContainedHouse(world)
            house.start("first")
            yield house
