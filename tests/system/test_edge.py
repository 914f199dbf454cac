"""What stands before an environment, with the real router: who is let in, and how much they may ask."""

import base64
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lading.engine.logins import hashed
from lading.model.environment import Backend, Edge, Maintenance, Routes, ServiceRoute
from lading.model.environment_table import Limits
from lading.model.secret import Secret
from lading.router.control import Control
from lading.router.identity import is_running
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter
from tests.agents import RealAgent, answer, port_of, release_at
from tests.support import until
from tests.support_router import FIRST_PORT, Instance

pytestmark = pytest.mark.system

STAGE = "cashback/stage"
LOGIN = "anna:horse-staple-9"
MEGABYTE = 1_000_000

OPEN = Edge()

Guard = Callable[..., int]


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraefikRouter]:
    settings = RouterSettings(pool_first=FIRST_PORT + 30, pool_size=2, grace=1.0)
    router = TraefikRouter(tmp_path_factory.mktemp("edge") / "router", settings=settings)
    router.ensure()
    yield router
    router.stop()


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    instance = Instance("web")
    yield instance
    instance.close()


@pytest.fixture
def guard(router: TraefikRouter, instance: Instance) -> Guard:
    def guard(edge: Edge = OPEN, **more: object) -> int:
        service = ServiceRoute(service="web", backends=(Backend(instance="web", address=instance.address),))
        port = router.reserve_port(STAGE)
        routes = Routes(environment=STAGE, generation="r1", port=port, services=(service,), edge=edge, **more)  # type: ignore[arg-type]
        router.apply(routes)
        return port

    return guard


