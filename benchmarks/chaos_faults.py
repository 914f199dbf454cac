"""Kill it at every fault point: a real agent, struck at each point that real rollouts visit."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from benchmarks.chaos_ground import ground, moments, wanted
from benchmarks.chaos_report import Findings
from benchmarks.figures import Figure, at_most, told
from lading.engine.faults import Fault
from tests.agents import RealAgent, copy_of, ended, make_template
from tests.strikes import CALLERS, ENDS, ROLLOUTS, Struck, other, port, problems, record, served, strike
from tests.support_router import load

AGENTS = 3  # agents that are struck at the same time
TRAFFIC = 25.0  # requests a second at each of them
STARTERS = "MainThread"  # what brings an agent up
SUPERVISOR = "supervisor"

Make = Callable[[Path, Path], RealAgent]

COMMAND = "make chaos"


def measure() -> list[dict[str, Any]]:
    """Strike real agents at the points that real rollouts visit."""
    with ground() as root:
        template = make_template(root / "template")
        found = real_faults(template, root / "faults", wanted("CASES", 0), moments())
    return [figure.plain() for figure in found]


class Case(NamedTuple):
    """A fault, and the command that meets it (nothing: a deploy of the other release)."""

    fault: Fault
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        fault = self.fault
        how = {"kill": "killed", "fail": "fails for good" if fault.times == 0 else "fails once"}[fault.act]
        return f"{' '.join(self.words) or 'deploy'}: {fault.thread}{fault.point} #{fault.at} {how}"


def real_faults(
    template: Path, place: Path, limit: int, chance: random.Random, make: Make = copy_of, at: str = "real agents"
) -> list[Figure]:
    """Strike real agents at every point that a deploy visits, and at those of an automatic rollback.

    ``make`` gives an agent of a template, ``at`` is what the figures call them.
    """
    visited = _visits(make(template, place / "traced"), place / "traced")
    cases = list(_cases(visited))
    chance.shuffle(cases)
    if limit:
        cases = cases[:limit]
    print(f"  {len(cases)} faults at {at}, of {len(visited)} points visited", flush=True)
    agents = [make(template, place / f"agent-{number}") for number in range(AGENTS)]
    return _strike_all(agents, cases, f"faults at {at}")


Visits = Counter[tuple[tuple[str, ...], str, str]]

LATE = ("deploy", "local", "v1.3.0")  # cut over, then rolled back


def _visits(agent: RealAgent, place: Path) -> Visits:
    """Count the visits of every point, by command and kind of thread."""
    visits: Visits = Counter()
    with ended([agent]):
        assert agent.deploy("v1.0.0").exit == 0
        for words, status in (((), 0), (LATE, 5)):
            trace = place / f"trace-{len(words)}"
            agent.restart(trace=trace)
            command = words or ("deploy", "local", other(served(agent)))
            assert agent.lading(*command).exit == status
            for line in trace.read_text().splitlines():
                thread, _, point = line.rpartition(" ")
                visits[words, _kind(thread), point] += 1
    return visits


def _kind(thread: str) -> str:
    return next((kind for kind in (ROLLOUTS, CALLERS, STARTERS, SUPERVISOR) if thread.startswith(kind)), thread)


def _cases(visits: Visits) -> Iterator[Case]:
    for (words, thread, point), count in sorted(visits.items()):
        if thread == ROLLOUTS:
            yield from _in_rollouts(words, point, count)
        elif not words and thread in (CALLERS, STARTERS, SUPERVISOR):
            yield Case(Fault(point=point, act="kill", thread=thread))
            if thread == CALLERS:
                yield Case(Fault(point=point, act="fail", thread=thread))


def _in_rollouts(words: tuple[str, ...], point: str, count: int) -> Iterator[Case]:
    for at in sorted({1, (count + 1) // 2, count}):
        yield Case(Fault(point=point, act="kill", at=at, thread=ROLLOUTS), words)
        if not words:
            yield Case(Fault(point=point, act="fail", at=at, thread=ROLLOUTS))
    if not words:
        yield Case(Fault(point=point, act="fail", times=0, thread=ROLLOUTS))


def _strike_all(agents: Sequence[RealAgent], cases: Sequence[Case], what: str) -> list[Figure]:
    waiting: SimpleQueue[Case] = SimpleQueue()
    for case in cases:
        waiting.put(case)
    findings = Findings(what)
    tally = _Tally()
    with ended(agents), ThreadPoolExecutor(len(agents)) as threads:
        list(threads.map(lambda agent: _strikes(agent, waiting, findings, tally), agents))
    return [
        findings.figure(COMMAND),
        at_most(f"{what}: requests lost", tally.lost, "requests", 0, command=COMMAND, n=tally.sent),
        told(
            f"{what}: rollouts that had to wait for the fault to be mended",
            tally.mended,
            "cases",
            command=COMMAND,
            n=findings.cases,
        ),
        told(
            f"{what}: stuck, where the undo itself was made to fail for good",
            tally.stuck,
            "cases",
            command=COMMAND,
            n=findings.cases,
        ),
    ]


class _Tally:
    def __init__(self) -> None:
        self.lost = self.sent = self.mended = self.stuck = 0
        self.lock = threading.Lock()


def _strikes(agent: RealAgent, waiting: "SimpleQueue[Case]", findings: Findings, tally: _Tally) -> None:
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=TRAFFIC) as traffic:
        while not waiting.empty():
            case = waiting.get()
            known = len(traffic.failures)
            wrong = _struck(agent, case, tally)
            wrong += [f"lost: {failure}" for failure in traffic.failures[known : known + 3]]
            findings.report(str(case), wrong)
    with tally.lock:
        tally.lost += len(traffic.failures)
        tally.sent += traffic.sent


def _struck(agent: RealAgent, case: Case, tally: _Tally) -> list[str]:
    before = served(agent)
    try:
        struck = strike(agent, case.fault, *case.words)
    except AssertionError as error:
        _set_right(agent)
        return [str(error)]
    with tally.lock:
        tally.mended += struck.mended
        tally.stuck += struck.outcome == "stuck"
    wrong = _judged(agent, case, struck, before)
    if wrong or struck.outcome == "stuck":
        _set_right(agent)
    return wrong


def _judged(agent: RealAgent, case: Case, struck: Struck, before: str | None) -> list[str]:
    if struck.outcome == "stuck":
        # Whatever could not be undone is told; what served must serve.
        alarmed = bool(record(agent).alert)
        lasting = case.fault.act == "fail" and case.fault.times == 0
        return [] if lasting and alarmed else [f"stuck, alarmed: {alarmed}"]
    wrong = problems(agent)
    allowed = (*ENDS, "") if case.fault.thread != ROLLOUTS else ENDS
    if struck.outcome not in allowed:
        wrong.append(f"outcome {struck.outcome!r}, exit status {struck.told.exit}")
    after = served(agent)
    if (struck.outcome == "succeeded") == (after == before):
        wrong.append(f"{struck.outcome}, but {before} before and {after} after")
    return wrong


def _set_right(agent: RealAgent) -> None:
    """Bring the agent back to where a case begins, so that one unsound end does not spoil the next case."""
    with contextlib.suppress(AssertionError):
        agent.restart()
        agent.settle()
        agent.deploy(other(served(agent)))
