"""The road over two other machines: carried there by ssh, released, promoted, rolled back, cut in the middle."""

import json
import shlex
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lading.client.transfer import CHUNK
from tests.agents import LADING, RealAgent, Told, copy_of, ended
from tests.machines import Client, Machine, machines, needs_machines
from tests.projects import TOKEN
from tests.support import until
from tests.uploads import Upload

# A machine gets all of Lading in the first test.
pytestmark = [pytest.mark.system, needs_machines, pytest.mark.timeout(240)]

DOMAIN = "stage.example.org"
AGENT = f"LADING_HOME=/var/lib/lading {LADING} agent"


class Road(NamedTuple):
    """A project on somebody's own machine, and the machines of its stage and its production."""

    own: RealAgent
    client: Client
    stage: Machine
    production: Machine

    def lading(self, *words: str, typed: str = "") -> Told:
        """Run a command on one's own machine."""
        return self.own.lading(*words, typed=typed, environ=self.client.environ)

    def stage_answers(self) -> str:
        """Return the release that answers at stage's domain, over the network; empty where nobody does."""
        request = urllib.request.Request(f"http://{self.stage.address}/health", headers={"Host": DOMAIN})
        try:
            with urllib.request.urlopen(request, timeout=2.0) as response:
                return str(response.headers["x-release"])
        except OSError:
            return ""

    def production_answers(self) -> str:
        """Return what production answers on its own machine."""
        told = self.lading("status", "production")
        assert told.exit == 0, told
        url = told.result["environments"][0]["url"]
        ask = f'import urllib.request as r; print(r.urlopen("{url}").read().decode(), end="")'
        return self.production.run(f"{sys.executable} -c {shlex.quote(ask)}").stdout