def ask(port: int, path: str = "/", *, method: str = "GET", body: object = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def test_a_login_opens_every_path_and_nothing_else_does(guard: Guard, router: TraefikRouter) -> None:
    """Nobody gets to any path without it, ``/health`` included; the program behind sees neither login nor pass."""
    port = guard(Edge(logins=hashed(Secret(LOGIN), STAGE)))
    for path in ("/", "/health", "/head", "//head", "/.well-known/acme-challenge/x"):
        assert ask(port, path)[0] == 401, path
    assert ask(port, Authorization=basic("anna:wrong"))[0] == 401
    assert ask(port, Authorization=basic(LOGIN)) == (200, "web")
    ((name, value),) = router.pass_for(STAGE).headers.items()
    assert ask(port, **{name: value.reveal()}) == (200, "web")
    nearly = value.reveal()[:-1] + ("1" if value.reveal().endswith("0") else "0")
    assert ask(port, **{name: nearly})[0] == 401
    for headers in ({"Authorization": basic(LOGIN)}, {name: value.reveal()}):
        _status, seen = ask(port, "/head", **headers)
        assert "authorization" not in seen.lower()
        assert name.lower() not in seen.lower()


def test_no_password_lies_in_the_routers_files(guard: Guard, router: TraefikRouter) -> None:
    """What the router is told is a hash, and what it is told is for the agent's own user."""
    guard(Edge(logins=hashed(Secret(LOGIN), STAGE)))
    assert router.root.stat().st_mode & 0o077 == 0
    for file in router.root.rglob("*"):
        assert not file.is_file() or b"horse-staple" not in file.read_bytes(), file


def test_strangers_networks_are_turned_away(guard: Guard) -> None:
    """An allowlist is held against the address that the router sees; a forwarding header changes nothing."""
    port = guard(Edge(allow=("192.0.2.0/24",)))
    assert ask(port)[0] == 403
    assert ask(port, **{"X-Forwarded-For": "192.0.2.5", "X-Real-Ip": "192.0.2.5"})[0] == 403
    assert ask(guard(Edge(allow=("192.0.2.0/24", "127.0.0.0/8"))))[0] == 200


def test_a_client_that_asks_too_often_is_told_so_and_own_checks_never(guard: Guard, router: TraefikRouter) -> None:
    """Beyond the burst come 429s with a time to wait; the pass is not counted."""
    port = guard(Edge(limits=Limits(rate=0.1, burst=3)))
    assert [ask(port)[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    passing = {name: value.reveal() for name, value in router.pass_for(STAGE).headers.items()}
    assert {ask(port, **passing)[0] for _ in range(10)} == {200}


def test_large_bodies_are_refused_and_streams_still_stream(guard: Guard) -> None:
    """By their length, or once they turn out too long; what is within the limit, and every stream, goes through."""
    port = guard(Edge(limits=Limits(body=MEGABYTE)))
    assert ask(port, "/x", method="POST", body=b"a" * MEGABYTE)[0] == 200
    assert ask(port, "/x", method="POST", body=b"a" * (MEGABYTE + 1))[0] == 413
    assert ask(port, "/x", method="GET", body=b"a" * (MEGABYTE + 1))[0] == 413
    endless = (b"a" * 65536 for _ in range(32))
    assert ask(port, "/x", method="PUT", body=endless)[0] == 413
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as line:
        line.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        began, seen = time.monotonic(), b""
        while seen.count(b"data: web") < 3:
            seen += line.recv(4096)
        assert time.monotonic() - began < 3.0


def test_only_so_many_requests_at_once_whatever_host_they_name(guard: Guard, instance: Instance) -> None:
    """The limit is one for the whole service; once an answer is out, the next may come."""
    port = guard(Edge(limits=Limits(concurrency=1)))
    seen = len(instance.seen)
    slow = threading.Thread(target=ask, args=(port, "/slow"))
    slow.start()
    until(lambda: len(instance.seen) > seen, within=5, what="the slow request is being answered")
    assert ask(port, Host="another.example", **{"X-Lading-Counted": "mine"})[0] == 429
    slow.join()
    assert ask(port, "/head")[0] == 200
    assert "x-lading-counted" not in ask(port, "/head")[1].lower()


def test_visitors_get_a_page_and_clients_json(guard: Guard) -> None:
    """503 with a time to come back: a page for browsers, JSON for others, whatever is asked; it cannot be broken."""
    port = guard(maintenance=Maintenance(message="Moving <house> {{x}}\u2028 at `noon`", retry_after=60))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    connection.request("GET", "/any", headers={"Accept": "text/html,*/*", "X-Lading-Page": "cashback/other"})
    got = connection.getresponse()
    page = got.read().decode()
    connection.close()
    assert (got.status, got.headers["Retry-After"], got.headers["Cache-Control"]) == (503, "60", "no-store")
    assert "Moving &lt;house&gt; {{x}}\u2028 at `noon`" in page
    status, text = ask(port, "/api", method="POST", body=b"a" * 300_000)
    assert status == 503
    told = {"error": "maintenance", "message": "Moving <house> {{x}}\u2028 at `noon`", "retry_after": 60}
    assert json.loads(text) == told
    assert ask(guard(), "/")[0] == 200


def test_the_page_stays_when_router_holder_and_page_are_killed(guard: Guard, router: TraefikRouter) -> None:
    """No visitor gets through while any of the three comes back; once it is over, the page's process ends."""
    port = guard(maintenance=Maintenance(message="Back soon"))
    control = Control(router.root, router.settings)
    until(lambda: control.state().pager is not None, within=5)
    for which in ("pager", "router", "holder"):
        process = getattr(control.state(), which)
        os.kill(process[0], signal.SIGKILL)
        until(lambda process=process: not is_running(*process), within=5)  # type: ignore[misc]
        router.ensure()
        until(lambda: ask(port)[0] == 503 and "Back soon" in ask(port)[1], within=5, what=f"{which} came back")
    guard()
    assert ask(port) == (200, "web")
    router.ensure()
    until(lambda: control.state().pager is None, within=5)


def test_maintenance_holds_over_deaths_and_rollouts(agent: RealAgent) -> None:
    """Behind the page a release is rolled out whole; the page survives the agent; ending it opens what serves now."""
    assert agent.deploy("v1.0.0").outcome == "succeeded"
    url = agent.url()
    told = agent.lading("maintenance", "on", "local", "--message", "Back at noon")
    assert (told.exit, told.result["maintenance"]["changed"]) == (0, True)
    assert (
        agent.lading("maintenance", "on", "local", "--message", "Back at noon").result["maintenance"]["changed"]
        is False
    )
    assert (answer(url)[0], agent.environment()["maintenance"]["message"]) == (503, "Back at noon")
    second = agent.deploy("v1.1.0")
    assert second.outcome == "succeeded"
    assert (second.rollout["requests"] > 10, second.rollout["lost_requests"]) == (True, 0)
    assert answer(url)[0] == 503
    agent.kill()
    assert answer(url)[0] == 503
    agent.start()
    assert answer(url)[0] == 503
    assert agent.lading("maintenance", "off", "local").exit == 0
    assert release_at(url) == "v1.1.0"
    assert agent.lading("maintenance", "off", "local").exit == 0


def test_a_stage_behind_a_login_is_rolled_out_like_any_other(agent: RealAgent) -> None:
    """The suite and the prober get through the router with nothing lost; without the login nothing is touched."""
    manifest = agent.project / "lading.toml"
    guarded = '[environments.stage]\naccess   = { basic = "STAGE_LOGIN" }\nlimits   = { rate = 0.1, burst = 1 }\n'
    manifest.write_text(manifest.read_text().replace("[environments.stage]\n", guarded))
    refused = agent.deploy("v1.0.0", "stage")
    assert (refused.exit, refused.error["code"]) == (3, "secret-missing")
    agent.secret("stage", "STAGE_LOGIN", LOGIN)
    assert agent.deploy("v1.0.0", "stage").outcome == "succeeded"
    port = port_of(agent.url("stage"))
    assert (ask(port, "/health")[0], ask(port, "/health", Authorization=basic(LOGIN))[0]) == (401, 429)
    second = agent.deploy("v1.1.0", "stage")
    assert second.outcome == "succeeded"
    assert second.rollout["requests"] > 10
    assert second.rollout["lost_requests"] == 0
    assert ask(port, "/health")[0] in (401, 429)
    for file in (agent.home / "router").rglob("*"):
        assert not file.is_file() or b"horse-staple" not in file.read_bytes(), file
