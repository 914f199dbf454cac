"""Stacks in memory: for tests of what stands before them. A source names its services one a line: ``web image:1``."""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.stacks import Report, StackService, StackSpec, StackState


class MemoryStacks:
    """Keep stacks in a dictionary; ``given`` are the values of secrets that the last call brought, by stack."""

    def __init__(self) -> None:
        self._up: dict[str, StackState] = {}
        self._volumes: dict[str, tuple[str, str, str]] = {}
        self.given: dict[str, Mapping[str, Secret]] = {}
        self.specs: dict[str, StackSpec] = {}
        self.starts: list[str] = []
        self.lacking = ""

    def require(self) -> None:
        """Raise ``no-compose`` while ``lacking`` says why."""
        if self.lacking:
            raise LadingError("no-compose", happened=self.lacking, hint="install the compose plugin")

    def up(self, spec: StackSpec, source: Path, secrets: Mapping[str, Secret], report: Report) -> StackState:
        """Start the services that are not there yet; those without an image are refused."""
        self.require()
        with tarfile.open(source) as tar:
            file = tar.extractfile(spec.compose)
            lines = file.read().decode().splitlines() if file is not None else []
        pairs = [line.split() for line in lines if line.strip()]
        wrong = [words[0] for words in pairs if len(words) != 2]
        if wrong or not pairs:
            raise LadingError(
                "stack-refused",
                doing=f"bringing up {spec.name}",
                happened="its compose file asks for what a stack may not have",
                details=tuple(f"{name}  has no image" for name in wrong),
            )
        before = {one.name: one for one in self._up.get(spec.key, _down(spec)).services}
        services = []
        for name, image in sorted(pairs):
            known = before.get(name)
            if known is None or known.image != image:
                self.starts.append(f"{spec.key}/{name}")
                report(f"{name} started")
                known = StackService(name=name, image=image, image_id=f"sha256:{image}", state="running")
            services.append(known)
        self._volumes[spec.key] = (spec.project, spec.environment, spec.name)
        self.given[spec.key], self.specs[spec.key] = dict(secrets), spec
        self._up[spec.key] = msgspec.structs.replace(_down(spec), services=tuple(services))
        return self._up[spec.key]

    def down(self, project: str, environment: str, name: str) -> None:
        """Stop the services; the data stays."""
        self._up.pop(f"{project}/{environment}/{name}", None)

    def look(self, project: str, environment: str) -> Sequence[StackState]:
        """Return the stacks that are up or were."""
        found = []
        for key, place in sorted(self._volumes.items()):
            if place[:2] == (project, environment):
                down = StackState(project=place[0], environment=place[1], name=place[2], volumes=(f"{place[2]}_data",))
                found.append(self._up.get(key, down))
        return tuple(found)


def _down(spec: StackSpec) -> StackState:
    volumes = (f"{spec.name}_data",)
    return StackState(project=spec.project, environment=spec.environment, name=spec.name, volumes=volumes)
