"""What a confined container reaches, with a real engine, firewall and gate; nothing leaves this machine."""

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lading.model.errors import LadingError
from lading.ports.runtime import Run
from lading.runtime.docker.egress import keeper
from lading.runtime.docker.egress.rules import Chains
from lading.runtime.docker.launch import IPV6
from tests.containers import Containers, containers, with_engine
from tests.outside import names, outside
from tests.support import until

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root sets rules of the firewall"),
]

# Tries to reach something and says how that ended; what it is sent first it sends to the other end.
REACH = """
import socket, sys
host, port, first = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "hello"
try:
    with socket.create_connection((host, port), 4) as s:
        s.sendall(first.encode().decode("unicode_escape").encode("latin-1"))
        s.shutdown(socket.SHUT_WR)
        data = b""
        while chunk := s.recv(65536):
            data += chunk
    print("reached", repr(data))
except OSError as error:
    print("refused", type(error).__name__, error)
"""
GET = r"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"


class Here(NamedTuple):
    world: Containers
    there: str


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """A runtime, and a world outside whose names only the gate knows."""
    with outside() as there, containers() as world:
        known = dict.fromkeys(("api.example.test", "db.example.test", "evil.example.test"), there)
        known["here.test"] = "127.0.0.1"
        with names(known) as before:
            monkeypatch.setattr(keeper, "PROGRAM", (*before, *keeper.PROGRAM))
            try:
                yield Here(world, there)
            finally:
                world.end()
                world.runtime.rest()
                until(lambda: not chains(world), within=10)


def chains(world: Containers) -> str:
    """Return every rule that names one of the agent's chains."""
    own = Chains.of(world.runtime._names.agent)
    saved = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in saved.splitlines() if any(chain in line for chain in own))


def reach(world: Containers, name: str, host: str, port: int, first: str = "hello") -> str:
    return world.exec(name, "python", "-c", REACH, host, str(port), first).strip()


def denied(world: Containers) -> str:
    return "\n".join(world.runtime.denied("shop/stage"))


def gate(world: Containers) -> int:
    """Return the number of the gate's process."""
    running = world.runtime._egress._keeper._running()
    assert running is not None
    return running[0]


@with_engine
def test_what_is_allowed_is_reached_and_nothing_else(here: Here) -> None:
    """By name, by address, through the proxy and without it; the host, its metadata and everything else is refused."""
    world, there = here
    allowed = ("api.example.test:443", "api.example.test:80", "db.example.test:5432")
    world.runtime.start(world.spec("web-1", egress=allowed, peers=("web", "api")), {})
    world.runtime.start(world.spec("api-1", service="api"), {})
    world.up("web-1")
    world.up("api-1")
    # The database by name and address; a program that knows no proxy, by the name in what it sends.
    assert "ready" in reach(world, "web-1", "db.example.test", 5432)
    assert "ready" in reach(world, "web-1", there, 5432)
    assert "port 80 got" in reach(world, "web-1", "api.example.test", 80, GET % "api.example.test")
    # The proxy that its variables name, for both forms.
    fetch = "import urllib.request; print(urllib.request.urlopen('http://%s/x?y', timeout=5).read())"
    assert "GET /x?y HTTP/1.1" in world.exec("web-1", "python", "-c", fetch % "api.example.test")
    assert "403" in world.exec("web-1", "python", "-c", fetch % "evil.example.test")
    proxy = world.exec("web-1", "sh", "-c", "echo $HTTPS_PROXY").strip().removeprefix("http://").partition(":")[0]
    connect = r"CONNECT %s HTTP/1.1\r\n\r\nhello"
    assert "port 443 got hello" in reach(world, "web-1", proxy, 3128, connect % "api.example.test:443")
    # Its environment.
    assert reach(world, "web-1", "api", 8000).startswith("reached")
    assert reach(world, "web-1", world.address("api-1")[0], 8000).startswith("reached")
    # Nothing else: other names at an allowed address, other ports, other addresses, this host, its metadata.
    refused = [
        ("evil.example.test", 443),
        (there, 9000),
        ("198.18.255.254", 443),
        ("169.254.169.254", 80),
        (proxy, 22),
    ]
    for host, port in refused:
        assert reach(world, "web-1", host, port).startswith("refused"), (host, port)
    assert reach(world, "web-1", there, 80, GET % "evil.example.test").startswith("refused")
    for place in ("evil.example.test:443", "api.example.test:9000", "here.test:80"):
        assert "403" in reach(world, "web-1", proxy, 3128, connect % place), place
    if IPV6.exists():
        assert world.exec("web-1", "cat", "/proc/sys/net/ipv6/conf/all/disable_ipv6").strip() == "1"
    # Whoever is not restricted is not; and the host still reaches the container.
    assert "ready" in reach(world, "api-1", there, 5432)
    world.say("web-1", "still here")
    told = denied(world)
    for place in ("name evil.example.test", f"{there}:9000", "169.254.169.254:80", "this host:22"):
        assert place in told, told
    assert "web/1" in told


