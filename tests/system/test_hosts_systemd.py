"""A new server with systemd becomes a host, by its package manager and its units, and stays one whatever happens to it.

It takes minutes and needs a root file system: ``make hosts-systemd`` makes one and runs this.
"""

import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

import lading
from tests.agents import Told, ended
from tests.booted import Booted, booted, missing
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.machines import Client
from tests.projects import TOKEN, as_images, make_project
from tests.support import until

ROOT = "LADING_TESTS_SYSTEMD_ROOT"  # names the root file system of a new server
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get(ROOT), reason=f"{ROOT} names no root file system (make hosts-systemd)"),
    pytest.mark.skipif(bool(missing()), reason=f"machines: {missing()}"),
]

DOMAIN = "stage.example.org"
SET_UP_WITHIN = 300.0  # seconds in which a host is set up, whatever else the machine does
NEW = [
    "python",
    "docker",
    "engine",
    "lading",
    "group",
    "user",
    "member",
    "key",
    "settings",
    "service",
    "router",
    "agent",
]


class Visitor:
    """Asks again and again over connections of its own; ``answers`` counts releases, statuses and what went wrong."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(3)]

    def once(self) -> str:
        """Return the release that answers at the domain, or what came instead."""
        request = urllib.request.Request(f"http://{self.address}/health", headers={"Host": DOMAIN})
        try:
            with urllib.request.urlopen(request, timeout=20.0) as response:
                return str(response.headers["x-release"])
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return repr(getattr(error, "reason", error))

    @contextmanager
    def asking(self) -> Iterator["Visitor"]:
        """Ask for the length of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def enough(self, more: int = 20) -> None:
        """Wait until some more requests have been answered."""
        before = self.answers.total()
        until(lambda: self.answers.total() > before + more, within=30)

    def _run(self) -> None:
        while not self._over.wait(0.01):
            began = time.monotonic()
            self.answers[self.once()] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


class Road(NamedTuple):
    """A project with a Dockerfile on somebody's own machine, and the server of its stage."""

    own: ContainerAgent
    client: Client
    vm: Booted

    @property
    def root(self) -> str:
        """The server's address for who sets it up."""
        return f"ssh://root@{self.vm.address}"

    def lading(self, *words: str, typed: str = "", source: Path | None = None) -> Told:
        """Run a command on one's own machine; ``source`` has another Lading."""
        environ = self.client.environ | ({"PYTHONPATH": str(source)} if source else {})
        process = self.own.begin(*words, environ=environ)
        if words[0] == "host":
            # Packages come over the network, which takes what it takes.
            until(lambda: process.poll() is not None, within=SET_UP_WITHIN)
        return self.own.told(process, typed)

    def visitor(self) -> Visitor:
        """Return somebody who comes over the network."""
        return Visitor(self.vm.address)

    def until_serves(self, release: str, within: float = 30.0) -> None:
        """Wait until a release answers."""
        until(lambda: self.visitor().once() == release, within=within)

    def main_pid(self, unit: str) -> int:
        """Return the process of a unit."""
        return int(self.vm.run(f"systemctl show -p MainPID --value {unit}").stdout)

    def active(self) -> list[str]:
        """Return the states of Lading's units and Docker's."""
        units = "lading-router.socket lading-router.service lading-agent.service docker.service"
        return self.vm.run(f"systemctl is-active {units}", check=False).stdout.split()

    def findings(self) -> dict[str, str]:
        """Return what doctor finds wrong, by subject."""
        told = self.lading("host", "doctor", self.root)
        found = told.result["doctor"]["findings"]
        return {one["subject"]: one["code"] for one in found if one["level"] == "problem"}


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Two releases are built by one's own engine; the server has sshd and systemd."""
    place = tmp_path_factory.mktemp("road")
    client = Client(place / "client")
    own = ContainerAgent(place / "home", as_images(make_project(place / "project")))
    with engine_shared(), ended([own]), booted(client, Path(os.environ[ROOT])) as vm:
        for version in ("v1.0.0", "v1.1.0"):
            own.checkout(version)
            told = own.lading("release")
            assert told.exit == 0, told
        yield Road(own, client, vm)


@with_engine
def test_a_new_server_becomes_a_host_that_serves(road: Road) -> None:
    """One command installs everything from packages; a second does nothing; images arrive and serve."""
    told = road.lading("host", "add", road.root, "--carry")
    assert told.exit == 0, told
    host = told.result["host"]
    assert [step["name"] for step in host["steps"] if step["needed"]] == NEW
    again = road.lading("host", "add", road.root, "--carry")
    assert [step["name"] for step in again.result["host"]["steps"] if step["needed"]] == []
    assert road.active() == ["active"] * 4
    assert json.loads(road.vm.run("cat /etc/docker/daemon.json").stdout) == {"live-restore": True}

    manifest = road.own.project / "lading.toml"
    lines = f'[environments.stage]\nhost = "{host["address"]}"\ndomain = "{DOMAIN}"\n'
    manifest.write_text(manifest.read_text().replace("[environments.stage]\n", lines))
    assert road.lading("secrets", "set", "stage", "TOKEN", typed=TOKEN).exit == 0
    for version in ("v1.0.0", "v1.1.0"):
        told = road.lading("deploy", "stage", version)
        assert (told.exit, told.outcome) == (0, "succeeded"), told
    assert road.visitor().once() == "v1.1.0"
    assert road.findings() == {}


