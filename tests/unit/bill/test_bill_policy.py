"""Policies: what tiers demand, how manifests tighten them, what loosens them, and how refusals read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.bill import default_policy, loosening, loosens, refusal, tighten
from lading.model.bill import Policy, Verdict
from lading.model.environment_table import Requires
from tests.unit.bill.cases import DAY, HOUR, Case

names = st.lists(st.sampled_from(["stage", "load", "tests", "*"]), unique=True).map(tuple)
policies = st.builds(
    Policy,
    passed=names,
    gates=names,
    approvals=st.integers(0, 3),
    semantic_version=st.booleans(),
    smoke_required=st.booleans(),
    max_age=st.sampled_from([HOUR, DAY, 7 * DAY]),
    accept_no_isolation=st.booleans(),
)
demands = st.builds(
    Requires,
    passed=names,
    gates=names,
    approvals=st.integers(0, 3),
    max_age=st.none() | st.sampled_from([HOUR, 30 * DAY]),
)


def test_only_production_demands_something_by_itself() -> None:
    """Local and stage take any release; production wants a pass elsewhere, smoked, with a semantic version."""
    assert default_policy("local") == default_policy("stage") == Policy()
    production = default_policy("production")
    assert production.passed == ("*",)
    assert production.smoke_required
    assert production.semantic_version
    assert not production.accept_no_isolation


@given(policies, demands)
def test_a_manifest_only_tightens(policy: Policy, requires: Requires) -> None:
    """Whatever a manifest demands, nothing that the agent's policy demands is lost; demanding it twice adds nothing."""
    tightened = tighten(policy, requires)
    assert loosens(policy, tightened) == []
    assert set(requires.passed) - {"*"} <= set(tightened.passed)  # a named environment says more than any
    assert tightened.approvals == max(policy.approvals, requires.approvals)
    assert tighten(tightened, requires) == tightened


@given(policies)
def test_a_policy_does_not_loosen_itself(policy: Policy) -> None:
    """Setting a policy to what it is loosens nothing."""
    assert loosens(policy, policy) == []


STRICT = Policy(
    passed=("stage",),
    gates=("tests",),
    approvals=2,
    semantic_version=True,
    smoke_required=True,
    max_age=DAY,
    accept_no_isolation=False,
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"passed": ()}, "need not have passed stage"),
        ({"passed": ("*",)}, "need not have passed stage"),
        ({"gates": ()}, "gate tests is not demanded"),
        ({"approvals": 1}, "1 instead of 2 approvals are enough"),
        ({"semantic_version": False}, "any version is taken"),
        ({"smoke_required": False}, "no smoke suite"),
        ({"max_age": 2 * DAY}, "2 days old instead of 1 day"),
        ({"accept_no_isolation": True}, "isolates nothing"),
    ],
)
def test_every_loosening_is_told_in_words(change: dict[str, object], words: str) -> None:
    """Each demand that a change drops or lowers is named, and only that one."""
    told = loosens(STRICT, msgspec.structs.replace(STRICT, **change))
    assert len(told) == 1
    assert words in told[0]


def test_naming_an_environment_tightens_any() -> None:
    """Demanding stage instead of any one environment is no loosening; demanding none is."""
    anywhere = Policy(passed=("*",))
    assert loosens(anywhere, Policy(passed=("stage",))) == []
    assert "any other environment" in loosens(anywhere, Policy())[0]


def test_a_refusal_says_what_is_missing_what_is_there_and_what_next(case: Case) -> None:
    """A refusal reads: who takes what not, why with what it has, what serves, the next step."""
    verdict = case.judge(case.passed(environment="local"), version="v1.6.0-rc1")
    asked = msgspec.structs.replace(case.asked, version="v1.6.0-rc1")
    error = refusal(verdict, asked, serving="v1.5.0")
    assert (error.code, error.exit_status) == ("policy", 3)
    assert str(error).splitlines() == [
        "refused: production does not take v1.6.0-rc1 (sha256:4f4f…)",
        "  it has not passed stage; what it has: local/rollout ✓  local/smoke ✓  local/watch ✓",
        "  serving: v1.5.0, untouched",
        "  next:    lading deploy stage v1.6.0-rc1",
    ]


def test_a_refusal_tells_every_problem(case: Case) -> None:
    """Several problems stand in a line each, before what the release has."""
    verdict = Verdict(problems=("one", "two"), code="bill", hint="three")
    error = refusal(verdict, case.asked)
    assert (error.code, error.exit_status) == ("bill", 3)
    assert error.details == ("one", "two", "what it has: nothing")
    assert error.now == "serving: nothing yet"


def test_a_loosening_request_is_refused_and_explained() -> None:
    """Who tries to loosen is told what would be loosened, that nothing changed, and who may do it how."""
    error = loosening(["gate tests is not demanded"], "production", "ann")
    assert (error.code, error.exit_status) == ("loosening", 3)
    assert "ann would loosen the policy of production" in str(error)
    assert "the policy stands as it was" in str(error)
    assert "--reason" in error.hint
