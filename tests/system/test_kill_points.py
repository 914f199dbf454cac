"""The real agent, killed for real at chosen points of a deploy, under load; ``make chaos`` visits all of them."""

from collections.abc import Iterator

import pytest

from lading.engine.faults import Fault
from tests.agents import RealAgent
from tests.strikes import CALLERS, ENDS, ROLLOUTS, other, port, problems, served, strike
from tests.support_router import Load, load

pytestmark = [pytest.mark.system, pytest.mark.recovery]

# One of each kind of step, before and after its act, and the commits around them.
KILLED = (
    ("databases.check:before", 1),
    ("store.verify:after", 1),
    ("runtime.start:before", 1),
    ("runtime.start:after", 1),
    ("checks.probe:before", 1),
    ("checks.request:after", 1),
    ("runtime.run:before", 1),
    ("runtime.run:after", 1),
    ("prober.start:after", 1),
    ("router.apply:before", 1),
    ("router.apply:after", 1),
    ("journal.mark:before", 1),
    ("journal.mark:after", 14),
    ("journal.mark:before", 16),
    ("checks.request:before", 3),
    ("router.counters:before", 2),
    ("runtime.connections:before", 1),
    ("prober.stop:before", 1),
    ("signer.sign:after", 2),
    ("store.prune:before", 1),
    ("journal.finish:before", 1),
    ("journal.finish:after", 1),
)

# Those that answer the interface open rollouts; nobody was told of one that was not recorded.
KILLED_OPENING = ("router.reserve_port:after", "journal.save_environment:after", "journal.begin:after")

FAILED = (
    ("runtime.start:before", 0),
    ("router.apply:before", 1),
    ("router.apply:after", 1),
    ("journal.mark:before", 0),
)


@pytest.fixture(scope="module")
def traffic(shared: RealAgent) -> Iterator[Load]:
    """Requests that never pause, whatever happens to the agent."""
    with load(port(shared), per_second=50) as going:
        yield going


@pytest.mark.parametrize(("point", "at"), KILLED)
def test_killed(shared: RealAgent, traffic: Load, point: str, at: int) -> None:
    """The rollout of an agent that was killed ends by itself in the new release, and no request is lost."""
    wanted = other(served(shared))
    struck = strike(shared, Fault(point=point, act="kill", at=at, thread=ROLLOUTS))
    assert struck.outcome == "succeeded", struck
    assert struck.told.exit == 0, struck
    assert served(shared) == wanted
    assert problems(shared) == []
    assert traffic.failures == []


@pytest.mark.parametrize("point", KILLED_OPENING)
def test_killed_while_a_rollout_is_opened(shared: RealAgent, traffic: Load, point: str) -> None:
    """An agent killed before it answered leaves no rollout, and the command says so, or one that the command finds."""
    struck = strike(shared, Fault(point=point, act="kill", thread=CALLERS))
    assert struck.outcome in ("", *ENDS), struck
    assert struck.told.exit == (7 if struck.outcome == "" else 0), struck
    assert problems(shared) == []
    assert traffic.failures == []


@pytest.mark.parametrize(("point", "times"), FAILED)
def test_failed(shared: RealAgent, traffic: Load, point: str, times: int) -> None:
    """An act that fails, once or for good, ends in the old release or the new; the exit status says which."""
    struck = strike(shared, Fault(point=point, act="fail", times=times, thread=ROLLOUTS))
    assert struck.outcome in ENDS, struck
    assert struck.told.exit == {"succeeded": 0, "unwound": 4, "rolled_back": 5}[struck.outcome], struck
    assert problems(shared) == []
    assert traffic.failures == []
