"""What instances wrote, with every known secret value masked."""

from collections.abc import Iterable, Sequence

from lading.agent.answers import InstanceLog
from lading.model.data_steps import StartBacking, StartDatabase
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.secret import Secret, redact
from lading.ports.journal import Journal
from lading.ports.runtime import Runtime
from lading.ports.secrets import Secrets

MOST_LINES = 10_000  # of one instance in one answer


class InstanceLogs:
    """Reads the logs of instances."""

    def __init__(self, journal: Journal, runtime: Runtime, secrets: Secrets) -> None:
        self._journal = journal
        self._runtime = runtime
        self._secrets = secrets

    def read(
        self, project: str, environment: str, *, service: str | None, rollout: int | None, lines: int
    ) -> tuple[InstanceLog, ...]:
        """Return the last lines of what serves in an environment, or of what a rollout started."""
        specs = self._of_rollout(project, environment, rollout) if rollout else self._serving(project, environment)
        known = tuple(self._secrets.all_values().values())
        return tuple(
            InstanceLog(
                instance=spec.label,
                name=spec.name,
                rollout=spec.rollout,
                lines=tuple(_masked(self._runtime.logs(spec.name, lines=min(lines, MOST_LINES)), known)),
            )
            for spec in specs
            if service in (None, spec.service)
        )

    def denied(self, project: str, environment: str, lines: int) -> tuple[str, ...]:
        """Return the last attempts of an environment's programs to reach what is not in their egress."""
        self._serving(project, environment)
        known = tuple(self._secrets.all_values().values())
        found = self._runtime.denied(f"{project}/{environment}", lines=min(lines, MOST_LINES))
        return tuple(_masked(found, known))

    def _serving(self, project: str, environment: str) -> Sequence[InstanceSpec]:
        record = self._journal.environment(project, environment)
        if record is None:
            raise LadingError(
                "unknown-environment",
                doing=f"reading the logs of {environment}",
                happened=f"this agent has never served {project} in {environment}",
                hint="lading status",
            )
        serving = record.serving.instances if record.serving is not None else ()
        return (*serving, *record.backing.values())

    def _of_rollout(self, project: str, environment: str, number: int) -> Sequence[InstanceSpec]:
        rollout = self._journal.rollout(number)
        if rollout is None or (rollout.project, rollout.environment) != (project, environment):
            raise LadingError(
                "unknown-rollout",
                doing=f"reading the logs of rollout {number}",
                happened=f"{environment} of {project} has had no rollout of that number here",
                hint=f"lading history {environment}",
            )
        unit = rollout.plan.unit
        backing = [step.spec for step in rollout.plan.steps if isinstance(step, StartBacking | StartDatabase)]
        return (*(unit.instances if unit is not None else ()), *(spec for spec in backing if spec is not None))


def _masked(lines: Sequence[str], known: Iterable[Secret]) -> list[str]:
    # All at once, as one value may stand in several lines.
    return redact("\n".join(lines), known).split("\n") if lines else []
