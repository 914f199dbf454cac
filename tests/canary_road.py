"""The road of a program that tells its secrets, with every command that handles them, and the places to search."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lading.client.address import parse_address
from lading.client.agent import Agent, AgentError
from lading.secrets.age_file import AgeSecrets
from tests.agents import LADING, RealAgent
from tests.canary import KEY, SECRETS, TOKEN, VERSIONS, Arguments, files_below, seen_in
from tests.projects import NAME

ENVIRONMENTS = ("local", "stage", "production")
ROTATED = f"{TOKEN} rotated"
NOBODY = 65534  # the user that owns nothing


class Searched(NamedTuple):
    """How many places were searched, and which needles were seen where."""

    places: int
    found: dict[str, list[str]]


class Road:
    """An agent along the road, with everything its commands said."""

    def __init__(self, agent: RealAgent) -> None:
        self.agent = agent
        self.said: list[bytes] = []
        self.outcomes: dict[str, str] = {}
        self.environs: dict[str, bytes] = {}
        self.cores: dict[str, str] = {}

    def lading(self, *words: str, typed: str = "", **environ: str) -> int:
        done = subprocess.run(
            [LADING, *words],
            cwd=self.agent.project,
            env={**os.environ, "LADING_HOME": str(self.agent.home), "NO_COLOR": "1", **environ},
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
        self._edit_and_rotate()
        for words in EVERYTHING_THAT_LOOKS:
            self.lading(*words.split())
        for environment in ENVIRONMENTS:
            for words in EVERYTHING_OF_ONE:
                self.lading(*words.split(), environment)
        self._look_as_nobody()
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
            self.said.append(str(_refusal(client, body)).encode())

    def _edit_and_rotate(self) -> None:
        """Bring secrets in by an editor, with mistakes and without; give them other values while the program serves."""
        editor = self.agent.project.parent / "editor.py"
        for line, status in ((f"EXTRA='{TOKEN}'", 0), (f"EXTRA='{TOKEN}", 2), (f"{TOKEN} is no line", 2)):
            script = f"import sys\nwith open(sys.argv[-1], 'a') as file: file.write({line!r} + '\\n')\n"
            editor.write_text(script)
            edited = self.lading("secrets", "edit", "local", "--yes", EDITOR=f"{sys.executable} {editor}", VISUAL="")
            assert edited == status
        editor.unlink()
        assert self.lading("secrets", "rotate", "stage", "TOKEN", typed=ROTATED) == 0
        assert self.lading("secrets", "rotate", "stage", "TOKEN", "--json", typed=ROTATED + "!") == 0
        assert self.lading("secrets", "rotate", "local", "TOKEN", "--generate", "--json") == 0
        assert self.lading("secrets", "rotate", "local", "TOKEN", "--no-deploy", typed=TOKEN) == 0
        assert self.lading("secrets", "remove", "local", "EXTRA") == 0
        assert self.lading("diff", "local", "stage", "--exit-code") == 1

    def made(self) -> str:
        """Return the value that the agent made, which nobody was shown."""
        versions = AgeSecrets(self.agent.home / "secrets")
        return versions.get(f"{NAME}/local", "TOKEN", 2).reveal()

    def _look_as_nobody(self) -> None:
        """Read what another user can read of every process of the agent's, and whether one may leave a core file."""
        for pid in self.agent.processes():
            limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
            self.cores[str(pid)] = next(line.split()[4] for line in limits if line.startswith("Max core file size"))
            if os.geteuid() == 0:
                words = ["cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline"]
                done = subprocess.run(
                    words, user=NOBODY, group=NOBODY, extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
                self.environs[str(pid)] = done.stdout

    def search(self, arguments: Arguments) -> Searched:
        """Search every place there is: files, answers, what commands said, processes, temporary files."""
        made = self.made().encode()
        places = {f"file {path}": (path.read_bytes(), " ") for path in files_below(self.agent.home)}
        places |= {f"temporary {path}": (path.read_bytes(), " ") for path in _temporary()}
        places |= {f"answer {path}": (_text(said), _known_to(path)) for path, said in self.answers()}
        places |= {f"said {number}": (said, "session") for number, said in enumerate(self.said)}
        places |= {f"process {pid} for others": (seen, " ") for pid, seen in self.environs.items()}
        found = {name: seen_in(data, but=but) for name, (data, but) in places.items()}
        found |= {f"the made value in {name}": ["made"] for name, (data, _) in places.items() if made in data}
        found |= {f"core files of {pid}": [limit] for pid, limit in self.cores.items() if limit != "0"}
        found |= arguments.found
        count = len(places) + len(self.cores) + 1
        return Searched(count, {name: seen for name, seen in found.items() if seen})

    def client(self) -> Agent:
        return Agent(parse_address(f"unix://{self.agent.home}"))

    def answers(self) -> Iterator[tuple[str, Any]]:
        """Ask everything that the interface can be asked."""
        client = self.client()
        plain = ("agent", "doctor", "environments", "releases", "rollouts?limit=1000", "trust", "audit?limit=1000")
        paths = [f"/v1/{path}" for path in plain]
        for release in client.get("/v1/releases")["releases"]:
            paths += [f"/v1/releases/{NAME}/{release['version']}", f"/v1/bills/{release['digest']}"]
        for environment in ENVIRONMENTS:
            paths += [f"/v1/{what}/{NAME}/{environment}" for what in ("secrets", "policies", "environments")]
            paths.append(f"/v1/logs/{NAME}/{environment}?lines=10000")
        for entry in client.get("/v1/rollouts", limit=1000)["rollouts"]:
            paths.append(f"/v1/rollouts/{entry['id']}")
            paths.append(f"/v1/logs/{NAME}/{entry['environment']}?lines=10000&rollout={entry['id']}")
            yield f"events of {entry['id']}", list(client.stream("GET", f"/v1/rollouts/{entry['id']}/events"))
        for path in paths:
            yield path, client.get(path)


EVERYTHING_THAT_LOOKS = (
    "status",
    "status --json",
    "explain smoke-failed",
    "bill v2.0.0",
    "bill v2.0.0 --json",
    "diff local stage",
    "diff local stage --all --json",
    "diff stage production",
    "doctor",
    "doctor --json",
    "history --markdown",
    "history --markdown v2.0.0..v2.4.0 --json",
    "history local --markdown",
    "agent status",
)
EVERYTHING_OF_ONE = (
    "history",
    "history --json",
    "plan",
    "plan --json",
    "policy show",
    "secrets list",
    "secrets list --json",
    "diff",
    "diff --json",
    "status",
)


def _refusal(client: Agent, body: object) -> AgentError:
    try:
        client.put(f"/v1/secrets/{NAME}/local", body)
    except AgentError as refused:
        return refused
    raise AssertionError("what is no change of secrets was taken")


def _temporary() -> Iterator[Path]:
    """Yield files that editing may have left where temporary files lie."""
    for place in {Path("/dev/shm"), Path(tempfile.gettempdir())}:
        for path in place.glob("lading-edit-*/*") if place.is_dir() else ():
            if path.is_file():
                yield path


def _known_to(path: str) -> str:
    # What a program made up itself and writes into its log, only the suite knew.
    return "session" if path.startswith("/v1/logs/") else " "


def _text(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode()
