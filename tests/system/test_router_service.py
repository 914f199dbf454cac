"""The real router as a service: its sockets are handed over and kept by a manager that speaks systemd's protocols."""

import array
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lading.client.hosts.router import SERVICE_TEXT
from lading.model.environment import Backend, Routes, ServiceRoute
from lading.router import units
from lading.router.control import Control, State
from lading.router.identity import is_running
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter
from tests.support import until
from tests.support_router import FIRST_PORT, Instance, load

pytestmark = pytest.mark.system

STAGE = "cashback/stage"
DOMAIN = "x.example"  # the host that the load asks for
PUBLIC = FIRST_PORT + 40
SETTINGS = RouterSettings(pool_first=FIRST_PORT + 20, pool_size=2, http_port=PUBLIC, grace=1.0)

# Becomes the service's process with the sockets as systemd hands them over.
LAUNCH = """
import os, sys
root, *numbers = sys.argv[1:]
for target, number in enumerate(map(int, numbers), start=3):
    os.dup2(number, target, inheritable=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(numbers))}
os.execv(sys.executable, [sys.executable, "-m", "lading.router.serviced", root, "lading-router.service"])
"""

# What ``systemctl`` is on this machine: it tells what job is under way, and passes wishes on.
SYSTEMCTL = """#!/bin/sh
case $* in
*list-jobs*) echo "12 lading-router.service $(cat {place}/job) running" ;;
*) echo "$*" >>{place}/asked ;;
esac
"""


class Manager:
    """Stands in for systemd: holds the public port for life, and what the service gives into its keeping."""

    def __init__(self, place: Path, root: Path) -> None:
        self._place = place
        self._root = root
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(place / "notify"))
        self._told.settimeout(15.0)
        self.public = socket.create_server(("127.0.0.1", PUBLIC), backlog=4096)
        self.kept: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        tool = place / "systemctl"
        tool.write_text(SYSTEMCTL.format(place=place))
        tool.chmod(0o755)

    def start(self) -> None:
        """Start the service and return once it says that it is ready."""
        numbers = [self.public.fileno(), *self.kept.values()]
        # For whoever has it open, so also for a router that serves on.
        os.set_blocking(self.public.fileno(), "\nNonBlocking=yes\n" not in SERVICE_TEXT)
        (self._place / "job").write_text("start")
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(self._root), *map(str, numbers)],
            pass_fds=numbers,
            env=os.environ
            | {"NOTIFY_SOCKET": str(self._place / "notify"), "PATH": f"{self._place}:{os.environ['PATH']}"},
        )
        while self._hear() != "READY=1":
            pass
        self._told.settimeout(0.2)
        try:
            while True:
                self._hear()
        except TimeoutError:
            self._told.settimeout(15.0)

    def end(self, job: str = "stop", number: int = signal.SIGTERM) -> None:
        """End the service's process, as systemd does for this job."""
        assert self._process is not None
        (self._place / "job").write_text(job)
        self._process.send_signal(number)
        self._process.wait(15.0)

    def close(self) -> None:
        """Give everything up."""
        if self._process is not None and self._process.poll() is None:
            self.end()
        self.public.close()
        self._told.close()
        for number in self.kept.values():
            os.close(number)

    def _hear(self) -> str:
        data, extra, _, _ = self._told.recvmsg(4096, socket.CMSG_SPACE(4 * 16))
        words = dict(line.partition("=")[::2] for line in data.decode().splitlines())
        for _, _, passed in extra:
            (number,) = array.array("i", passed)
            if words["FDNAME"] in self.kept:
                os.close(number)
            else:
                self.kept[words["FDNAME"]] = number
        return data.decode().strip()


@pytest.fixture
def router(tmp_path: Path) -> TraefikRouter:
    return TraefikRouter(tmp_path / "router", settings=SETTINGS)


