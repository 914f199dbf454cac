"""The real router under traffic: switches that lose nothing, readiness, streams, headers, counters."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from lading.model.environment import Backend, Canary, Routes, ServiceRoute
from lading.model.errors import LadingError
from lading.model.manifest import Probe
from lading.router.control import Control
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter
from tests.support import until
from tests.support_router import FIRST_PORT, Instance, load

pytestmark = pytest.mark.system

STAGE = "cashback/stage"
SETTINGS = RouterSettings(pool_first=FIRST_PORT, pool_size=4, check_interval=0.1, grace=1.0)

Apply = Callable[..., Routes]


@pytest.fixture
def router(tmp_path: Path) -> Iterator[TraefikRouter]:
    router = TraefikRouter(tmp_path / "router", settings=SETTINGS)
    router.ensure()
    yield router
    router.stop()


@pytest.fixture
def instances() -> Iterator[tuple[Instance, Instance]]:
    both = Instance("old"), Instance("new")
    yield both
    for instance in both:
        instance.close()


@pytest.fixture
def apply(router: TraefikRouter) -> Apply:
    def apply(generation: str, *backends: Instance, ready: Probe | None = None, **more: object) -> Routes:
        service = ServiceRoute(
            service="web",
            backends=tuple(Backend(instance=b.name, address=b.address) for b in backends),
            ready=ready or Probe(path="/ready"),
            **more,  # type: ignore[arg-type]
        )
        port = router.reserve_port(STAGE)
        routes = Routes(environment=STAGE, generation=generation, port=port, services=(service,))
        router.apply(routes)
        return routes

    return apply


def get(port: int | None, path: str = "/", **headers: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5.0) as answer:
        return str(answer.read().decode())


def seen_by(router: TraefikRouter, service: str) -> dict[str, str]:
    """Return what Traefik holds of each instance of a service: UP or DOWN."""
    port = Control(router.root, router.settings).state().api
    statuses = json.loads(get(port, f"/api/http/services/{service}@file"))["serverStatus"]
    assert isinstance(statuses, dict)
    return statuses


def test_twenty_switches_under_load_lose_nothing(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """No request over kept or new connections fails while routes switch back and forth."""
    old, new = instances
    port = apply("r0", old).port
    with load(port or 0, per_second=200) as going:
        for number in range(1, 21):
            apply(f"r{number}", (old, new)[number % 2])
            count = going.sent
            until(lambda count=count: going.sent > count + 10, what="10 more requests")  # type: ignore[misc]
    assert going.failures == []
    assert min(going.names[name] for name in ("old", "new")) > 50


def test_after_apply_every_new_request_goes_to_the_new(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """Apply returns only when new connections and connections kept alive reach the new instance."""
    old, new = instances
    port = apply("r1", old).port
    with socket.create_connection(("127.0.0.1", port or 0)) as kept:
        for number in range(2, 22):
            _ask(kept)
            target = (old, new)[number % 2]
            apply(f"r{number}", target)
            answers = {get(port) for _ in range(5)} | {_ask(kept) for _ in range(5)}
            assert answers == {target.name}


def _ask(kept: socket.socket) -> str:
    kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return kept.recv(4096).decode().rpartition("\r\n")[2]


def test_an_instance_that_is_not_ready_gets_no_requests(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """Readiness acts in the router by itself, and an instance that recovers gets requests again."""
    one, other = instances
    port = apply("r1", one, other, ready=Probe(path="/ready", host="shop.example.org")).port
    until(lambda: {get(port) for _ in range(4)} == {"old", "new"})
    one.ready = False
    until(lambda: {get(port) for _ in range(4)} == {"new"})
    one.ready = True
    until(lambda: {get(port) for _ in range(4)} == {"old", "new"})
    assert set(one.probe_hosts) == {"shop.example.org"}


def test_the_last_instance_is_never_taken_away(
    apply: Apply, router: TraefikRouter, instances: tuple[Instance, Instance]
) -> None:
    """When no instance is ready, all get requests: an answer that may be poor beats none; each is counted once."""
    one, other = instances
    port = apply("r1", one, other).port
    with load(port or 0, per_second=100) as going:
        one.ready = other.ready = False
        until(lambda: set(seen_by(router, "cashback~stage~r1~web~ready").values()) == {"DOWN"})
        assert {get(port) for _ in range(4)} == {"old", "new"}
    assert going.failures == []
    assert router.counters(STAGE, "r1").requests == going.sent + 4


def test_streams_and_websockets_go_on_after_a_switch(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """What runs on the old instance ends there, while new requests go to the new one."""
    old, new = instances
    port = apply("r1", old).port
    with (
        socket.create_connection(("127.0.0.1", port or 0), timeout=5.0) as stream,
        socket.create_connection(("127.0.0.1", port or 0), timeout=5.0) as chat,
        socket.create_connection(("127.0.0.1", port or 0), timeout=5.0) as slow,
    ):
        stream.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        chat.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + b"\r\n")
        until(lambda: {"/stream", "/slow", "/ws"} <= set(old.seen))
        apply("r2", new)
        assert get(port) == "new"
        with chat.makefile("rb") as lines:
            assert b"101" in lines.readline()
            while lines.readline().strip():
                continue
            for word in (b"one\n", b"two\n"):
                chat.sendall(word)
                assert lines.readline() == b"old " + word
        with stream.makefile("rb") as events:
            until(lambda: b"data: old" in events.readline())
            # As many more lines as came before the switch could not have come from a buffer.
            assert sum(b"data: old" in events.readline() for _ in range(80)) >= 15
        assert slow.recv(4096).endswith(b"old")


def test_forwarding_headers_tell_the_truth(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """What a client claims about itself is replaced, in every spelling; the Host header comes through."""
    port = apply("r1", instances[0]).port
    claims = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    head = get(port, "/head", Host="shop.example.org", **claims, X_Forwarded_For="7.7.7.7", **{"X.Real.Ip": "8.8.8.8"})
    lines = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
    assert lines["Host"] == lines["X-Forwarded-Host"] == "shop.example.org"
    assert lines["X-Forwarded-For"] == "127.0.0.1"
    assert lines["X-Forwarded-Proto"] == "http"
    assert not any(evil in head for evil in ("6.6.6.6", "7.7.7.7", "8.8.8.8", "evil.example"))


def test_a_prefix_can_be_stripped(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """With strip_prefix the instance sees the path below its own."""
    port = apply("r1", instances[0], path="/api", strip_prefix=True).port
    get(port, "/api/items/1")
    get(port, "/api")
    assert instances[0].seen == ["/items/1", "/"]


def test_affinity_keeps_a_client_on_one_instance(apply: Apply, instances: tuple[Instance, Instance]) -> None:
    """A client that returns its cookie is answered by the same instance."""
    port = apply("r1", *instances, affinity=True).port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        cookie, name = answer.headers["Set-Cookie"].split(";")[0], answer.read().decode()
    assert {get(port, Cookie=cookie) for _ in range(6)} == {name}


def test_counters_are_kept_per_generation(
    apply: Apply, router: TraefikRouter, instances: tuple[Instance, Instance]
) -> None:
    """Requests, 5xx answers and a latency bound count for the generation that answered, also after it is gone."""
    old, new = instances
    port = apply("r1", old).port
    for path in ("/", "/", "/broken"):
        try:
            get(port, path)
        except urllib.error.HTTPError as error:
            error.close()
    counted = router.counters(STAGE, "r1")
    assert (counted.requests, counted.errors) == (3, 1)
    assert counted.latency_p95 is not None
    assert counted.latency_p95 < 1.0
    apply("r2", new)
    get(port)
    assert (router.counters(STAGE, "r1").requests, router.counters(STAGE, "r2").requests) == (3, 1)


def test_a_canary_is_counted_by_itself_and_left_while_it_is_not_ready(
    apply: Apply, router: TraefikRouter, instances: tuple[Instance, Instance]
) -> None:
    """Each generation has counters of its own; a canary that is not ready gets nothing, and nobody notices."""
    old, new = instances
    routes = apply("r1", old)
    service = msgspec.structs.replace(routes.services[0], backends=(Backend(instance=new.name, address=new.address),))
    canary = Canary(generation="r2", share=0.25, services=(service,))
    with load(routes.port or 0, per_second=150) as going:
        until(lambda: going.sent > 50)
        router.apply(msgspec.structs.replace(routes, canary=canary))
        until(lambda: going.names["new"] > 40)
        new.ready = False
        until(lambda: "DOWN" in seen_by(router, "cashback~stage~r2~web~ready").values())
        stands = going.names["new"]
        until(lambda: going.names["old"] > stands * 4)
        assert going.names["new"] <= stands + 2
        router.apply(routes)
    assert going.failures == []
    assert router.counters(STAGE, "r1").requests == going.names["old"]
    assert router.counters(STAGE, "r2").requests == going.names["new"]


def test_domains_are_routed_by_name(tmp_path: Path, instances: tuple[Instance, Instance]) -> None:
    """On the http port the Host header decides; the local port answers as well; other names get 404."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        http = probe.getsockname()[1]
    router = TraefikRouter(
        tmp_path / "named", settings=RouterSettings(pool_first=FIRST_PORT + 20, pool_size=2, http_port=http)
    )
    router.ensure()
    try:
        for name, instance in zip(("one", "two"), instances, strict=True):
            service = ServiceRoute(service="web", backends=(Backend(instance=instance.name, address=instance.address),))
            port = router.reserve_port(f"shop/{name}")
            routes = Routes(
                environment=f"shop/{name}", generation="r1", port=port, domain=f"{name}.example", services=(service,)
            )
            router.apply(routes)
        assert (get(http, Host="one.example"), get(http, Host="two.example")) == ("old", "new")
        assert get(router.reserve_port("shop/two")) == "new"
        assert router.url("shop/two") == f"http://two.example:{http}"
        assert router.probe_address("shop/two") == (f"http://127.0.0.1:{http}", "two.example")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(http, Host="three.example")
    finally:
        router.stop()


def test_routes_that_are_not_confirmed_leave_the_earlier_in_force(
    apply: Apply, router: TraefikRouter, instances: tuple[Instance, Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Traefik does not take a file, its last error is told and the file that served stands again."""
    from lading.router import render, traefik

    port = apply("r1", instances[0]).port
    before = router.current(STAGE)

    def broken(*arguments: object) -> tuple[bytes, str]:
        text, name = render.render(*arguments)  # type: ignore[arg-type]
        return text.replace(b'"loadBalancer"', b'"loadBallancer"'), name + "x"

    monkeypatch.setattr(traefik, "render", broken)
    monkeypatch.setattr(router, "settings", RouterSettings(pool_first=FIRST_PORT, pool_size=4, confirm_within=0.3))
    with pytest.raises(LadingError) as caught:
        router.apply(Routes(environment=STAGE, generation="r2", port=port, services=before.services))  # type: ignore[union-attr]
    assert caught.value.code == "router-failed"
    assert "loadBallancer" in str(caught.value)
    monkeypatch.undo()
    assert router.current(STAGE) == before
    assert get(port) == "old"
    apply("r3", instances[1])
    assert get(port) == "new"
