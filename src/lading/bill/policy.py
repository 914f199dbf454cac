"""What an agent demands of a release: by tier, tightened by the manifest, and what a change would loosen."""

from collections.abc import Sequence

import msgspec

from lading.bill.reading import Asked
from lading.bill.words import span
from lading.model.bill import Policy, Verdict, production_policy
from lading.model.canonical import short
from lading.model.environment_table import Requires, Tier
from lading.model.errors import LadingError


def default_policy(tier: Tier) -> Policy:
    """Return the policy of an environment whose policy no admin has set.

    ``local`` and ``stage`` take any release that builds: they are where passes are made. An empty smoke suite gives
    no pass there either.
    """
    return production_policy() if tier == "production" else Policy()


def tighten(policy: Policy, requires: Requires) -> Policy:
    """Return the policy with what the manifest demands beyond it; of two demands the stricter holds."""
    return msgspec.structs.replace(
        policy,
        passed=_named(_union(policy.passed, requires.passed)),
        gates=_union(policy.gates, requires.gates),
        approvals=max(policy.approvals, requires.approvals),
        max_age=policy.max_age if requires.max_age is None else min(policy.max_age, requires.max_age),
    )


def loosens(old: Policy, new: Policy) -> list[str]:
    """Say in words what ``new`` no longer demands of what ``old`` does; empty when it only tightens."""
    told = [
        "a release need not have passed any other environment"
        if name == "*"
        else f"a release need not have passed {name}"
        for name in old.passed
        # Naming an environment demands more than any one of them.
        if name not in new.passed and not (name == "*" and new.passed)
    ]
    told += [f"gate {gate} is not demanded" for gate in old.gates if gate not in new.gates]
    if new.approvals < old.approvals:
        told.append(f"{new.approvals} instead of {old.approvals} approvals are enough")
    if new.max_age > old.max_age:
        told.append(f"statements may be {span(new.max_age)} old instead of {span(old.max_age)}")
    if old.semantic_version and not new.semantic_version:
        told.append("any version is taken, not only semantic ones")
    if old.smoke_required and not new.smoke_required:
        told.append("no smoke suite needs to have passed")
    if new.accept_no_isolation and not old.accept_no_isolation:
        told.append("the process runtime, which isolates nothing, is accepted")
    return told


def refusal(verdict: Verdict, asked: Asked, serving: str = "") -> LadingError:
    """Return the refusal of a release; ``serving`` is the version that serves (empty: nothing does).

    Its code is the verdict's: ``bill`` when the bill itself is at fault, else ``policy``.
    """
    have = f"what it has: {'  '.join(verdict.have) or 'nothing'}"
    single = len(verdict.problems) == 1
    details = (f"{verdict.problems[0]}; {have}",) if single else (*verdict.problems, have)
    return LadingError(
        verdict.code,
        doing="refused",
        happened=f"{asked.environment} does not take {asked.version} ({short(asked.digest)})",
        details=details,
        now=f"serving: {serving}, untouched" if serving else "serving: nothing yet",
        hint=verdict.hint,
    )


def no_return(revoked: Sequence[str], asked: Asked, serving: str) -> LadingError:
    """Return the refusal to go back to a release that was taken back; ``revoked`` says by whom."""
    return LadingError(
        "bill",
        doing="refused",
        happened=f"{asked.environment} does not go back to {asked.version} ({short(asked.digest)})",
        details=tuple(revoked),
        now=f"serving: {serving}, untouched",
        hint=f"lading rollback {asked.environment} --to another release (lading history {asked.environment}), or have "
        f"who revoked it lift that: lading revoke ENVIRONMENT {asked.version} --undo --reason WHY",
    )


def loosening(changes: Sequence[str], environment: str, who: str) -> LadingError:
    """Return the refusal of a request that would loosen a policy; ``changes`` is from :func:`loosens`."""
    return LadingError(
        "loosening",
        doing="refused",
        happened=f"{who or 'the request'} would loosen the policy of {environment}",
        details=tuple(changes),
        now="the policy stands as it was",
        hint=f"an admin of that agent may do it, and it is audited: lading policy set {environment} --reason WHY",
    )


def _named(passed: tuple[str, ...]) -> tuple[str, ...]:
    # To have passed a named environment is to have passed some environment: asking for both says one thing twice.
    return tuple(name for name in passed if name != "*") or passed


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