@with_engine
def test_nothing_gets_out_before_while_and_after_the_gate_is_away(here: Here) -> None:
    """A gate that is killed leaves its rules; the next look of the agent brings it back, for what runs already."""
    world, there = here
    world.runtime.start(world.spec("web-1", egress=("db.example.test:5432", "api.example.test:80")), {})
    world.up("web-1")
    until(lambda: f"-d {there}/32" in chains(world), within=10)
    before = gate(world)
    os.kill(before, signal.SIGKILL)
    assert reach(world, "web-1", there, 9000).startswith("refused")
    assert reach(world, "web-1", "169.254.169.254", 80).startswith("refused")
    assert "ready" in reach(world, "web-1", there, 5432)
    world.reopen().maintain()
    until(lambda: "port 80 got" in reach(world, "web-1", there, 80, GET % "api.example.test"), within=10)
    assert gate(world) != before


@with_engine
def test_rules_that_somebody_removed_come_back(here: Here) -> None:
    """Who flushes the firewall opens a door for some seconds and not for ever."""
    world, there = here
    world.runtime.start(world.spec("web-1", egress=()), {})
    world.up("web-1")
    own = Chains.of(world.runtime._names.agent)
    subprocess.run(["iptables", "-D", "DOCKER-USER", "-j", own.forward], check=True)
    subprocess.run(["iptables", "-t", "nat", "-F", own.nat], check=True)
    until(lambda: f"-A DOCKER-USER -j {own.forward}" in chains(world), within=20)
    until(lambda: chains(world).count("REDIRECT") == 3, within=20)
    assert reach(world, "web-1", there, 5432).startswith("refused")


@with_engine
def test_the_first_thing_a_program_sends_is_judged(here: Here) -> None:
    """A run that does nothing but try at once gets nowhere, and its rules go with it."""
    world, there = here
    # The gate takes every connection before it judges it: only what is answered was reached.
    code = f"import socket, sys; sys.exit(not socket.create_connection(('{there}', 5432), 3).recv(1))"
    spec = world.spec("job", port=None, command=f'python -c "{code}"', service="job")
    assert world.runtime.run(Run(name="free", spec=spec), {}).exit_status == 0
    import msgspec

    confined = msgspec.structs.replace(spec, egress=())
    assert world.runtime.run(Run(name="confined", spec=confined), {}).exit_status == 1
    assert f"{there}:5432" in denied(world)
    until(lambda: "REDIRECT" not in chains(world), within=10)
    assert world.runtime.run(Run(name="free", spec=spec), {}).exit_status == 0


@with_engine
def test_without_a_gate_nothing_starts(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container whose rules do not come to stand is not started and not left; the next try is free to do better."""
    world, _ = here
    with monkeypatch.context() as broken:
        broken.setattr(keeper, "PROGRAM", ("false",))
        broken.setattr(keeper, "IN_FORCE", 0.2)
        with pytest.raises(LadingError) as refused:
            world.runtime.start(world.spec("web-1", egress=()), {})
    assert refused.value.code == "egress"
    assert world.runtime.list() == ()
    assert world.runtime.start(world.spec("web-1", egress=()), {}).running
