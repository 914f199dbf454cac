"""The strategy recreate with the real router: one release at a time, and visitors wait instead of being turned away."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lading.engine.faults import Fault
from tests.agents import RealAgent
from tests.projects import MANIFEST
from tests.strikes import port, served
from tests.support import until
from tests.support_router import load

pytestmark = pytest.mark.system

STRATEGY = '[environments.local]\nstrategy = { kind = "recreate", watch = "300ms", hold = "8s" }'


@contextmanager
def company(agent: RealAgent) -> Iterator[list[set[str]]]:
    """Look all the time which releases run beside each other; give the sets with more than one."""
    seen: list[set[str]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            releases = {name.split("-r")[1].split("-")[0] for name in agent.instances() if "-web-" in name}
            if len(releases) > 1:
                seen.append(releases)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(10.0)


def test_one_release_at_a_time_and_everybody_is_answered(agent: RealAgent) -> None:
    """Deploy, a broken release, an agent killed in the gap, and back: nobody is lost, and never do two releases run."""
    manifest = agent.project / "lading.toml"
    manifest.write_text(MANIFEST.replace('[environments.local]\nstrategy = { watch = "300ms" }', STRATEGY))
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=60) as traffic, company(agent) as beside:
        told = agent.deploy("v1.1.0")
        assert (told.exit, told.outcome, told.rollout["lost_requests"]) == (0, "succeeded", 0), told
        assert "gap" in told.said("cutover")
        bill = agent.lading("bill", "v1.1.0").result["bill"]["statements"]
        facts = next(one["statement"]["facts"] for one in bill if one["statement"]["gate"] == "rollout")
        assert 0 < facts["gap_seconds"] < 5
        assert facts["waited"] > 0
        assert facts["turned_away"] == 0

        broken = agent.deploy("v1.2.0")
        assert (broken.exit, broken.outcome) == (4, "unwound"), broken
        assert served(agent) == "v1.1.0"

        agent.restart(Fault(point="runtime.start:before", act="kill", thread="rollout"))
        back = agent.begin("rollback", "local")
        until(lambda: not agent.pid, within=30, what="the agent's death in the gap")
        agent.start()
        agent.told(back)
        until(lambda: served(agent) == "v1.0.0", within=30)
        until(lambda: agent.environment().get("rollout") is None, within=30)
        assert traffic.names["v1.0.0"]
    assert traffic.failures == []
    assert traffic.names["v1.1.0"] > 50
    assert beside == []
