"""The edge in Traefik's words: the order of what a request meets, and no value that could break out of the file."""

import json
import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from lading.engine.logins import hashed
from lading.model.environment import Backend, Edge, Routes, ServiceRoute
from lading.model.environment_table import Limits
from lading.model.errors import LadingError
from lading.model.manifest import Probe
from lading.model.secret import Secret
from lading.ports.router.rules import check_routes
from lading.router.guard import PASS_HEADER, above, pass_token
from lading.router.render import Surroundings, parse, render

KEY = "k" * 64
HASH = "$2b$06$" + "a" * 53
EVERYTHING = Edge(
    logins=(f"anna:{HASH}",),
    allow=("192.0.2.0/24", "2001:db8::/32"),
    limits=Limits(rate=20.0, body=10_000_000, concurrency=100),
)


def routes(**change: Any) -> Routes:
    service = ServiceRoute(
        service="api", path="/api", strip_prefix=True, backends=(Backend(instance="a", address="1.2.3.4:80"),)
    )
    return Routes(**{"environment": "shop/stage", "generation": "r1", "port": 7300, "services": (service,), **change})


def http_of(made: Routes, around: Surroundings | None = None) -> dict[str, Any]:
    text, _ = render({made.environment: made}, around or Surroundings(pass_key=KEY))
    section = json.loads(text.split(b"\n", 1)[1])["http"]
    assert isinstance(section, dict)
    return section


def test_a_request_is_counted_before_its_login_is_looked_at() -> None:
    """Guessing passwords is limited like anything else; the prefix goes last, so that rules see what was asked."""
    router = http_of(routes(edge=EVERYTHING))["routers"]["shop~stage~api~local"]
    met = [name.rpartition("~")[2] for name in router["middlewares"]]
    assert met == ["rate", "counted", "concurrency", "uncounted", "allow", "login", "strip"]


def test_only_heavy_or_endless_bodies_are_buffered() -> None:
    """Traefik buffers the answer with the body, so streams must not pass the body limit."""
    section = http_of(routes(edge=EVERYTHING))
    heavy = section["routers"]["shop~stage~api~local~body"]
    assert heavy["middlewares"][-2:] == ["shop~stage~body", "shop~stage~r1~api~strip"]
    assert "shop~stage~login" in heavy["middlewares"]
    assert heavy["priority"] == section["routers"]["shop~stage~api~local"]["priority"] + 1
    for method in ("GET", "HEAD", "OPTIONS"):
        assert f"!Method(`{method}`)" in heavy["rule"]


def test_own_checks_pass_by_token_and_from_this_host_only() -> None:
    """The pass is the environment's own, holds from this host's addresses, and is taken out before the program."""
    section = http_of(routes(edge=EVERYTHING), Surroundings(pass_key=KEY, own=("192.0.2.7",)))
    passing = section["routers"]["shop~stage~api~local~pass"]
    assert passing["middlewares"] == ["shop~stage~pass", "shop~stage~r1~api~strip"]
    assert f"Header(`{PASS_HEADER}`, `{pass_token(KEY, 'shop/stage')}`)" in passing["rule"]
    assert "(ClientIP(`127.0.0.0/8`) || ClientIP(`::1`) || ClientIP(`192.0.2.7`))" in passing["rule"]
    assert section["middlewares"]["shop~stage~pass"] == {"headers": {"customRequestHeaders": {PASS_HEADER: ""}}}
    assert pass_token(KEY, "shop/stage") != pass_token(KEY, "shop/demo")


def test_without_an_edge_visitors_meet_nothing() -> None:
    """An open environment's own router is what it always was."""
    section = http_of(routes(services=(ServiceRoute(service="web", backends=(Backend(instance="a", address="a:1"),)),)))
    assert "middlewares" not in section["routers"]["shop~stage~web~local"]


def test_rates_are_told_in_whole_requests() -> None:
    """Traefik counts whole requests a period; a rate with a part, or below one, is told over a longer one."""
    told = {}
    for rate in (20.0, 1.5, 0.01):
        section = http_of(routes(edge=Edge(limits=Limits(rate=rate))))
        told[rate] = section["middlewares"]["shop~stage~rate"]["rateLimit"]
    assert told[20.0] == {"average": 20, "burst": 40}
    assert told[1.5] == {"average": 150, "period": "100s", "burst": 3}
    assert told[0.01] == {"average": 1, "period": "100s", "burst": 1}


@given(st.integers(1, 10**12), st.integers(0, 10**13))
def test_larger_numbers_are_recognised_by_their_digits(limit: int, number: int) -> None:
    """The rule for heavy bodies matches exactly the lengths above the limit, however they are written."""
    for written in (str(number), f"00{number}"):
        assert bool(re.fullmatch(above(limit), written)) == (number > limit)
    assert re.fullmatch(above(limit), str(limit)) is None
    assert re.fullmatch(above(limit), str(limit + 1))


ANYTHING = st.text(max_size=12) | st.sampled_from(["{{", "}}", "`) || Path(`/", "\u2028http:", "\x85", "\x7f", "\n- x"])


@given(
    environment=ANYTHING,
    domain=st.none() | ANYTHING,
    user=ANYTHING,
    password=ANYTHING,
    network=ANYTHING,
    json_value=ANYTHING,
    path=ANYTHING,
)
def test_no_value_breaks_out_of_the_file(
    environment: str, domain: str | None, user: str, password: str, network: str, json_value: str, path: str
) -> None:
    """A value is refused, or the file is still one line of comment and one JSON document that YAML reads the same."""
    try:
        logins = hashed(Secret(f"{user}:{password}"), "shop/stage")
    except ValueError:
        logins = (f"{user}:{password}",)
    service = ServiceRoute(
        service="web",
        path=path,
        backends=(Backend(instance="w", address="127.0.0.1:1"),),
        ready=Probe(path="/ready", json={json_value: json_value}),
    )
    for made in (
        routes(domain=domain, edge=Edge(logins=logins)),
        routes(environment=f"shop/{environment}"),
        routes(edge=Edge(allow=(network,))),
        routes(services=(service,)),
    ):
        try:
            check_routes(made)
            text, _ = render({made.environment: made}, Surroundings(pass_key=KEY, public=True))
        except LadingError:
            continue
        assert text.isascii()
        assert b"{{" not in text
        assert text.count(b"\n") == 2
        assert yaml.safe_load(text) == json.loads(text.split(b"\n", 1)[1])
        assert parse(text) == {made.environment: made}
