"""What the agent does with requests: busy, nothing to do, turning back, cancelling, refusing, recovering."""

import itertools
import threading
from collections.abc import Mapping

import msgspec
import pytest

from lading.agent.asking import RolloutRequest
from lading.model.bill import Policy
from lading.model.environment_table import Environment, Strategy
from lading.model.errors import LadingError
from lading.ports.journal import Audit
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ENVIRONMENT, KEY, TABLE
from tests.recovery.releases import PROJECT
from tests.support import until


@pytest.fixture
def agent() -> MemoryAgent:
    return MemoryAgent()


def _hold(agent: MemoryAgent) -> threading.Event:
    """Make ready checks wait until the event is set."""
    gate = threading.Event()
    probe = agent.world.checks.probe

    def waiting(address: str, asked: object) -> object:
        gate.wait(10)
        return probe(address, asked)  # type: ignore[arg-type]

    agent.world.checks.probe = waiting  # type: ignore[method-assign,assignment]
    return gate


def test_a_deploy_runs_to_its_outcome(agent: MemoryAgent) -> None:
    """A request opens a rollout at once and carries it in the background."""
    assert agent.deploy("v1.0.0").outcome == "succeeded"


def test_redeploying_what_serves_is_nothing_to_do(agent: MemoryAgent) -> None:
    """The same digest with the same configuration opens no rollout."""
    agent.deploy("v1.0.0")
    assert agent.request("deploy", "v1.0.0") is None


def test_what_serves_can_be_asked_to_pass_anew(agent: MemoryAgent) -> None:
    """Asked for again by that word, what serves is rolled out once more and its bill gets a fresh pass."""
    first = agent.deploy("v1.0.0")
    passes = len(agent.world.journal.statements(first.plan.digest))
    second = agent.ended(agent.request("deploy", "v1.0.0", again=True))
    assert (second.outcome, second.plan.digest) == ("succeeded", first.plan.digest)
    assert "anew" in second.plan.reasons[0]
    assert len(agent.world.journal.statements(first.plan.digest)) == 2 * passes


def test_another_configuration_is_a_rollout_of_the_same_digest(agent: MemoryAgent) -> None:
    """A changed environment value makes a rollout, though the digest is the same."""
    agent.deploy("v1.0.0")
    table = msgspec.structs.replace(TABLE, env={"COLOUR": "green"})
    assert agent.ended(agent.request("deploy", "v1.0.0", table=table)).outcome == "succeeded"


def test_two_deploys_at_once_one_is_busy(agent: MemoryAgent) -> None:
    """While a rollout runs another request is refused: it says who, since when and doing what."""
    agent.house.release("v1.0.0")
    agent.house.release("v1.1.0")
    gate = _hold(agent)
    first = agent.request("deploy", "v1.0.0")
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.1.0")
    gate.set()
    assert refused.value.code == "busy"
    assert "ada" in str(refused.value)
    assert agent.ended(first).outcome == "succeeded"


def test_a_busy_environment_has_never_nothing_to_do(agent: MemoryAgent) -> None:
    """What a running rollout has just cut over to may still come back: asking for it again is busy, not done."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    table = msgspec.structs.replace(TABLE, strategy=Strategy(watch=1e6))
    first = agent.request("deploy", "v1.1.0", table=table)
    assert first is not None
    until(lambda: agent.house.record.serving and agent.house.record.serving.release.version == "v1.1.0")
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.1.0", table=table)
    assert refused.value.code == "busy"
    agent.rollouts.cancel(first.id, "ada")
    agent.ended(first)


def test_a_request_that_comes_too_early_changes_nothing(agent: MemoryAgent) -> None:
    """A second request, however long its admission takes, never writes over what the running rollout changes."""
    agent.deploy("v1.0.0")
    for version in ("v1.1.0", "v1.2.0"):
        agent.house.release(version)
    gate = _hold(agent)
    first = agent.request("deploy", "v1.1.0")
    versions = agent.world.secrets.versions

    def slow(environment: str) -> Mapping[str, int]:
        gate.set()
        agent.ended(first)
        return versions(environment)

    agent.world.secrets.versions = slow  # type: ignore[method-assign,assignment]
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.2.0")
    assert refused.value.code == "busy"
    gate.set()
    agent.ended(first)
    assert agent.house.record.serving is not None
    assert agent.house.record.serving.release.version == "v1.1.0"


def test_cancel_before_the_cutover_unwinds(agent: MemoryAgent) -> None:
    """A cancelled rollout ends cancelled, with the old release serving."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    gate = _hold(agent)
    rollout = agent.request("deploy", "v1.1.0")
    assert rollout is not None
    agent.rollouts.cancel(rollout.id, "ada")
    gate.set()
    assert agent.ended(rollout).outcome == "cancelled"
    assert agent.house.record.serving is not None
    assert agent.house.record.serving.release.version == "v1.0.0"