@pytest.fixture
def manager(tmp_path: Path, router: TraefikRouter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """The units are there; who asks for a start or a stop is answered by the manager."""
    router.root.mkdir()
    made = Manager(tmp_path, router.root)
    (tmp_path / "lading-router.service").write_text(f"ReadWritePaths={router.root}\n")
    (router.root / units.MARK).write_text("lading-router\n")
    monkeypatch.setattr(units, "UNITS", tmp_path)
    monkeypatch.setattr(units, "PASSING", tmp_path)

    def systemctl(*words: str, check: bool = True) -> None:
        if words[0] == "start":
            made.start()
        elif words[0] == "stop":
            made.end()
        elif words[0] == "restart":
            made.end("restart")
            made.start()

    monkeypatch.setattr(units, "_systemctl", systemctl)
    yield made
    made.close()


@pytest.fixture
def instance() -> Iterator[Instance]:
    instance = Instance("web")
    yield instance
    instance.close()


def serve(router: TraefikRouter, instance: Instance) -> int:
    """Route a domain and a local port to the instance; return the port."""
    service = ServiceRoute(service="web", backends=(Backend(instance="web", address=instance.address),))
    port = router.reserve_port(STAGE)
    router.apply(Routes(environment=STAGE, generation="r1", port=port, domain=DOMAIN, services=(service,)))
    return port


def state(router: TraefikRouter) -> State:
    return Control(router.root, router.settings).state()


def test_a_restart_of_the_service_is_noticed_by_nobody(
    router: TraefikRouter, manager: Manager, instance: Instance
) -> None:
    """Restarted, or killed and started again, the next process takes over sockets and router, and puts another router
    in its place when it is told to; no request is lost. A router that was killed with its holder refuses nobody either,
    neither at the public port nor at a local one.
    """
    router.ensure()
    port = serve(router, instance)
    before = state(router)
    assert before.service == "lading-router.service"
    assert set(manager.kept) == {name for name in before.sockets if name != "http"}
    with load(port, per_second=60) as local, load(PUBLIC, per_second=60) as public:
        for job, number in (("restart", signal.SIGTERM), ("", signal.SIGKILL)):
            manager.end(job, number)
            count = public.sent
            until(lambda count=count: public.sent > count + 10)  # type: ignore[misc]
            manager.start()
            router.ensure()
            after = state(router)
            assert (after.router, after.sockets, after.missing) == (before.router, before.sockets, {})
            assert after.holder != before.holder
    assert local.failures + public.failures == []
    with load(port, 60, only_new=True) as local, load(PUBLIC, 60, only_new=True) as public:
        router = TraefikRouter(router.root, settings=msgspec.structs.replace(SETTINGS, grace=2.0))
        router.ensure()
        after = state(router)
        assert after.router != before.router
        count = public.sent
        until(lambda: public.sent > count + 30)
    assert local.failures + public.failures == []
    with load(port, 60, only_new=True) as local, load(PUBLIC, 60, only_new=True) as public:
        manager.end("", signal.SIGKILL)
        assert after.router is not None
        os.kill(after.router[0], signal.SIGKILL)
        router.ensure()
        count = public.sent
        until(lambda: public.sent > count + 30)
    told = local.failures + public.failures
    assert not [failure for failure in told if "Refused" in failure or "404" in failure]
    assert state(router).sockets == before.sockets


def test_a_stop_ends_the_router_and_gives_its_ports_to_nobody(
    router: TraefikRouter, manager: Manager, instance: Instance
) -> None:
    """The router goes with its service; who asks for it again gets it back on the same sockets."""
    router.ensure()
    serve(router, instance)
    before = state(router)
    router.stop()
    assert before.router is not None
    assert not is_running(*before.router)
    assert state(router) == State()
    router.ensure()
    assert (state(router).sockets, state(router).missing) == (before.sockets, {})


def test_a_router_of_ones_own_moves_to_the_service(
    router: TraefikRouter, manager: Manager, instance: Instance, tmp_path: Path
) -> None:
    """A host that was added before has a router that runs: the service takes over and refuses nobody."""
    manager.public.close()
    mark = router.root / units.MARK
    mark.rename(tmp_path / "later")
    router.ensure()
    port = serve(router, instance)
    before = state(router)
    assert before.service == ""
    with load(port, per_second=60) as local, load(PUBLIC, per_second=60) as public:
        # As systemd does it where its unit says ReusePort.
        manager.public = socket.create_server(("127.0.0.1", PUBLIC), backlog=4096, reuse_port=True)
        (tmp_path / "later").rename(mark)
        router.ensure()
        assert before.router is not None
        until(lambda: not is_running(*(before.router or (0, 0))))
        count = public.sent
        until(lambda: public.sent > count + 20)
    assert not [failure for failure in local.failures + public.failures if "Refused" in failure]
    after = state(router)
    assert (after.service, after.sockets, after.missing) == ("lading-router.service", before.sockets, {})


def test_what_was_given_for_another_address_is_not_served(
    router: TraefikRouter, manager: Manager, instance: Instance
) -> None:
    """Settings that name loopback alone are not opened to everybody by a unit that says otherwise."""
    manager.public.close()
    manager.public = socket.create_server(("0.0.0.0", PUBLIC))
    router.ensure()
    assert "http" in state(router).missing
    assert msgspec.json.decode((router.root / "holder.json").read_bytes())["missing"]["http"]
