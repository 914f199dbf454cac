"""Secrets are seen nowhere: a program that tells them to everybody goes the whole road, failing in every way."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.client.address import parse_address
from lading.client.agent import Agent, AgentError
from lading.model.secret import MASK
from tests.agents import LADING, RealAgent
from tests.canary import KEY, SECRETS, TOKEN, VERSIONS, Arguments, files_below, make_teller, seen_in
from tests.projects import NAME

pytestmark = pytest.mark.system

ENVIRONMENTS = ("local", "stage", "production")


class Road:
    """An agent along the road, with everything its commands said."""

    def __init__(self, agent: RealAgent) -> None:
        self.agent = agent
        self.said: list[bytes] = []
        self.outcomes: dict[str, str] = {}

    def lading(self, *words: str, typed: str = "") -> int:
        done = subprocess.run(
            [LADING, *words],
            cwd=self.agent.project,
            env={**os.environ, "LADING_HOME": str(self.agent.home), "NO_COLOR": "1"},
            input=typed.encode(),
            capture_output=True,
            timeout=60,
        )
        self.said += [done.stdout, done.stderr]
        return done.returncode

    def deploy(self, version: str, environment: str = "local") -> str:
        told = self.agent.deploy(version, environment)
        self.said += [json.dumps(told.lines, ensure_ascii=False).encode(), told.err.encode()]
        return told.outcome

    def travel(self) -> None:
        """Take every version along, and ask whatever a command can ask."""
        for version in VERSIONS:
            self.agent.checkout(version)
            assert self.lading("release") == 0
        self.agent.checkout("v2.0.0")
        for environment in ENVIRONMENTS:
            for name, value in SECRETS.items():
                assert self.lading("secrets", "set", environment, name, typed=value) == 0
        self.outcomes = {version: self.deploy(version) for version in VERSIONS}
        assert self.lading("deploy", "local", "v2.3.0") == 4
        assert self.lading("deploy", "stage", "v2.0.0") == 0
        assert self.lading("promote", "stage", "production") == 3
        assert self.lading("policy", "allow", "production", "no-isolation", "--reason", "a test") == 0
        assert self.lading("promote", "stage", "production") == 0
        assert self.lading("attest", "tests", "--", "true") == 0
        self._fall_silent()
        for words in (["status"], ["status", "--json"], ["explain", "smoke-failed"], ["audit"], ["bill", "v2.0.0"]):
            self.lading(*words)
        for environment in ENVIRONMENTS:
            for words in (["history"], ["plan"], ["policy", "show"], ["secrets", "list"]):
                self.lading(*words, environment)
        assert [found for said in self.said if (found := seen_in(said))] == []
        for number, _ in self.agent.rollouts():
            self.lading("logs", "local", "--rollout", str(number))

    def _fall_silent(self) -> None:
        """Say secrets where they are not expected."""
        odd = self.agent.project / "odd.env"
        odd.write_text(f"A={TOKEN}\nthis is no line {TOKEN}\n{KEY}\nB='{TOKEN}\n")
        assert self.lading("secrets", "import", "local", "odd.env") == 2
        odd.unlink()
        assert self.lading("secrets", "set", "local", "no-name", typed=TOKEN) == 2
        client = self.client()
        for body in ({"values": {"TOKEN": [TOKEN]}}, {"values": TOKEN}, {"values": {"A B": TOKEN}}, [TOKEN]):
            with pytest.raises(AgentError) as refused:
                client.put(f"/v1/secrets/{NAME}/local", body)
            self.said.append(str(refused.value).encode())

    def client(self) -> Agent:
        return Agent(parse_address(f"unix://{self.agent.home}"))

    def answers(self) -> Iterator[tuple[str, Any]]:
        """Ask everything that the interface can be asked."""
        client = self.client()
        plain = ("agent", "environments", "releases", "rollouts?limit=1000", "trust", "audit?limit=1000")
        paths = [f"/v1/{path}" for path in plain]
        for release in client.get("/v1/releases")["releases"]:
            paths += [f"/v1/releases/{NAME}/{release['version']}", f"/v1/bills/{release['digest']}"]
        for environment in ENVIRONMENTS:
            paths += [f"/v1/{what}/{NAME}/{environment}" for what in ("secrets", "policies")]
            paths.append(f"/v1/logs/{NAME}/{environment}?lines=10000")
        for entry in client.get("/v1/rollouts", limit=1000)["rollouts"]:
            paths.append(f"/v1/rollouts/{entry['id']}")
            paths.append(f"/v1/logs/{NAME}/{entry['environment']}?lines=10000&rollout={entry['id']}")
            yield f"events of {entry['id']}", list(client.stream("GET", f"/v1/rollouts/{entry['id']}/events"))
        for path in paths:
            yield path, client.get(path)


@pytest.fixture
def road(make_agent: Callable[..., RealAgent]) -> Road:
    agent = make_agent()
    make_teller(agent.project)
    return Road(agent)


def test_secrets_are_seen_nowhere(road: Road) -> None:
    """No file of the agent's, no answer, no output of a command and no process's arguments hold a secret, however
    it is spelled, though the program tells all of them in every answer and every line it writes."""
    with Arguments() as arguments:
        road.travel()
    assert road.outcomes.pop("v2.0.0") == "succeeded"
    assert set(road.outcomes.values()) == {"unwound"}
    answers = list(road.answers())
    logs = dict(answers)[f"/v1/logs/{NAME}/local?lines=10000"]
    assert json.dumps(logs, ensure_ascii=False).count(MASK) > 20
    # What a program made up itself and writes into its log, only the suite knew.
    assert {path: found for path, said in answers if (found := seen_in(_text(said), but=_known_to(path)))} == {}
    assert [found for said in road.said if (found := seen_in(said, but="session"))] == []
    assert arguments.looks > 20
    assert arguments.found == {}
    files = list(files_below(road.agent.home))
    assert {file.name for file in files} > {"journal.db", "agent.log", "routes.yml", "traefik.log", "record.json"}
    assert {str(file): found for file in files if (found := seen_in(file.read_bytes()))} == {}
    assert list(road.agent.home.joinpath("spool").iterdir()) == []
    # Else nothing would have been proved: this is where the program did tell.
    told = b"".join(log.read_bytes() for log in road.agent.home.glob("process/logs/*.log"))
    assert len(seen_in(told)) > 60


def _known_to(path: str) -> str:
    return "session" if path.startswith("/v1/logs/") else " "


def _text(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_private_is_private_under_any_umask(make_agent: Callable[..., RealAgent], umask: int) -> None:
    """Nothing below the home can be listed, written or read by others, but the layers that instances run from."""
    agent = make_agent(f"mask-{umask}")
    home = agent.home.rename(agent.home.with_name("seed"))
    agent.home.parent.chmod(0o755)
    before = os.umask(umask)
    try:
        assert subprocess.run([LADING, "agent", "start"], cwd=agent.project, env=_at(agent.home)).returncode == 0
    finally:
        os.umask(before)
    assert agent.home.stat().st_mode & 0o777 == 0o711
    found = {path.name: oct(path.stat().st_mode) for path in _reachable(agent.home) if path.stat().st_mode & 0o026}
    # The store's table of contents, and a number.
    assert set(found) <= {"index.json", "oci-layout", ".index.lock", "last-port"}, found
    assert home.exists()


def _at(home: Path) -> dict[str, str]:
    return {**os.environ, "LADING_HOME": str(home)}


def _reachable(home: Path) -> Iterator[Path]:
    """Yield what other users can get to below the home, knowing every name."""
    for directory, folders, names in os.walk(home):
        yield from (Path(directory, name) for name in (*folders, *names))
        folders[:] = [name for name in folders if Path(directory, name).stat().st_mode & 0o001]
