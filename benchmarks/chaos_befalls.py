"""What befalls containers: their engine killed, the power lost, networks removed, memory and disks used up."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos_calamities import filled_at, routers, sound, waits_or_ended
from benchmarks.chaos_report import Findings
from benchmarks.figures import Figure, at_most, told
from lading.docker import SOCKET, Engine
from tests.agents import RealAgent, Told, answer, ended, kill
from tests.calamities import halted_at, reboot_at, small_disk
from tests.containers import ContainerAgent, container_copy_of, remove_networks
from tests.engines import OwnEngine, own_engine
from tests.strikes import other, port, problems, served
from tests.support import until
from tests.support_router import load

COMMAND = "make chaos"
TRAFFIC = 25.0  # requests a second
DISK_MEGABYTES = 1400  # an engine's images, and an agent's home with the same layers
AGAIN_WITHIN = 30.0  # seconds until what lost its network must serve again

# Around each act that needs the engine, and the cutover.
MOMENTS = (
    "runtime.prepare:before",
    "runtime.prepare:after",
    "runtime.start:before",
    "runtime.start:after",
    "checks.probe:before",
    "runtime.run:before",
    "runtime.run:after",
    "router.apply:before",
    "router.apply:after",
    "router.counters:before",
    "runtime.connections:before",
    "store.prune:before",
    "runtime.prune:before",
    "journal.finish:before",
)


def befalls(template: Path, place: Path, engine: OwnEngine, times: int) -> list[Figure]:
    """Let each of them happen to agents with containers and return what was found."""
    agent = container_copy_of(template, place / "agent")
    with ended([agent]):
        said = agent.deploy("v1.0.0")
        assert said.exit == 0, said
        return [
            *_engines(agent, engine),
            *_networks(agent),
            *routers(agent, times, "router before containers killed"),
            *_greedy(agent),
            *_power(agent, engine),
        ]


def full_disks(template: Path, place: Path) -> list[Figure]:
    """Fill the disk that an engine and an agent share, at each moment; no other engine may run meanwhile."""
    findings = Findings("disk of engine and agent full")
    with small_disk(place, DISK_MEGABYTES) as disk, own_engine(disk / "engine"):
        agent = container_copy_of(template, disk / "agent")
        with ended([agent]):
            said = agent.deploy("v1.0.0")
            assert said.exit == 0, said
            with load(port(agent), per_second=TRAFFIC) as traffic:
                for point in MOMENTS:
                    findings.report(point, _tried(agent, lambda point=point: filled_at(agent, point, disk)))
    return _none_lost(findings, len(traffic.failures), traffic.sent)


def _tried(agent: RealAgent, case: Callable[[], list[str]]) -> list[str]:
    """Return what was wrong in a case; one that broke off is wrong, too, and must not spoil the next."""
    try:
        return case()
    except AssertionError as error:
        with contextlib.suppress(AssertionError):
            agent.restart()
            agent.settle()
        return [f"{error}; rollouts: {agent.rollouts()[-2:]}"]


def _none_lost(findings: Findings, lost: int, sent: int) -> list[Figure]:
    return [
        findings.figure(COMMAND),
        at_most(f"{findings.what}: requests lost", lost, "requests", 0, command=COMMAND, n=sent),
    ]


def _engines(agent: ContainerAgent, engine: OwnEngine) -> list[Figure]:
    """Kill the engine at each moment: once it is back before the agent goes on, once only after the agent gave up."""
    findings = Findings("engine killed")
    with load(port(agent), per_second=TRAFFIC) as traffic:
        for point in MOMENTS:
            for at_once in (True, False):
                known = len(traffic.failures)
                wrong = _tried(
                    agent,
                    lambda point=point, at_once=at_once: _engine_killed_at(agent, engine, point, at_once=at_once),
                )
                engine.start()
                wrong += [f"lost: {failure}" for failure in traffic.failures[known : known + 3]]
                findings.report(f"{point}, {'back at once' if at_once else 'away until the rollout stands'}", wrong)
    return _none_lost(findings, len(traffic.failures), traffic.sent)


def _engine_killed_at(agent: RealAgent, engine: OwnEngine, point: str, *, at_once: bool) -> list[str]:
    before = served(agent)
    with halted_at(agent, other(before), point):
        engine.kill()
        if at_once:
            engine.start()
    wrong = []
    if not at_once:
        try:
            until(waits_or_ended(agent), within=60, what="the rollout waits, or has ended")
        except AssertionError as error:
            wrong = [str(error)]
        engine.start()
    return wrong + sound(agent, before)


def _networks(agent: ContainerAgent) -> list[Figure]:
    """Take the environment's network away with all that is in it; what served must serve again by itself."""
    findings, slowest = Findings("network removed"), 0.0
    for point in ("", *MOMENTS):
        before = served(agent)
        with _halted(agent, point):
            remove_networks(Engine(SOCKET), agent.filters())
            began = time.monotonic()
        wrong = []
        # A network that goes at the very end of a rollout is missed only after it, so how it ended is looked at last.
        try:
            until(_serves(agent), within=AGAIN_WITHIN, what="requests are served again")
        except AssertionError as error:
            wrong.append(str(error))
        wrong += sound(agent, before)
        slowest = max(slowest, time.monotonic() - began)
        findings.report(point or "at rest", wrong)
    return [
        findings.figure(COMMAND),
        told("network removed: until it has ended and serves again, longest", slowest, "s", COMMAND, findings.cases),
    ]


