"""Where stacks run: compose files beside a project, with a life of their own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from lading.model.secret import Secret

Report = Callable[[str], None]


class StackSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stack of an environment: ``compose`` is the compose file's path within its source.

    ``aliases`` maps names within the environment to services of the stack, ``env`` are variables that the file is
    filled with, ``publish`` the services whose ports may stay published.
    """

    project: str
    environment: str
    name: str
    compose: str
    aliases: dict[str, str] = {}
    env: dict[str, str] = {}
    publish: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return ``project/environment/name``."""
        return f"{self.project}/{self.environment}/{self.name}"


class StackService(msgspec.Struct, frozen=True, kw_only=True):
    """One container of a stack: ``state`` is ``running``, ``exited``, …; ``health`` empty where nothing checks it.

    ``image`` is what the compose file names, ``image_id`` what it was pinned to, ``started`` seconds since the epoch,
    ``restarts`` how often the engine started it again.
    """

    name: str
    image: str
    image_id: str
    state: str
    health: str = ""
    exit_status: int | None = None
    started: float = 0.0
    restarts: int = 0
    published: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether it runs, or did what it was there for."""
        if self.state == "running":
            return self.health in ("", "healthy")
        return self.state == "exited" and self.exit_status == 0

    @property
    def is_coming(self) -> bool:
        """Whether it may still become well."""
        return self.state in ("created", "restarting") or (self.state == "running" and self.health == "starting")


class StackState(msgspec.Struct, frozen=True, kw_only=True):
    """A stack as it is now; without services it is down. ``volumes`` are those that hold its data."""

    project: str
    environment: str
    name: str
    services: tuple[StackService, ...] = ()
    volumes: tuple[str, ...] = ()


class Stacks(Protocol):
    """Brings stacks up and down. No value of a secret appears in an error, in an argument, or on disk in the clear."""

    def require(self) -> None:
        """Raise ``no-compose`` or ``no-engine`` when no stack can run here now."""
        ...

    def up(self, spec: StackSpec, source: Path, secrets: Mapping[str, Secret], report: Report) -> StackState:
        """Bring a stack to what its source (a tar) says, and return it once it is well.

        What did not change goes on undisturbed, so a second call does nothing; what died half-way is finished by it.
        Raise ``stack-refused`` with all that is wrong and nothing changed, ``stack-failed`` when it does not come up.
        """
        ...

    def down(self, project: str, environment: str, name: str) -> None:
        """Stop and remove a stack's containers; its volumes stay. Nothing for one that is down or unknown."""
        ...

    def look(self, project: str, environment: str) -> Sequence[StackState]:
        """Return an environment's stacks that are up or have data here, by name."""
        ...
