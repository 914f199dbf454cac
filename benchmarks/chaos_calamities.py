"""What befalls machines, each several times: power lost, clients killed, two at once, full disks, ports, bytes."""

import contextlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.chaos_ground import ground, wanted
from benchmarks.chaos_report import Findings
from benchmarks.figures import Figure, at_most, told
from tests.agents import PORTS_EACH, RealAgent, answer, copy_of, ended, kill, make_template
from tests.calamities import can_mount, change_byte, full, halted_at, layer_of, reboot_at, small_disk, taken, taken_over
from tests.strikes import ENDS, other, port, problems, served
from tests.support import until
from tests.support_router import load

COMMAND = "make chaos"

# The first act of each kind of step, and the commits at both ends of the cutover.
MOMENTS = (
    "store.free_bytes:before",
    "store.verify:before",
    "runtime.start:before",
    "checks.probe:before",
    "checks.request:before",
    "runtime.run:before",
    "prober.start:before",
    "router.apply:before",
    "router.apply:after",
    "router.counters:before",
    "runtime.connections:before",
    "signer.sign:before",
    "store.prune:before",
    "journal.finish:before",
)

DISK_MEGABYTES = 220
SERVES_AGAIN_WITHIN = 1.0  # seconds after the router was killed


def measure() -> list[dict[str, Any]]:
    """Let what befalls machines happen to real agents."""
    with ground() as root:
        found = calamities(make_template(root / "template"), root / "calamities", wanted("TIMES", 5))
    return [figure.plain() for figure in found]


def calamities(template: Path, place: Path, times: int) -> list[Figure]:
    """Let each of them happen and return what was found."""
    agent = copy_of(template, place / "shared")
    with ended([agent]):
        assert agent.deploy("v1.0.0").exit == 0
        figures = [
            *_reboots(agent),
            *_clients(agent, times),
            *_two_at_once(agent, times),
            *routers(agent, times),
            *_ports(agent),
        ]
    return [*figures, *_bytes(template, place / "bytes"), *_disks(template, place / "disks")]


def sound(agent: RealAgent, before: str | None) -> list[str]:
    """Return what is wrong after a rollout from ``before`` to the other release that may have gone either way."""
    try:
        outcome = agent.settle()
    except AssertionError as error:
        return [str(error)]
    wrong = problems(agent)
    if outcome not in ENDS:
        wrong.append(f"outcome {outcome}")
    if served(agent) not in (before, other(before)):
        wrong.append(f"{served(agent)} serves")
    return wrong


def _reboots(agent: RealAgent) -> list[Figure]:
    findings, slowest = Findings("power lost"), 0.0
    for point in MOMENTS:
        before = served(agent)
        slowest = max(slowest, reboot_at(agent, other(before), point))
        findings.report(point, sound(agent, before))
    return [
        findings.figure(COMMAND),
        told(
            "power lost: agent started → requests served again, longest",
            slowest,
            "s",
            command=COMMAND,
            n=findings.cases,
        ),
    ]


def _clients(agent: RealAgent, times: int) -> list[Figure]:
    findings = Findings("client killed")
    for _ in range(times):
        before = served(agent)
        client = agent.begin("deploy", "local", other(before))
        until(agent.unfinished, within=20)
        time.sleep(random.uniform(0.0, 1.0))
        client.kill()
        client.communicate()
        wrong = sound(agent, before)
        if served(agent) == before:
            wrong.append("it went back to the old release")
        findings.report("killed", wrong)
    return [findings.figure(COMMAND)]


def _two_at_once(agent: RealAgent, times: int) -> list[Figure]:
    findings = Findings("two deploys at once")
    for _ in range(times):
        before = served(agent)
        versions = [version for version in ("v1.0.0", "v1.1.0", "v1.4.0") if version != before][:2]
        commands = [agent.begin("deploy", "local", version) for version in versions]
        said = [agent.told(command) for command in commands]
        wrong = problems(agent)
        if sorted(told.exit for told in said) != [0, 6]:
            wrong.append(f"exit statuses {[told.exit for told in said]}")
        findings.report("both begun", wrong)
    return [findings.figure(COMMAND)]


