"""What Traefik is told: one file, its own record, the same for the same routes."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.model.environment import Backend, Canary, Routes, ServiceRoute
from lading.model.errors import LadingError
from lading.model.manifest import Probe
from lading.ports.router.rules import check_routes
from lading.router.balancing import cookie_of, health_check
from lading.router.render import Surroundings, parse, render, service_name

PLAIN = string.ascii_letters + string.digits + "_.-"
NAMES = st.builds(
    lambda first, rest: first + rest, st.sampled_from(string.ascii_letters), st.text(alphabet=PLAIN, max_size=8)
)
BACKENDS = st.builds(Backend, instance=NAMES, address=st.integers(1, 65535).map(lambda port: f"127.0.0.1:{port}"))
ANY_JSON = st.recursive(st.text() | st.none(), lambda inner: st.dictionaries(st.text(), inner, max_size=2))
PROBES = st.builds(Probe, path=st.just("/ready"), json=ANY_JSON)
SERVICES = st.lists(
    st.builds(
        ServiceRoute,
        service=NAMES,
        path=NAMES.map(lambda name: f"/{name}"),
        strip_prefix=st.booleans(),
        backends=st.lists(BACKENDS, min_size=1, max_size=3).map(tuple),
        ready=st.none() | PROBES,
        affinity=st.booleans(),
    ),
    max_size=3,
    unique_by=(lambda service: service.service, lambda service: service.path),
).map(tuple)
ROUTES = st.builds(
    Routes,
    environment=st.tuples(NAMES, NAMES).map("/".join),
    generation=NAMES,
    port=st.none() | st.integers(1, 65535),
    domain=st.sampled_from([None, "stage.example.org"]),
    services=SERVICES,
)


def body_of(text: bytes) -> dict[str, Any]:
    loaded = json.loads(text.split(b"\n", 1)[1])
    assert isinstance(loaded, dict)
    return loaded


def one(**change: Any) -> dict[str, Any]:
    """Return the http section for an environment with one service."""
    service = {"service": "web", "backends": (Backend(instance="w", address="127.0.0.1:1"),), **change}
    routes = Routes(environment="shop/stage", generation="r1", port=7300, services=(ServiceRoute(**service),))
    section = body_of(render({"shop/stage": routes}, Surroundings())[0])["http"]
    assert isinstance(section, dict)
    return section


@given(st.lists(ROUTES, max_size=3, unique_by=lambda routes: routes.environment))
def test_the_file_is_its_own_record(several: list[Routes]) -> None:
    """What is read back is what was written, whatever the values; the file never holds a template."""
    routes = {one.environment: one for one in several}
    for one in several:
        check_routes(one)
    text, name = render(routes, Surroundings())
    assert parse(text) == routes
    assert b"{{" not in text
    assert name in body_of(text)["http"]["middlewares"]
    assert render(dict(reversed(routes.items())), Surroundings())[0] == text


@given(ROUTES, NAMES)
def test_a_change_changes_the_revision(routes: Routes, generation: str) -> None:
    """A revision names one content: it differs when the services do."""
    other = Routes(
        environment=routes.environment,
        generation=generation,
        port=routes.port,
        domain=routes.domain,
        services=routes.services,
    )
    names = [render({routes.environment: each}, Surroundings())[1] for each in (routes, other)]
    assert (names[0] == names[1]) == (not routes.services or routes.generation == generation)


def test_service_names_cannot_be_confused() -> None:
    """a-b/c and a/b-c are different environments in the router too."""
    assert service_name("a-b/c", "r1", "web") != service_name("a/b-c", "r1", "web")


def test_a_service_with_a_ready_check_keeps_its_last_instance() -> None:
    """Ready instances first; all of them when none is ready."""
    services = one(ready=Probe(path="/ready"))["services"]
    name = "shop~stage~r1~web"
    assert services[name] == {"failover": {"service": f"{name}~ready", "fallback": f"{name}~any"}}
    assert "healthCheck" in services[f"{name}~ready"]["loadBalancer"]
    assert "healthCheck" not in services[f"{name}~any"]["loadBalancer"]


def test_the_cookie_of_a_client_is_its_environments_own() -> None:
    """Two environments on one host differ by port alone, and a browser sends a cookie to every port."""
    stage, local = (cookie_of(f"shop/{name}", "web", secure=False) for name in ("stage", "local"))
    assert stage["name"] != local["name"]
    sticky = one(affinity=True)["services"]["shop~stage~r1~web"]["loadBalancer"]["sticky"]
    assert sticky == {"cookie": stage}
    assert (stage["httpOnly"], stage["sameSite"], stage["path"]) == (True, "lax", "/")


def test_a_canary_leaves_the_names_of_both_generations_as_they_are() -> None:
    """What is counted has the names that it has when it serves alone; each path has a cookie of its own."""
    paths = {"web": "/", "api": "/api"}
    services = tuple(
        ServiceRoute(service=name, path=path, affinity=True, backends=(Backend(instance=name, address="127.0.0.1:1"),))
        for name, path in paths.items()
    )
    canary = Canary(generation="r2", share=0.125, services=services)
    routes = Routes(environment="shop/stage", generation="r1", port=7300, services=services, canary=canary)
    found = body_of(render({"shop/stage": routes}, Surroundings())[0])["http"]["services"]
    assert {f"shop~stage~{generation}~{name}" for generation in ("r1", "r2") for name in paths} <= found.keys()
    weighted = [found[f"shop~stage~r1~{name}~with~{name}"]["weighted"] for name in paths]
    assert [part["weight"] for part in weighted[0]["services"]] == [875, 125]
    assert len({each["sticky"]["cookie"]["name"] for each in weighted}) == 2


def test_a_service_without_a_ready_check_is_plain() -> None:
    """Nothing is asked that the manifest does not name."""
    assert list(one()["services"]) == ["shop~stage~r1~web"]


@pytest.mark.parametrize(
    ("status", "told"),
    [((200,), 200), ((401,), 401), ((200, 204), None)],
)
def test_the_router_judges_the_status_as_the_manifest_does(status: tuple[int, ...], told: int | None) -> None:
    """One status is told as it is; several good ones become Traefik's own 200 to 399."""
    check = health_check(Probe(path="/ready", status=status, host="shop.example"), 1.0)
    assert check is not None
    assert check.get("status") == told
    assert check["hostname"] == "shop.example"


