"""Stacks beside a project: brought up and down on their own, and written down by whom; no rollout touches them."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from lading.agent.asking import BackingAsked
from lading.agent.received import check_backing
from lading.agent.sourced import Sourced
from lading.manifest.words import CODE_VARIABLES, SECRET_PATTERN, VARIABLE_PATTERN
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from lading.model.manifest import Stack
from lading.model.secret import Secret
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal
from lading.ports.secrets import Secrets
from lading.ports.sources import SecretSources
from lading.ports.stacks import Stacks, StackSpec, StackState


class StackAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A stack as the manifest has it, its compose file's path within what is sent, and the environment's table."""

    stack: Stack
    file: str
    table: Environment = Environment()


class SideStacks:
    """Brings the stacks of this host's environments up and down."""

    def __init__(
        self, stacks: Stacks, journal: Journal, secrets: Secrets, sources: SecretSources, clock: Clock
    ) -> None:
        self._stacks = stacks
        self._journal = journal
        self._secrets = secrets
        self._sourced = Sourced(journal, secrets, sources, clock)
        self._clock = clock

    def require(self) -> None:
        """Raise ``no-compose`` or ``no-engine`` when no stack can run here."""
        self._stacks.require()

    def up(
        self, place: tuple[str, str, str], asked: StackAsked, source: Path, who: str, report: Callable[[str], None]
    ) -> StackState:
        """Bring a stack (project, environment, name) to what its source says."""
        project, environment, name = place
        _check(project, environment, name, asked)
        spec = StackSpec(
            project=project,
            environment=environment,
            name=name,
            compose=asked.file,
            aliases=asked.stack.aliases,
            env=asked.stack.env,
            publish=asked.stack.publish,
        )
        state = self._stacks.up(spec, source, self._values(spec, asked, who), report)
        images = {one.name: one.image_id for one in state.services}
        self._note(who, "stack up", {"environment": f"{project}/{environment}", "stack": name, "images": images})
        return state

    def down(self, project: str, environment: str, name: str, who: str) -> StackState:
        """Take a stack down and return what is left of it: its data."""
        _check(project, environment, name)
        before = self._find(project, environment, name)
        if before is None:
            raise LadingError(
                "usage",
                doing=f"taking down {name} of {environment}",
                happened="there is no stack of that name here",
                now="nothing was changed",
                hint=f"lading stack status {environment}",
            )
        self._stacks.down(project, environment, name)
        if before.services:
            self._note(who, "stack down", {"environment": f"{project}/{environment}", "stack": name})
        empty = StackState(project=project, environment=environment, name=name)
        return self._find(project, environment, name) or empty

    def look(self, project: str, environment: str) -> Sequence[StackState]:
        """Return an environment's stacks."""
        _check(project, environment)
        return self._stacks.look(project, environment)

    def _find(self, project: str, environment: str, name: str) -> StackState | None:
        return next((one for one in self._stacks.look(project, environment) if one.name == name), None)

    def _values(self, spec: StackSpec, asked: StackAsked, who: str) -> dict[str, Secret]:
        key = f"{spec.project}/{spec.environment}"
        known = self._sourced.take_named(key, asked.table, asked.stack.secrets, who).versions
        missing = [name for name in asked.stack.secrets if name not in known]
        if missing:
            raise LadingError(
                "secret-missing",
                doing=f"bringing up {spec.name} of {spec.environment}",
                happened=f"{spec.environment} has no {', '.join(missing)}",
                now="the stack is as it was; what serves is untouched",
                hint=f"lading secrets set {spec.environment} {missing[0]}",
            )
        return {name: self._secrets.get(key, name, known[name]) for name in asked.stack.secrets}

    def _note(self, who: str, act: str, data: dict[str, object]) -> None:
        self._journal.audit(Audit(at=self._clock.now(), who=who, act=act, data=data))


def _check(project: str, environment: str, name: str = "stack", asked: StackAsked | None = None) -> None:
    """Raise ``usage`` for names that are none: they become parts of paths and of the engine's names."""
    check_backing(project, environment, BackingAsked(volumes=(name,)))
    problems = list(_problems(asked)) if asked is not None else []
    if problems:
        raise LadingError(
            "usage",
            doing=f"stack {name} of {environment}",
            happened="; ".join(problems),
            now="nothing was changed",
            hint="lading check",
        )


def _problems(asked: StackAsked) -> Iterator[str]:
    if asked.file.startswith(("/", "-")) or ".." in asked.file.split("/") or not asked.file:
        yield f"{asked.file!r} is no path within what was sent"
    for name in asked.stack.env:
        if not re.fullmatch(VARIABLE_PATTERN, name) or name in CODE_VARIABLES:
            yield f"{name!r} is no variable that a compose file is filled with"
    for name in asked.stack.secrets:
        if not re.fullmatch(SECRET_PATTERN, name):
            yield f"{name!r} is no name of a secret"
