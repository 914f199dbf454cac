"""One environment, two runtimes: each artifact goes to its own, and names find whoever knows them."""

from collections.abc import Sequence

import msgspec
import pytest

from lading.agent.runtimes import Runtimes
from lading.model.environment import InstanceSpec, InstanceState
from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.ports.clock.memory import MemoryClock
from lading.ports.database.memory import MemoryDatabases
from lading.ports.runtime import Held, Run
from lading.ports.runtime.conformance import RuntimeConformance, World
from lading.ports.runtime.memory import MemoryRuntime
from tests.contract.test_runtime import MemoryWorld
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ENVIRONMENT


class Away(MemoryRuntime):
    """A runtime whose engine is away."""

    def list(self) -> Sequence[InstanceState]:
        raise LadingError("no-engine", happened="nobody answers there")


class BothWorld(MemoryWorld):
    """The memory world behind both, so that the suite sees one of them through the other's eyes."""

    def __init__(self) -> None:
        super().__init__()
        self.databases = MemoryDatabases()
        self.images = MemoryRuntime(MemoryClock(), custody_of=self.databases.custody_of)
        self.both = Runtimes(self.runtime, self.images)


class TestRuntimes(RuntimeConformance):
    @pytest.fixture
    def world(self) -> World:
        world = BothWorld()
        memory = world.runtime
        # The suite asks through both; the world disturbs the one that holds bundles.
        world.runtime = world.both  # type: ignore[assignment]
        world.reopen = lambda: world.both  # type: ignore[method-assign]
        world.up = lambda name: None  # type: ignore[method-assign]
        world.say = memory.write  # type: ignore[method-assign]
        world.crash = memory.crash  # type: ignore[method-assign]
        for name in ("script_run", "set_connections"):
            setattr(world.both, name, getattr(memory, name))
        return world


@pytest.fixture
def both() -> BothWorld:
    return BothWorld()


def image(spec: InstanceSpec) -> InstanceSpec:
    return msgspec.structs.replace(spec, kind="image")


def test_each_kind_goes_to_its_own_runtime(both: BothWorld) -> None:
    """Bundles and images run side by side and are found by name alone."""
    both.both.start(both.spec("a"), {})
    both.both.start(image(both.spec("b")), {})
    assert [state.name for state in both.both.list()] == ["a", "b"]
    assert (both.runtime.running, both.images.running) == (("a",), ("b",))
    both.both.stop("b", grace=1.0)
    assert both.images.recorded.stops == ["b"]
    both.images.write("b", "last words")
    both.both.remove("b")
    assert tuple(both.both.logs("b")) == ("last words",)
    assert both.both.look("b") is None
    both.both.run(Run(name="job", spec=image(both.spec("job"))), {})
    assert (both.runtime.recorded.runs, both.images.recorded.runs) == ([], ["job"])


def test_an_engine_that_is_away_holds_up_no_bundle() -> None:
    """While the engine is away its instances are left out, and all others are looked after as ever."""
    world = MemoryWorld()
    both = Runtimes(world.runtime, Away(MemoryClock()))
    both.start(world.spec("a"), {})
    assert [state.name for state in both.list()] == ["a"]


def test_an_image_without_an_engine_is_refused_before_anything_happens() -> None:
    """No rollout is opened; the refusal has the engine's remedy and says what serves."""
    agent = MemoryAgent()
    agent.house.release("v1.0.0")
    runtime = agent.world.runtime
    runtime.lacking.add("bundle")  # type: ignore[attr-defined]
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.0.0", environment=ENVIRONMENT)
    assert refused.value.code == "no-engine"
    assert refused.value.exit_status == 3
    assert refused.value.hint == "apt-get install docker.io"
    assert "serving: nothing yet, untouched" in str(refused.value)
    assert agent.world.journal.rollouts() == []


def test_a_hold_is_settled_by_whoever_knows_it(both: BothWorld) -> None:
    """Its end is told whichever runtime carried it; while either carrier is at work, nobody may start anything."""
    both.databases.provide("shop", "stage", "main", Database(engine="sqlite"))
    run = Run(name="h", spec=image(both.spec("h")))
    held = Held(name="h", run=run, place=both.databases.custody("shop", "stage", "main", 1))
    assert both.both.run_held(held, {}).outcome == "kept"
    ended = both.both.settle("h")
    assert ended is not None
    assert ended.outcome == "kept"
    both.images.at_work.add("h")
    assert both.both.settle("h") is None