def test_a_rollback_while_watching_turns_the_rollout_back(agent: MemoryAgent) -> None:
    """While a release is watched, rollback needs no second rollout: the running one comes back."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    watching, go = threading.Event(), threading.Event()
    counters = agent.world.router.counters

    def slow(environment: str, generation: str) -> object:
        watching.set()
        go.wait(10)
        return counters(environment, generation)

    agent.world.router.counters = slow  # type: ignore[method-assign,assignment]
    opened = agent.request("deploy", "v1.1.0")
    assert opened is not None
    assert watching.wait(10)
    turned = agent.request("rollback")
    go.set()
    assert turned is not None
    assert turned.id == opened.id
    assert agent.ended(opened).outcome == "rolled_back"
    assert agent.house.record.serving is not None
    assert agent.house.record.serving.release.version == "v1.0.0"


def test_a_rollback_without_a_way_back_is_refused(agent: MemoryAgent) -> None:
    """There is nothing to return to after a first deploy; the refusal says what serves."""
    agent.deploy("v1.0.0")
    with pytest.raises(LadingError, match="no earlier release") as refused:
        agent.request("rollback")
    assert refused.value.exit_status == 3
    assert "v1.0.0" in refused.value.now


def test_rolling_back_twice_never_returns_to_the_bad_release(agent: MemoryAgent) -> None:
    """After v1, v2, v3: back to v2, then back to v1; v3 is reached by name only."""
    for version in ("v1.0.0", "v2.0.0", "v3.0.0"):
        agent.deploy(version)
    for expected in ("v2.0.0", "v1.0.0"):
        assert agent.ended(agent.request("rollback")).outcome == "succeeded"
        assert agent.house.record.serving is not None
        assert agent.house.record.serving.release.version == expected
    with pytest.raises(LadingError):
        agent.request("rollback")


def test_a_lower_tier_is_a_loosening(agent: MemoryAgent) -> None:
    """A client's manifest cannot lower the tier an agent holds an environment at."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.1.0", table=Environment(tier="local"))
    assert refused.value.code == "loosening"


def test_a_policy_refuses_and_the_refusal_is_audited(agent: MemoryAgent) -> None:
    """What the policy does not take opens no rollout, leaves what serves alone, and is written down."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    audit = Audit(at=0.0, who="admin", act="policy")
    agent.world.journal.set_policy(PROJECT, ENVIRONMENT, Policy(passed=("lab",)), audit)
    with pytest.raises(LadingError) as refused:
        agent.request("deploy", "v1.1.0")
    assert refused.value.exit_status == 3
    assert "v1.0.0" in refused.value.now
    assert agent.world.journal.audits()[0].act == "refused"
    assert agent.world.journal.unfinished() == []


def test_a_missing_secret_is_refused_before_anything(agent: MemoryAgent) -> None:
    """A required secret that is not there refuses the request by name."""
    house = agent.house
    release = house.release("v1.0.0")
    manifest = msgspec.structs.replace(
        release.manifest, secrets=msgspec.structs.replace(release.manifest.secrets, required=("TOKEN", "PAY_KEY"))
    )
    changed = msgspec.structs.replace(release, version="v9.0.0", digest="sha256:9", manifest=manifest)
    agent.world.journal.add_release(changed)
    with pytest.raises(LadingError, match="PAY_KEY") as refused:
        agent.request("deploy", "v9.0.0")
    assert refused.value.code == "secret-missing"


def test_an_agent_takes_up_what_the_last_one_left(agent: MemoryAgent) -> None:
    """A rollout without an outcome is carried on by the next agent."""
    opened = agent.house.open_deploy("v1.0.0")
    agent.rollouts.recover()
    assert agent.ended(opened).outcome == "succeeded"


def test_a_plan_changes_nothing(agent: MemoryAgent) -> None:
    """Planning returns the steps and leaves no trace."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    before = agent.house.record
    plan = agent.rollouts.plan(
        RolloutRequest(kind="deploy", project=PROJECT, environment=ENVIRONMENT, version="v1.1.0", table=TABLE)
    )
    assert [step.kind for step in plan.steps][:4] == ["preflight", "fetch", "start", "health"]
    assert agent.house.record == before