@contextmanager
def _halted(agent: RealAgent, point: str) -> Iterator[None]:
    with halted_at(agent, other(served(agent)), point) if point else contextlib.nullcontext():
        yield


def _serves(agent: RealAgent) -> Callable[[], bool]:
    url = f"http://127.0.0.1:{port(agent)}/"
    return lambda: answer(url)[0] == 200


def _greedy(agent: ContainerAgent) -> list[Figure]:
    """Deploy what wants more memory than it may have, at its start and at a visitor's first request."""
    findings = Findings("candidate killed for want of memory")
    with load(port(agent), per_second=TRAFFIC) as traffic:
        before = served(agent)
        findings.report("at its start", _refused(agent, agent.deploy("v1.8.0"), 4, "unwound", before))
        # Those whose request meets the other one are lost with it, as with any release that dies of a request.
        lost, sent = len(traffic.failures), traffic.sent
        findings.report("at its first request", _refused(agent, agent.deploy("v1.9.0"), 5, "rolled_back", before))
    return _none_lost(findings, lost, sent)


def _refused(agent: RealAgent, said: Told, status: int, outcome: str, before: str | None) -> list[str]:
    wrong = problems(agent)
    if (said.exit, said.outcome) != (status, outcome):
        wrong.append(f"exit status {said.exit}, {said.outcome}")
    if "want of memory" not in str(said.lines):
        wrong.append("nothing said of memory")
    if served(agent) != before:
        wrong.append(f"{served(agent)} serves instead of {before}")
    return wrong


def _power(agent: RealAgent, engine: OwnEngine) -> list[Figure]:
    """Lose power: the agent, the router, the engine and every container are gone at once."""
    findings, slowest = Findings("power of a machine with containers lost"), 0.0
    for point in MOMENTS:
        before = served(agent)
        slowest = max(slowest, reboot_at(agent, other(before), point, down=lambda: lose_power(agent, engine)))
        findings.report(point, sound(agent, before))
    name = f"{findings.what}: agent started → requests served again, longest"
    return [findings.figure(COMMAND), told(name, slowest, "s", COMMAND, findings.cases)]


def lose_power(agent: RealAgent, engine: OwnEngine) -> None:
    """Kill the engine and everything that runs in containers, then start the engine as a machine does that comes up."""
    inside = _contained()
    engine.kill()
    for pid in inside:
        kill(pid)
    agent.reboot()
    engine.start()


def _contained() -> list[int]:
    """Return the first processes of all containers, and the shims that watch over them."""
    engine = Engine(SOCKET)
    pids = [engine.get(f"/containers/{one['Id']}/json")["State"]["Pid"] for one in engine.get("/containers/json")]
    shims = [_parent(pid) for pid in pids]
    return [pid for pid in (*shims, *pids) if pid > 1]


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