@pytest.fixture(scope="module")
def road(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Stage is a host that ``host add`` has made; production has an agent of its own, which trusts stage's."""
    place = tmp_path_factory.mktemp("road")
    client = Client(place / "client")
    own = copy_of(template, place)
    with ended([own]), machines(client, "stage", "production") as (stage, production):
        road = Road(own, client, stage, production)
        told = road.lading("host", "add", f"ssh://root@{stage.address}", "--carry", "--no-docker")
        assert told.exit == 0, told
        host = told.result["host"]
        assert host["address"] == f"ssh://deploy@{stage.address}"
        assert all(step["needed"] for step in host["steps"] if step["name"] != "python")
        production.run(f"{AGENT} start")
        manifest = own.project / "lading.toml"
        text = manifest.read_text()
        for table, lines in (
            ("[environments.stage]\n", f'host = "{host["address"]}"\ndomain = "{DOMAIN}"\n'),
            ("[environments.production]\n", f'host = "ssh://root@{production.address}"\n'),
        ):
            text = text.replace(table, table + lines)
        manifest.write_text(text)
        for name in ("stage", "production"):
            assert road.lading("secrets", "set", name, "TOKEN", typed=TOKEN).exit == 0
        assert road.lading("policy", "allow", "production", "no-isolation", "--reason", "a test").exit == 0
        key = road.lading("trust", "show", "--on", "stage").result["own"]
        assert road.lading("trust", "add", key["name"], key["public"], "--on", "production").exit == 0
        yield road


def test_from_ones_own_machine_to_production_and_back(road: Road) -> None:
    """A release is built here, carried to stage, promoted to production and rolled back, all of it over ssh."""
    for version in ("v1.0.0", "v1.1.0"):
        told = road.lading("deploy", "stage", version)
        assert (told.exit, told.outcome) == (0, "succeeded"), told
        told = road.lading("promote", "stage", "production")
        assert (told.exit, told.outcome) == (0, "succeeded"), told
        assert (road.stage_answers(), road.production_answers()) == (version, version)
    told = road.lading("rollback", "production")
    assert (told.exit, told.outcome) == (0, "succeeded"), told
    assert road.production_answers() == "v1.0.0"
    bill = road.lading("bill", "v1.1.0", "--on", "production").result["bill"]
    assert {one["statement"]["environment"] for one in bill["statements"] if one["trusted"]} >= {"stage", "production"}
    assert road.lading("secrets", "list", "stage").result["secrets"] == {"TOKEN": 1}
    assert road.lading("logs", "stage").result["logs"]


def test_a_cut_connection_holds_up_nothing(road: Road) -> None:
    """Cut in the middle of a rollout, the command connects again and misses no event; the rollout never noticed."""
    road.lading("deploy", "stage", "v1.0.0")
    told: list[str] = []
    with road.own.begin("deploy", "stage", "v1.1.0", environ=road.client.environ) as process:
        assert process.stdout is not None
        while "smoke" not in (told or [""])[-1]:
            told.append(process.stdout.readline())
        road.stage.cut()
        told += process.stdout
    lines = [json.loads(line) for line in told]
    assert (process.returncode, lines[-1]["rollout"]["outcome"]) == (0, "succeeded"), lines
    numbers = [line["event"]["seq"] for line in lines if "seq" in line.get("event", {})]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(
    ("user", "said"), [("root", "no agent runs there"), ("nobody", "none of the keys"), ("other", "permission denied")]
)
def test_who_gets_no_answer_is_told_why(road: Road, user: str, said: str) -> None:
    """A machine without an agent, a key that is not taken and a user who may not ask are told apart."""
    if user == "other":
        road.stage.add_user("other", road.client.public)
    home = "/srv/none" if user == "root" else ""
    told = road.lading("--agent", f"ssh://{user}@{road.stage.address}{home}", "history", "stage")
    assert told.exit == 7, told
    assert said in told.error["happened"]


def test_where_sockets_may_not_be_forwarded_a_program_carries(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """An sshd that forbids forwarding is found out, and the agent is reached by a slower way."""
    for name, value in road.client.environ.items():
        monkeypatch.setenv(name, value)
    road.production.configure("AllowStreamLocalForwarding no")
    road.production.cut()
    try:
        assert road.lading("secrets", "list", "production").result["secrets"] == {"TOKEN": 1}
        assert Upload(road.production, size=3 << 20, cuts=[], seed=2).run().again == 0
    finally:
        road.production.configure()
        road.production.cut()


def test_a_host_that_is_one_is_left_as_it_is(road: Road) -> None:
    """host add again does nothing; list and doctor tell what is there; only root can set a host up."""
    address = f"ssh://root@{road.stage.address}"
    told = road.lading("host", "add", address, "--no-docker")
    assert (told.exit, [step["name"] for step in told.result["host"]["steps"] if step["needed"]]) == (0, [])
    listed = road.lading("host", "list")
    assert listed.exit == 0
    assert listed.result["hosts"][0]["host"] == f"ssh://deploy@{road.stage.address}"
    doctor = road.lading("host", "doctor", address)
    findings = {(one["where"], one["subject"]): one["level"] for one in doctor.result["doctor"]["findings"]}
    assert doctor.exit == 0, doctor
    assert {findings[f"host {address}", name] for name in ("lading", "agent", "users", "clock")} == {"ok"}
    assert findings["its agent", "socket"] == "ok"
    refused = road.lading("host", "add", f"ssh://deploy@{road.stage.address}")
    assert (refused.exit, refused.error["code"]) == (1, "host-failed")
    assert road.stage.run("stat -c '%a %U %G' /var/lib/lading/agent.sock").stdout == "660 root lading\n"


def test_an_upgrade_loses_no_request(road: Road) -> None:
    """The agent is another one, from another build; what is asked meanwhile over the network is answered."""
    assert road.lading("deploy", "stage", "v1.0.0").exit == 0
    # The build as it is, under an older one's name.
    road.stage.run(
        "cd /opt/lading && cp -a $(readlink current) 0.0.9-old && echo 0.0.9-old >0.0.9-old/lading-build &&"
        " ln -sfn /opt/lading/0.0.9-old current && pkill -f '[l]ading.agent'"
    )
    address = f"ssh://root@{road.stage.address}"
    until(lambda: "0.0.9-old" in road.stage.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout, within=10)
    until(lambda: road.lading("host", "list").exit == 0, within=10)
    over, answers = threading.Event(), []

    def visit() -> None:
        while not over.wait(0.01):
            answers.append(road.stage_answers())

    visitor = threading.Thread(target=visit)
    visitor.start()
    told = road.lading("host", "upgrade", address)
    over.set()
    visitor.join()
    assert told.exit == 0, told
    assert [step["name"] for step in told.result["host"]["steps"] if step["needed"]] == ["lading", "agent"]
    assert len(answers) > 20
    assert set(answers) == {"v1.0.0"}
    assert road.lading("status", "stage").exit == 0


def test_an_upload_that_is_cut_goes_on(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut twice in the middle, a blob arrives whole; each cut sends at most one chunk again."""
    for name, value in road.client.environ.items():
        monkeypatch.setenv(name, value)
    road.production.slow("400mbit")
    sent = Upload(road.production, size=14 << 20, cuts=[3 << 20, 9 << 20]).run()
    assert sent.cut == 2
    assert sent.again <= 2 * CHUNK


def test_a_host_is_taken_away_again(road: Road) -> None:
    """What it ends is said before; without a yes nothing happens; data stay, and what was there before Lading."""
    address = f"ssh://root@{road.stage.address}"
    assert road.lading("deploy", "stage", "v1.0.0").exit == 0
    asked = road.lading("host", "remove", address)
    assert (asked.exit, asked.error["code"]) == (2, "usage")
    assert road.stage_answers() == "v1.0.0"
    told = road.lading("host", "remove", address, "--yes")
    assert told.exit == 0, told
    assert told.result["host"]["ended"] == ["orders stage, v1.0.0"]
    assert road.stage_answers() == ""
    look = "ls /opt /usr/local/bin /var/lib/lading; getent passwd deploy; getent group lading"
    left = road.stage.run(look, check=False).stdout.splitlines()
    assert "journal.db" in left
    assert not [line for line in left if line.startswith(("lading", "deploy"))]
    assert road.lading("host", "list").result["hosts"][0]["host"] == f"ssh://deploy@{road.stage.address}"