# the supervisor


def test_a_reboot_brings_back_what_served(agent: MemoryAgent) -> None:
    """After everything died, restoring starts what served and routes to its new addresses."""
    agent.deploy("v1.0.0")
    agent.world.runtime.reboot()  # type: ignore[attr-defined]
    agent.supervisor.restore()
    agent.house.assert_served("after the reboot")
    assert agent.house.unserved == []
    assert "shop-stage-r1-worker-1" in agent.world.runtime.running  # type: ignore[attr-defined]


def test_a_crashed_instance_is_restarted_with_back_off(agent: MemoryAgent) -> None:
    """A dead instance is started again at once, one that keeps dying ever more slowly."""
    agent.deploy("v1.0.0")
    starts = agent.world.runtime.recorded.starts  # type: ignore[attr-defined]
    before = len(starts)
    name = "shop-stage-r1-web-1"
    times = []
    for _ in range(200):
        agent.world.runtime.crash(name)  # type: ignore[attr-defined]
        count = len(starts)
        agent.supervisor.look()
        if len(starts) > count:
            times.append(agent.world.clock.monotonic())
        agent.world.clock.advance(0.5)  # type: ignore[attr-defined]
    gaps = [round(later - earlier, 1) for earlier, later in itertools.pairwise(times)]
    assert len(starts) > before
    assert gaps[0] <= 1.0
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 16.0


def test_the_previous_release_is_retired_after_its_time(agent: MemoryAgent) -> None:
    """The previous release stands by for keep_previous seconds, then its instances are gone; it stays a way back."""
    agent.deploy("v1.0.0")
    agent.deploy("v1.1.0")
    agent.supervisor.look()
    assert "shop-stage-r1-web-1" in agent.world.runtime.running  # type: ignore[attr-defined]
    agent.world.clock.advance(61.0)  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert "shop-stage-r1-web-1" not in agent.world.runtime.running  # type: ignore[attr-defined]
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    assert agent.world.router.ask(KEY) == "shop-stage-r1-web-1"  # type: ignore[attr-defined]


def test_no_instance_of_another_environment_is_swept(agent: MemoryAgent) -> None:
    """Whose an instance is, is decided by the plan that named it, not by how its name begins."""
    agent.deploy("v1.0.0")
    spec = msgspec.structs.replace(
        agent.house.unit(1).web[0], name="shop-stage-r1-r5-web-1", project="shop-stage", environment="r1"
    )
    agent.world.runtime.start(spec, {})
    agent.supervisor.look()
    assert "shop-stage-r1-r5-web-1" in agent.world.runtime.running  # type: ignore[attr-defined]


def test_watch_time_zero_still_serves(agent: MemoryAgent) -> None:
    """An environment without watch time cuts over and ends."""
    table = msgspec.structs.replace(TABLE, strategy=Strategy(watch=0.0, keep_previous=0.0))
    agent.deploy("v1.0.0", table=table)
    rollout = agent.deploy("v1.1.0", table=table)
    assert rollout.outcome == "succeeded"
    assert agent.house.record.standby is None
