"""The Runtime port's promises, kept by every adapter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lading.model.environment import InstanceSpec
from lading.ports.clock.memory import MemoryClock
from lading.ports.runtime import RunResult, Runtime
from lading.ports.runtime.conformance import RuntimeConformance, World
from lading.ports.runtime.memory import MemoryRuntime
from tests.containers import containers, with_engine
from tests.processes import processes
from tests.specs import instance


class MemoryWorld:
    def __init__(self) -> None:
        self.runtime: MemoryRuntime = MemoryRuntime(MemoryClock())

    def spec(self, name: str, *, port: int | None = 8000, command: str = "serve") -> InstanceSpec:
        return instance(name, port=port, command=command)

    def reopen(self) -> Runtime:
        return self.runtime

    def up(self, name: str) -> None:
        assert name in self.runtime.running

    def say(self, name: str, line: str) -> None:
        self.runtime.write(name, line)

    def crash(self, name: str) -> None:
        self.runtime.crash(name)

    @contextmanager
    def connect(self, name: str) -> Iterator[None]:
        self.runtime.set_connections(name, 1)
        yield
        self.runtime.set_connections(name, 0)

    def prints(self, text: str, exit_status: int) -> InstanceSpec:
        self.runtime.script_run(
            f"print {text}",
            lambda run: RunResult(
                exit_status=exit_status, output=" ".join([*run.args, text]), outputs="/outputs", seconds=0.1
            ),
        )
        return self.spec("run", port=None, command=f"print {text}")

    def sleeps(self) -> InstanceSpec:
        self.runtime.script_run("sleep", RunResult(exit_status=None, output="", outputs="/outputs", seconds=0.2))
        return self.spec("run", port=None, command="sleep")

    def until(self, condition: Callable[[], object]) -> None:
        assert condition()


class TestMemoryRuntime(RuntimeConformance):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


@pytest.mark.system
class TestProcessRuntime(RuntimeConformance):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        with processes() as world:
            yield world


@with_engine
class TestDockerRuntime(RuntimeConformance):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        with containers() as world:
            yield world
