"""The Stacks port's promises, on every adapter."""

import io
import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.ports.stacks.conformance import StacksConformance
from lading.ports.stacks.memory import MemoryStacks
from tests.stacks import StackBench, side_stacks, with_compose


class MemoryBench:
    def __init__(self, directory: Path) -> None:
        self.stacks = MemoryStacks()
        self._directory = directory
        self._numbers = itertools.count()

    def source(self, *services: str, broken: str = "") -> Path:
        lines = [*(f"{name} image:1" for name in services), *([broken] if broken else [])]
        path = self._directory / f"{next(self._numbers)}.tar"
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo("compose.yml")
            text = "\n".join(lines).encode()
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        return path


class TestMemoryStacks(StacksConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> MemoryBench:
        return MemoryBench(tmp_path)


@with_compose
class TestDockerStacks(StacksConformance):
    @pytest.fixture
    def bench(self) -> Iterator[StackBench]:
        with side_stacks() as bench:
            yield bench
