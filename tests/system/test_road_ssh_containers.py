"""The road with images to a machine that has nothing yet: Docker and Lading by ``host add``, the rest over ssh."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.agents import Told, ended
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.machines import Client, Machine, machines, needs_machines
from tests.projects import TOKEN, as_images, make_project

# A machine gets all of Lading in the test.
pytestmark = [pytest.mark.system, needs_machines, pytest.mark.timeout(240)]

DOMAIN = "stage.example.org"
SMALL = 400_000  # bytes on the wire for a changed line, with its visitors' requests and all that is told of the rollout


class Road(NamedTuple):
    """A project with a Dockerfile on somebody's own machine, and the machine of its stage."""

    own: ContainerAgent
    client: Client
    vm: Machine

    def lading(self, *words: str, typed: str = "") -> Told:
        """Run a command on one's own machine."""
        return self.own.lading(*words, typed=typed, environ=self.client.environ)

    def answers(self) -> str:
        """Return the release that answers at stage's domain, over the network; empty where nobody does."""
        request = urllib.request.Request(f"http://{self.vm.address}/health", headers={"Host": DOMAIN})
        try:
            with urllib.request.urlopen(request, timeout=2.0) as response:
                return str(response.headers["x-release"])
        except OSError:
            return ""


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Two releases are built by one's own engine; the machine has a setting for an engine, and none that runs."""
    place = tmp_path_factory.mktemp("road")
    client = Client(place / "client")
    own = ContainerAgent(place / "home", as_images(make_project(place / "project")))
    with engine_shared(), ended([own]), machines(client, "vm") as (vm,):
        vm.run("mkdir -p /etc/docker")
        vm.write("/etc/docker/daemon.json", '{"log-level": "warn"}')
        for version in ("v1.0.0", "v1.1.0"):
            own.checkout(version)
            told = own.lading("release")
            assert told.exit == 0, told
        yield Road(own, client, vm)


def _visited(road: Road, over: threading.Event, seen: list[str]) -> None:
    while not over.wait(0.02):
        seen.append(road.answers())


def _assert_a_killed_engine_comes_back(road: Road) -> None:
    """Where no systemd is, its supervisor starts it again; the container runs on, and doctor finds all well."""
    running = "docker ps --quiet --no-trunc | sort"
    before = road.vm.run(running).stdout
    road.vm.run("kill -9 $(cat /var/run/docker.pid); until docker version >/dev/null 2>&1; do sleep 0.1; done")
    assert road.vm.run(running).stdout == before
    assert road.answers() == "v1.0.0"
    doctor = road.lading("host", "doctor", f"ssh://root@{road.vm.address}")
    levels = {(one["where"], one["subject"]): one["level"] for one in doctor.result["doctor"]["findings"]}
    assert doctor.exit == 0, doctor
    assert levels["its agent", "engine"] == levels[f"host ssh://root@{road.vm.address}", "engine"] == "ok"


@with_engine
def test_from_a_bare_machine_to_a_release_and_back(road: Road) -> None:
    """One command makes the host; a second release sends its changed layers alone and loses nothing; back it goes, and
    an engine that is killed comes back under what serves.
    """
    address = f"ssh://root@{road.vm.address}"
    told = road.lading("host", "add", address, "--carry")
    assert told.exit == 0, told
    host = told.result["host"]
    assert [step["name"] for step in host["steps"] if not step["needed"]] == ["python", "docker"]
    settings = json.loads(road.vm.run("cat /etc/docker/daemon.json").stdout)
    assert settings == {"log-level": "warn", "live-restore": True}
    again = road.lading("host", "add", address, "--carry")
    assert [step["name"] for step in again.result["host"]["steps"] if step["needed"]] == []

    manifest = road.own.project / "lading.toml"
    lines = f'[environments.stage]\nhost = "{host["address"]}"\ndomain = "{DOMAIN}"\n'
    manifest.write_text(manifest.read_text().replace("[environments.stage]\n", lines))
    assert road.lading("secrets", "set", "stage", "TOKEN", typed=TOKEN).exit == 0
    told = road.lading("deploy", "stage", "v1.0.0")
    assert (told.exit, told.outcome) == (0, "succeeded"), told
    assert road.answers() == "v1.0.0"

    over, seen = threading.Event(), list[str]()
    visitor = threading.Thread(target=_visited, args=(road, over, seen))
    visitor.start()
    before = road.vm.wire()
    told = road.lading("deploy", "stage", "v1.1.0")
    sent = road.vm.wire() - before
    back = road.lading("rollback", "stage")
    over.set()
    visitor.join()
    assert (told.exit, told.outcome, told.rollout["lost_requests"]) == (0, "succeeded", 0), told
    assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0), back
    assert road.answers() == "v1.0.0"
    assert set(seen) == {"v1.0.0", "v1.1.0"}
    assert sent < SMALL
    _assert_a_killed_engine_comes_back(road)