def routers(agent: RealAgent, times: int, what: str = "router killed") -> list[Figure]:
    """Kill Traefik with the agent dead: the holder alone has to bring it back."""
    number = port(agent)
    agent.kill()
    refused, sent, slowest = 0, 0, 0.0
    for _ in range(times):
        with load(number, per_second=100, only_new=True) as traffic:
            until(lambda: traffic.sent > 20)
            kill(json.loads((agent.home / "router" / "holder.json").read_text())["router"][0])
            began = time.monotonic()
            until(lambda: answer(f"http://127.0.0.1:{number}/")[0] == 200, within=10)
            slowest = max(slowest, time.monotonic() - began)
        refused += sum("refused" in failure.lower() for failure in traffic.failures)
        sent += traffic.sent
    agent.start()
    return [
        at_most(f"{what}: connections refused", refused, "connections", 0, command=COMMAND, n=sent),
        at_most(
            f"{what}: until a new request is answered, longest",
            slowest,
            "s",
            SERVES_AGAIN_WITHIN,
            command=COMMAND,
            n=times,
        ),
    ]


def _ports(agent: RealAgent) -> list[Figure]:
    findings = Findings("port taken")
    before = served(agent)
    first = agent.first_port + PORTS_EACH // 2
    with taken(range(first, first + PORTS_EACH // 2)):
        told = agent.deploy(other(before))
    findings.report("all ports of instances", _refused(agent, told.error["code"], "port-taken", before))
    number = port(agent)
    agent.reboot()
    with taken_over(number):
        agent.start()
        told = agent.deploy(other(before))
    until(lambda: answer(f"http://127.0.0.1:{number}/")[0] == 200, within=20)
    findings.report("the environment's own", _refused(agent, told.error["code"], "port-taken", before))
    return [findings.figure(COMMAND)]


def _bytes(template: Path, place: Path) -> list[Figure]:
    findings = Findings("stored bytes changed")
    for role, laid in (("source", False), ("source", True), ("environment", False), ("environment", True)):
        agent = copy_of(template, place / f"{role}-{laid}")
        with ended([agent]):
            for version in ("v1.1.0", "v1.0.0") if laid else ("v1.0.0",):
                told = agent.deploy(version)
                assert told.exit == 0, told
            change_byte(_file_of(agent, "v1.1.0", role, laid=laid))
            told = agent.deploy("v1.1.0")
            case = f"{role}, {'laid out' if laid else 'stored'}"
            findings.report(case, _refused(agent, told.error["code"], "artifact-corrupt", "v1.0.0"))
    return [findings.figure(COMMAND)]


def _file_of(agent: RealAgent, version: str, role: str, *, laid: bool) -> Path:
    layer = layer_of(agent, version, role)
    if not laid:
        return agent.home / "store" / "blobs" / "sha256" / layer["digest"].removeprefix("sha256:")
    tree = agent.home / "store" / "layers" / layer["diff_id"].removeprefix("sha256:")
    return next(tree.rglob("orders.py" if role == "source" else "h11/_events.py"))


def _refused(agent: RealAgent, code: str, wanted: str, before: str | None) -> list[str]:
    wrong = problems(agent)
    if code != wanted:
        wrong.append(f"error {code} instead of {wanted}")
    if served(agent) != before:
        wrong.append(f"{served(agent)} serves instead of {before}")
    return wrong


def _disks(template: Path, place: Path) -> list[Figure]:
    if not can_mount():
        print("  full disks are left out: only root can make a small disk", file=sys.stderr)
        return []
    findings, lost, sent = Findings("disk full"), 0, 0
    with _on_small_disk(template, place) as agent, load(port(agent), per_second=25) as traffic:
        for point in MOMENTS:
            findings.report(point, filled_at(agent, point, agent.home.parent))
        lost, sent = len(traffic.failures), traffic.sent
    return [
        findings.figure(COMMAND),
        at_most("disk full: requests lost", lost, "requests", 0, command=COMMAND, n=sent),
    ]


@contextlib.contextmanager
def _on_small_disk(template: Path, place: Path) -> Iterator[RealAgent]:
    with small_disk(place, DISK_MEGABYTES) as disk:
        agent = copy_of(template, disk)
        with ended([agent]):
            assert agent.deploy("v1.0.0").exit == 0
            yield agent


def filled_at(agent: RealAgent, point: str, disk: Path) -> list[str]:
    """Fill a disk at a point, keep it full until the rollout waits or has ended, and give the space back."""
    before = served(agent)
    with contextlib.ExitStack() as filled:
        with halted_at(agent, other(before), point):
            filled.enter_context(full(disk))
        wrong = []
        try:
            until(waits_or_ended(agent), within=30, what="the rollout waits, or has ended")
        except AssertionError as error:
            wrong = [str(error)]
    return wrong + sound(agent, before)


def waits_or_ended(agent: RealAgent) -> Callable[[], bool]:
    """Return what tells whether no rollout goes on: each waits for something to be mended, or has ended."""

    def look() -> bool:
        if not agent.unfinished():
            return True
        return ", waiting: " in str(agent.environment()["rollout"])

    return look
