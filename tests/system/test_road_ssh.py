"""The road over two other machines: carried there by ssh, released, promoted, rolled back, cut in the middle."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.agents import LADING, RealAgent, Told, copy_of, ended
from tests.machines import Client, Machine, machines, needs_machines
from tests.projects import TOKEN

pytestmark = [pytest.mark.system, needs_machines]

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

    def asked(self, machine: Machine, environment: str) -> str:
        """Return what an environment answers on its own machine."""
        told = self.lading("status", environment)
        assert told.exit == 0, told
        url = told.result["environments"][0]["url"]
        ask = f'import urllib.request as r; print(r.urlopen("{url}").read().decode(), end="")'
        return machine.run(f"{sys.executable} -c {shlex.quote(ask)}").stdout


@pytest.fixture(scope="module")
def road(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Two machines with agents, which trust what they should; stage has its secret, production too."""
    place = tmp_path_factory.mktemp("road")
    client = Client(place / "client")
    own = copy_of(template, place)
    with ended([own]), machines(client, "stage", "production") as (stage, production):
        manifest = own.project / "lading.toml"
        text = manifest.read_text()
        for name, machine in (("stage", stage), ("production", production)):
            table = f"[environments.{name}]\n"
            text = text.replace(table, f'{table}host = "ssh://root@{machine.address}"\n')
            machine.run(f"{AGENT} start")
        manifest.write_text(text)
        road = Road(own, client, stage, production)
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
        assert road.asked(road.production, "production") == version
    told = road.lading("rollback", "production")
    assert (told.exit, told.outcome) == (0, "succeeded"), told
    assert road.asked(road.production, "production") == "v1.0.0"
    bill = road.lading("bill", "v1.1.0", "--on", "production").result["bill"]
    assert {one["statement"]["environment"] for one in bill["statements"] if one["trusted"]} >= {"stage", "production"}
    assert road.lading("secrets", "list", "stage").result["secrets"] == {"TOKEN": 1}
    assert road.lading("logs", "stage").result["logs"]


def test_a_cut_connection_holds_up_nothing(road: Road) -> None:
    """Cut in the middle of a rollout, the command connects again and misses no event; the rollout never noticed."""
    road.lading("deploy", "stage", "v1.0.0")
    process = road.own.begin("deploy", "stage", "v1.1.0", environ=road.client.environ)
    assert process.stdout is not None
    told = []
    while "smoke" not in (told or [""])[-1]:
        told.append(process.stdout.readline())
    road.stage.cut()
    rest = road.own.told(process)
    assert (rest.exit, rest.outcome) == (0, "succeeded"), rest
    events = [json.loads(line)["event"] for line in told] + [line["event"] for line in rest.lines if "event" in line]
    numbers = [event["seq"] for event in events if "seq" in event]
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


def test_where_sockets_may_not_be_forwarded_a_program_carries(road: Road) -> None:
    """An sshd that forbids forwarding is found out, and the agent is reached by a slower way."""
    road.production.configure("AllowStreamLocalForwarding no")
    road.production.cut()
    try:
        told = road.lading("rollback", "production", "--to", "v1.1.0")
        assert (told.exit, told.outcome) == (0, "succeeded"), told
    finally:
        road.production.configure()
        road.production.cut()
    assert road.asked(road.production, "production") == "v1.1.0"