@with_engine
def test_what_is_killed_or_restarted_comes_back_and_nobody_is_refused(road: Road) -> None:
    """systemd starts agent and router again; a restart of the router is noticed by nobody."""
    agent, router = road.main_pid("lading-agent"), road.main_pid("lading-router")
    with road.visitor().asking() as visitor:
        for command in (
            f"kill -9 {agent}",
            "systemctl restart lading-agent",
            f"kill -9 {router}",
            "systemctl restart lading-router",
            "systemctl restart docker",
        ):
            road.vm.run(command)
            visitor.enough()
        until(lambda: road.active() == ["active"] * 4, within=30)
    assert set(visitor.answers) == {"v1.1.0"}, visitor.answers
    assert road.main_pid("lading-agent") != agent
    assert road.main_pid("lading-router") != router
    with road.visitor().asking() as visitor:
        road.vm.run("pkill -9 traefik")
        visitor.enough()
    assert not [answer for answer in visitor.answers if "Refused" in answer or answer == "404"], visitor.answers


@with_engine
def test_a_reboot_brings_everything_back(road: Road) -> None:
    """Nobody starts anything by hand: engine, router, agent and what it serves."""
    road.vm.reboot()
    road.until_serves("v1.1.0", within=60)
    until(lambda: road.active() == ["active"] * 4, within=30)
    assert road.findings() == {}
    told = road.lading("rollback", "stage")
    assert (told.exit, told.outcome, told.rollout["lost_requests"]) == (0, "succeeded", 0), told
    assert road.visitor().once() == "v1.0.0"


@with_engine
def test_an_upgrade_loses_nothing(road: Road, tmp_path: Path) -> None:
    """Agent and router run from the new installation, one after the other, and no visitor notices."""
    source = tmp_path / "src"
    shutil.copytree(Path(lading.__file__).parent, source / "lading")
    with (source / "lading" / "__init__.py").open("a") as file:
        file.write("\n# another build\n")
    with road.visitor().asking() as visitor:
        told = road.lading("host", "upgrade", road.root, "--carry", source=source)
        assert told.exit == 0, told
        visitor.enough()
    assert set(visitor.answers) == {"v1.0.0"}, visitor.answers
    build = road.vm.run("cat /opt/lading/current/lading-build").stdout.strip()
    for unit in ("lading-agent", "lading-router"):
        words = road.vm.run(f"tr '\\0' ' ' </proc/{road.main_pid(unit)}/cmdline").stdout
        assert words.startswith(f"/opt/lading/{build}/bin/python"), words
    assert f"/opt/lading/{build}/" in road.vm.run("pgrep -a traefik").stdout


@with_engine
def test_a_host_of_before_the_units_is_moved_to_them(road: Road) -> None:
    """Its router was a process of its own: the same command gives it units, and refuses nobody meanwhile."""
    road.vm.run(
        "systemctl stop lading-agent lading-router.socket lading-router.service;"
        "systemctl disable -q lading-router.socket lading-router.service;"
        "rm /etc/systemd/system/lading-router.* /var/lib/lading/router/service; systemctl daemon-reload;"
        "systemctl start lading-agent"
    )
    road.until_serves("v1.0.0")
    assert road.findings()["router"] == "router-unit"
    with road.visitor().asking() as visitor:
        told = road.lading("host", "add", road.root, "--carry")
        assert told.exit == 0, told
        until(lambda: road.active() == ["active"] * 4, within=30)
        visitor.enough()
    assert [step["name"] for step in told.result["host"]["steps"] if step["needed"]] == ["lading", "router", "agent"]
    assert not [answer for answer in visitor.answers if "Refused" in answer or answer == "404"], visitor.answers
    assert road.findings() == {}


@with_engine
def test_what_was_made_is_taken_away(road: Road) -> None:
    """Doctor tells of a unit that is off; ``remove`` leaves neither unit nor process, and keeps Docker and the data."""
    road.vm.run("systemctl stop lading-agent lading-router.socket lading-router.service")
    assert {"agent", "router"} <= set(road.findings())
    told = road.lading("host", "remove", road.root, "--yes")
    assert told.exit == 0, told
    assert (
        road.vm.run("ls /etc/systemd/system | grep '[l]ading'; pgrep -af '[l]ading|[t]raefik'", check=False).stdout
        == ""
    )
    assert road.vm.run("ls /opt/lading /home/deploy/nothing; id deploy", check=False).stdout == ""
    assert road.vm.run("docker ps -q").stdout == ""
    assert "journal.db" in road.vm.run("ls /var/lib/lading").stdout
    assert road.visitor().once() == "ConnectionRefusedError(111, 'Connection refused')"
