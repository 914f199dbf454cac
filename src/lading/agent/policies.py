"""What environments demand, as their agent holds it; loosening is an audited act with a reason."""

from typing import Any

import msgspec

from lading.agent.answers import PolicyAnswer
from lading.bill.policy import default_policy, loosening, loosens
from lading.model import typed
from lading.model.bill import Policy
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal


class Policies:
    """Shows and changes policies."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def get(self, project: str, environment: str) -> PolicyAnswer:
        """Return what an environment demands: what an admin set, else the default of its tier."""
        was_set = self._journal.policy(project, environment)
        return PolicyAnswer.of(environment, was_set or self._default(project, environment), was_set=was_set is not None)

    def change(self, project: str, environment: str, changes: dict[str, Any], *, who: str, reason: str) -> PolicyAnswer:
        """Change single demands; raise ``loosening`` when they loosen the policy and no reason is given."""
        old = self._journal.policy(project, environment) or self._default(project, environment)
        new = _changed(environment, old, changes)
        loosened = loosens(old, new)
        if loosened and not reason.strip():
            raise loosening(loosened, environment, who)
        data = {"environment": f"{project}/{environment}", "changes": changes, "loosens": loosened}
        audit = Audit(at=self._clock.now(), who=who, act="policy set", reason=reason, data=data)
        self._journal.set_policy(project, environment, new, audit)
        return PolicyAnswer.of(environment, new, was_set=True)

    def _default(self, project: str, environment: str) -> Policy:
        record = self._journal.environment(project, environment)
        # Before its first deploy an environment has the tier that its name gives it.
        return default_policy(record.tier if record is not None else Environment().tier_of(environment))


def _changed(environment: str, old: Policy, changes: dict[str, Any]) -> Policy:
    demands = {name: getattr(old, name) for name in Policy.__struct_fields__}
    unknown = sorted(set(changes) - set(demands))
    try:
        if unknown:
            raise msgspec.ValidationError(f"a policy has no demand named {', '.join(unknown)}")
        return typed.convert({**demands, **changes}, Policy)
    except msgspec.ValidationError as error:
        raise LadingError(
            "usage",
            doing=f"changing the policy of {environment}",
            happened=str(error),
            now="the policy stands as it was",
            hint="lading policy set --help",
        ) from error
