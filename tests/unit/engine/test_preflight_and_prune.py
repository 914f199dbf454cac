"""What is checked before anything is touched, and what pruning may never take."""

import msgspec
import pytest

from lading.model.environment_table import Environment
from lading.ports.runtime import Room
from lading.ports.runtime.memory import MemoryRuntime
from lading.ports.store.memory import MemoryStore
from tests.recovery.house import KEY, House


@pytest.fixture
def house() -> House:
    house = House.build()
    assert house.deploy("v1.0.0").outcome == "succeeded"
    return house


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": "3.13"}, "Python 3.13"),
        ({"machine": "aarch64"}, "aarch64"),
        ({"libc": "glibc 2.28"}, "glibc 2.28"),
        ({"libc": "musl 1.2"}, "musl 1.2"),
    ],
)
def test_an_artifact_of_another_platform_is_refused(house: House, change: dict[str, str], said: str) -> None:
    """Machine, C library and Python minor must fit; the message names both sides; the old release serves on."""
    runtime = house.world.runtime
    assert isinstance(runtime, MemoryRuntime)
    opened = house.open_deploy("v1.1.0")
    runtime.platform_value = msgspec.structs.replace(runtime.platform_value, **change)
    rollout = house.carry(opened)
    assert rollout.outcome == "unwound"
    assert rollout.error is not None
    assert rollout.error["code"] == "platform"
    assert said in rollout.error["happened"]
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"


def test_a_newer_c_library_runs_what_an_older_one_built(house: House) -> None:
    """What was linked against an older C library runs on a newer one."""
    runtime = house.world.runtime
    assert isinstance(runtime, MemoryRuntime)
    opened = house.open_deploy("v1.1.0")
    name = runtime.platform_value.libc.partition(" ")[0]
    runtime.platform_value = msgspec.structs.replace(runtime.platform_value, libc=f"{name} 99.0")
    assert house.carry(opened).outcome == "succeeded"


def test_a_full_disk_is_found_before_anything_starts(house: House) -> None:
    """Too little space is said with both figures, and no instance is started."""
    store = house.world.store
    assert isinstance(store, MemoryStore)
    opened = house.open_deploy("v1.1.0")
    runtime = house.world.runtime
    assert isinstance(runtime, MemoryRuntime)
    before = list(runtime.recorded.starts)
    store.free = 10 * 1024 * 1024
    rollout = house.carry(opened)
    assert rollout.error is not None
    assert rollout.error["code"] == "no-space"
    assert "10 MB free" in rollout.error["happened"]
    assert runtime.recorded.starts == before


@pytest.mark.parametrize(("could_go", "hint"), [(("old:1", "old:2"), "docker rmi old:1 old:2"), ((), "system df")])
def test_too_little_room_for_images_is_found_before_anything_is_fetched(
    house: House, could_go: tuple[str, ...], hint: str
) -> None:
    """What is needed, what there is and what could go is said; with more of it the same release goes through."""
    runtime = house.world.runtime
    assert isinstance(runtime, MemoryRuntime)
    runtime.narrow = Room(needed=900_000_000, free=500_000_000, place="/var/lib/docker", could_go=could_go)
    before = set(runtime.prepared)
    rollout = house.deploy("v1.1.0")
    assert rollout.outcome == "unwound"
    assert rollout.error is not None
    assert rollout.error["code"] == "no-space"
    assert rollout.error["happened"] == "500 MB free for images at /var/lib/docker, 967 MB needed"
    assert hint in rollout.error["hint"]
    assert runtime.prepared == before
    runtime.narrow = msgspec.structs.replace(runtime.narrow, free=1_000_000_000)
    assert house.deploy("v1.1.0").outcome == "succeeded"


def test_what_cannot_be_restricted_is_not_started(house: House) -> None:
    """Where the host cannot keep programs from reaching everything, a release that asks for it is not begun with."""
    runtime = house.world.runtime
    assert isinstance(runtime, MemoryRuntime)
    runtime.lacking.add("egress")
    assert house.deploy("v1.1.0").outcome == "succeeded"
    before = list(runtime.recorded.starts)
    opened = house.open_deploy("v1.2.0", Environment(tier="stage", egress={"web": ()}))
    rollout = house.carry(opened)
    assert (rollout.outcome, (rollout.error or {})["code"]) == ("unwound", "egress")
    assert runtime.recorded.starts == before


def test_changed_bytes_are_found_and_never_started(house: House) -> None:
    """A blob whose bytes differ from its digest stops the rollout at fetch."""
    store = house.world.store
    assert isinstance(store, MemoryStore)
    opened = house.open_deploy("v1.1.0")
    assert opened.plan.unit is not None
    store.corrupt(opened.plan.unit.release.artifacts[0].layer("source").digest)
    rollout = house.carry(opened)
    assert rollout.outcome == "unwound"
    assert rollout.error is not None
    assert rollout.error["code"] == "artifact-corrupt"


def test_nothing_one_may_return_to_is_pruned(house: House) -> None:
    """After many releases every way back still has all its bytes; what is beyond reach is gone."""
    for minor in range(1, 15):
        assert house.deploy(f"v1.{minor}.0").outcome == "succeeded"
    for number in house.record.history:
        for artifact in house.unit(number).release.artifacts:
            assert all(house.world.store.has(layer.digest) for layer in artifact.layers)
    oldest = house.world.journal.release("shop", "v1.0.0")
    assert oldest is not None
    assert not house.world.store.has(oldest.artifacts[0].layer("source").digest)


def test_a_failed_prune_is_told_and_fails_nothing(house: House) -> None:
    """A prune that cannot remove is a warning of a rollout that succeeded."""

    def refuse(_keep: object) -> int:
        raise OSError(30, "Read-only file system")

    house.world.store.prune = refuse  # type: ignore[method-assign,assignment]
    rollout = house.deploy("v1.1.0")
    assert rollout.outcome == "succeeded"
    warnings = [event.text for event in house.world.journal.events(rollout.id) if event.kind == "warning"]
    assert any("Read-only file system" in text for text in warnings)
    assert house.world.router.ask(KEY) is not None  # type: ignore[attr-defined]
