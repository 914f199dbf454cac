"""One strike at a real agent: a deploy meets a fault, and what must be true afterwards is looked at."""

import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import msgspec

from lading.engine.faults import Fault, to_environment
from lading.model.environment import EnvironmentRecord
from tests.agents import RealAgent, Told, port_of, release_at
from tests.support import until

ROLLOUTS = "rollout-"  # how the threads that carry rollouts are named
CALLERS = "AnyIO"  # and those that answer the interface

LOOK_EVERY = 0.2  # seconds between two looks whether a rollout waits for its fault to be mended
SETTLED_WITHIN = 30.0  # seconds until a rollout has ended and what it left was swept

ENDS = ("succeeded", "unwound", "rolled_back")


class Struck(NamedTuple):
    """What came of a strike: the outcome of the rollout (empty: none was opened), the command's own word, seconds."""

    outcome: str
    told: Told
    seconds: float
    mended: bool


def other(version: str | None) -> str:
    """Return the version to deploy where ``version`` serves."""
    return "v1.1.0" if version == "v1.0.0" else "v1.0.0"


def strike(agent: RealAgent, fault: Fault, *words: str) -> Struck:
    """Deploy the other release (or run another command) at an agent with a fault, and see it end.

    The agent is started again when it was killed. A fault that lasts is mended once the rollout has waited for it.
    """
    words = words or ("deploy", "local", other(served(agent)))
    before = agent.rollouts()
    agent.stop()
    # An agent that is killed while it starts is started again by the command.
    agent.lading("agent", "start", environ={"LADING_FAULTS": to_environment((fault,))})
    began = time.monotonic()
    told, mended = _mended(agent, words)
    if not agent.pid:
        agent.start()
    agent.settle(within=SETTLED_WITHIN)
    after = agent.rollouts()
    outcome = str(after[-1][1]) if len(after) > len(before) else ""
    return Struck(outcome, told, time.monotonic() - began, mended)


def _mended(agent: RealAgent, words: tuple[str, ...]) -> tuple[Told, bool]:
    log = agent.home / "agent.log"
    known = log.stat().st_size
    process = agent.begin(*words)
    while True:
        try:
            process.communicate(timeout=LOOK_EVERY)
            return agent.told(process), False
        except subprocess.TimeoutExpired:
            if b" is parked: " in log.read_bytes()[known:]:
                agent.restart()
                return agent.told(process), True


def record(agent: RealAgent, environment: str = "local") -> EnvironmentRecord:
    """Return an environment's record as the journal on disk has it."""
    with closing(sqlite3.connect(f"file:{agent.home / 'journal.db'}?mode=ro", uri=True, timeout=10)) as journal:
        row = journal.execute(
            "SELECT value FROM environments WHERE project = ? AND name = ?", (agent.name, environment)
        ).fetchone()
    assert row is not None
    return msgspec.json.decode(row[0], type=EnvironmentRecord)


def served(agent: RealAgent, environment: str = "local") -> str | None:
    """Return the release that the journal says is served."""
    serving = record(agent, environment).serving
    return serving.release.version if serving is not None else None


def problems(agent: RealAgent, environment: str = "local") -> list[str]:
    """Return what is not as it must be between rollouts: served is what the journal says, and nothing else is left."""
    found = []
    state = record(agent, environment)
    serving = state.serving
    if agent.unfinished():
        found.append(f"rollouts without an outcome: {agent.unfinished()}")
    if serving is None:
        return [*found, "nothing serves"]
    answering = release_at(f"http://127.0.0.1:{state.port}")
    if answering != serving.release.version:
        found.append(f"{answering or 'nobody'} answers at port {state.port}, and {serving.release.version} serves")
    kept = {spec.name for unit in (serving, state.standby) if unit is not None for spec in unit.instances}
    wanted = {spec.name for spec in serving.instances}
    if not _within(lambda: wanted <= running(agent, environment) <= kept):
        now = sorted(running(agent, environment))
        found.append(f"running {now}, wanted {sorted(wanted)}, kept {sorted(kept)}")
    return found


def _within(condition: Callable[[], bool]) -> bool:
    try:
        until(condition, within=SETTLED_WITHIN)
    except AssertionError:
        return False
    return True


def running(agent: RealAgent, environment: str = "local") -> set[str]:
    """Return the names of an environment's instances that run, as the machine has them."""
    return {name for name in agent.instances() if name.startswith(f"{agent.name}-{environment}-r")}


def port(agent: RealAgent, environment: str = "local") -> int:
    """Return the port at which an environment answers."""
    return port_of(agent.url(environment))
