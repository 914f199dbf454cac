"""What every adapter of Stacks must keep, as tests: subclass it and give a ``bench`` fixture."""

from pathlib import Path
from typing import Protocol

import pytest

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.stacks import Stacks, StackSpec, StackState

PROJECT, STAGE = "shop", "stage"


class Bench(Protocol):
    """An adapter, and sources for it."""

    stacks: Stacks

    def source(self, *services: str, broken: str = "") -> Path:
        """Return the tar of a stack of these services, each with data of its own; ``broken`` has no image."""
        ...


def spec(name: str = "side", environment: str = STAGE) -> StackSpec:
    """Return a stack as a manifest asks for it."""
    return StackSpec(
        project=PROJECT, environment=environment, name=name, compose="compose.yml", aliases={"side": "web"}
    )


def up(bench: Bench, wanted: StackSpec, *services: str) -> StackState:
    """Bring a stack up with these services."""
    return bench.stacks.up(wanted, bench.source(*services), {"SALT": Secret("canary-4711")}, lambda _: None)


class StacksConformance:
    """The promises of the Stacks port."""

    def test_nothing_is_there_at_first(self, bench: Bench) -> None:
        """An environment has no stacks, and taking down what is not there is quiet."""
        assert tuple(bench.stacks.look(PROJECT, STAGE)) == ()
        bench.stacks.down(PROJECT, STAGE, "side")
        assert tuple(bench.stacks.look(PROJECT, STAGE)) == ()

    def test_a_stack_comes_up_stays_and_goes_without_its_data(self, bench: Bench) -> None:
        """What was brought up runs, pinned; a second call disturbs nothing; taken down, only its volumes are left."""
        state = up(bench, spec(), "web", "db")
        assert [(one.name, one.is_well) for one in state.services] == [("db", True), ("web", True)]
        assert all(one.image_id.startswith("sha256:") for one in state.services)
        again = up(bench, spec(), "web", "db")
        assert {(one.name, one.started) for one in again.services} == {
            (one.name, one.started) for one in state.services
        }
        assert [found.name for found in bench.stacks.look(PROJECT, STAGE)] == ["side"]
        bench.stacks.down(PROJECT, STAGE, "side")
        (left,) = bench.stacks.look(PROJECT, STAGE)
        assert left.services == ()
        assert left.volumes
        bench.stacks.down(PROJECT, STAGE, "side")

    def test_environments_are_apart(self, bench: Bench) -> None:
        """A stack of the same name in another environment is another stack."""
        up(bench, spec(), "web")
        assert tuple(bench.stacks.look(PROJECT, "production")) == ()
        bench.stacks.down(PROJECT, "production", "side")
        (found,) = bench.stacks.look(PROJECT, STAGE)
        assert [one.name for one in found.services] == ["web"]

    def test_what_is_refused_changes_nothing(self, bench: Bench) -> None:
        """Everything that is wrong is named, what runs goes on as it was, and no value is shown."""
        before = up(bench, spec(), "web")
        with pytest.raises(LadingError) as caught:
            bench.stacks.up(spec(), bench.source("web", broken="bad"), {"SALT": Secret("canary-4711")}, lambda _: None)
        assert caught.value.code == "stack-refused"
        assert "bad" in str(caught.value)
        assert "canary" not in str(caught.value)
        (found,) = bench.stacks.look(PROJECT, STAGE)
        assert [(one.name, one.started) for one in found.services] == [
            (one.name, one.started) for one in before.services
        ]
