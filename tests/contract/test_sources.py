"""The SecretSources port's promises, on every adapter and each kind of source."""

import itertools
import shlex
import sys
from pathlib import Path

import pytest

from lading.model.environment_table import SecretSource
from lading.ports.sources.conformance import STAGE, SourcesConformance
from lading.ports.sources.memory import MemorySources
from lading.secrets.allowed import Allowed
from lading.secrets.sources import HostSources


class MemoryBench:
    def __init__(self) -> None:
        self.sources = MemorySources(allowed=[STAGE])
        self._numbers = itertools.count()

    def make(self, value: str) -> SecretSource:
        source = SecretSource(command=f"vault read {next(self._numbers)}")
        self.change(source, value)
        return source

    def change(self, source: SecretSource, value: str) -> None:
        self.sources.values[source.place] = value

    def was_asked(self, source: SecretSource) -> bool:
        return source.place in self.sources.asked


class HostBench:
    """Files below a directory: read as such, or printed by a command that leaves a mark."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()
        self._script = directory / "print.py"
        self._script.write_text(
            "import pathlib, sys\n"
            "path = pathlib.Path(sys.argv[1])\n"
            "path.with_suffix('.asked').touch()\n"
            "sys.stdout.buffer.write(path.read_bytes())\n"
        )
        self.environ = {"PATH": "/usr/bin:/bin"}
        python = shlex.quote(sys.executable)
        allowed = Allowed(
            environment=STAGE,
            commands=(f"{python} {self._script} {directory}/*.txt",),
            files=(f"{directory}/*.txt",),
            variables=("VALUE_*",),
        )
        self.sources = HostSources((allowed,), self.environ)

    def _file(self, value: str) -> Path:
        path = self._directory / f"{next(self._numbers)}.txt"
        path.write_bytes(value.encode())
        return path


class CommandBench(HostBench):
    def make(self, value: str) -> SecretSource:
        return SecretSource(command=shlex.join([sys.executable, str(self._script), str(self._file(value))]))

    def _path(self, source: SecretSource) -> Path:
        return Path(shlex.split(source.place)[-1])

    def change(self, source: SecretSource, value: str) -> None:
        self._path(source).write_bytes(value.encode())

    def was_asked(self, source: SecretSource) -> bool:
        return self._path(source).with_suffix(".asked").exists()


class FileBench(HostBench):
    def make(self, value: str) -> SecretSource:
        return SecretSource(file=str(self._file(value)))

    def change(self, source: SecretSource, value: str) -> None:
        Path(source.place).write_bytes(value.encode())

    def was_asked(self, source: SecretSource) -> bool:
        return False  # reading leaves no mark


class VariableBench(HostBench):
    def make(self, value: str) -> SecretSource:
        source = SecretSource(env=f"VALUE_{next(self._numbers)}")
        self.change(source, value)
        return source

    def change(self, source: SecretSource, value: str) -> None:
        self.environ[source.place] = value

    def was_asked(self, source: SecretSource) -> bool:
        return False  # nor does a variable


class TestMemorySources(SourcesConformance):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench()


class TestCommands(SourcesConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> CommandBench:
        return CommandBench(tmp_path)


class TestFiles(SourcesConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> FileBench:
        return FileBench(tmp_path)


class TestVariables(SourcesConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> VariableBench:
        return VariableBench(tmp_path)