def test_a_check_that_traefik_cannot_judge_is_left_out() -> None:
    """Better no check in the router than one that takes good instances away."""
    assert health_check(Probe(path="/ready", status=(200, 503)), 1.0) is None
    assert list(one(ready=Probe(path="/ready", status=(200, 503)))["services"]) == ["shop~stage~r1~web"]


def test_domains_get_routers_only_where_they_are_served() -> None:
    """Without a port for domains a domain adds nothing that Traefik would complain about."""
    routes = Routes(
        environment="shop/stage",
        generation="r1",
        domain="stage.example.org",
        services=(ServiceRoute(service="web", backends=(Backend(instance="w", address="127.0.0.1:1"),)),),
    )
    ports = {"shop/stage": 7301}
    local = body_of(render({"shop/stage": routes}, Surroundings(ports=ports))[0])["http"]["routers"]
    both = body_of(render({"shop/stage": routes}, Surroundings(ports=ports, public=True))[0])["http"]["routers"]
    assert [router["entryPoints"] for router in local.values()] == [["p7301"]]
    assert sorted(router["entryPoints"] for router in both.values()) == [["http"], ["p7301"]]
    assert both["shop~stage~web~public"]["rule"] == "Host(`stage.example.org`) && (PathPrefix(`/`))"


def test_a_file_of_somebody_else_is_not_read() -> None:
    """Only what Lading wrote is taken for routes."""
    with pytest.raises(ValueError, match="not a file of routes"):
        parse(b"http: {}\n")


def test_a_malformed_value_is_named() -> None:
    """The error says which value of which environment is wrong, and that nothing was touched."""
    routes = Routes(environment="shop/stage", generation="r1", domain="Shop.example.org:80")
    with pytest.raises(LadingError) as caught:
        check_routes(routes)
    assert "shop/stage" in str(caught.value)
    assert "'Shop.example.org:80'" in str(caught.value)
    assert "untouched" in caught.value.now
