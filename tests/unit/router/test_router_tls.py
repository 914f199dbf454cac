"""TLS in Traefik's words: which way in answers how, and what the router's own configuration gets for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from lading.model.environment import Backend, Edge, Routes, RouteTls, ServiceRoute
from lading.model.errors import LadingError
from lading.ports.router.rules import check_routes
from lading.router.render import Surroundings, render
from lading.router.settings import RouterSettings, Wants, holder_config, resolver_of, wants_of

FILES = RouteTls(certificate="/etc/ssl/a.pem", key="/etc/ssl/a.key", hsts=60)
ACME = RouteTls(acme="ops@example.org")
AROUND = Surroundings(public=True, https_port=443, certificates={"shop/stage": ("/c/1.crt", "/c/1.key")})


def routes(tls: RouteTls | None, domain: str | None = "shop.example.org") -> Routes:
    service = ServiceRoute(service="web", backends=(Backend(instance="w", address="127.0.0.1:1"),))
    return Routes(
        environment="shop/stage", generation="r1", port=7300, domain=domain, services=(service,), edge=Edge(tls=tls)
    )


def told(made: Routes, around: Surroundings = AROUND) -> dict[str, Any]:
    body = json.loads(render({made.environment: made}, around)[0].split(b"\n", 1)[1])
    assert isinstance(body, dict)
    return body


def test_plain_http_leads_to_tls_and_nowhere_else() -> None:
    """The service is reached by TLS and by the local port; the plain domain has a redirect alone."""
    body = told(routes(FILES))
    found = body["http"]["routers"]
    assert {name: router["entryPoints"] for name, router in found.items()} == {
        "shop~stage~web~local": ["p7300"],
        "shop~stage~web~secure": ["https"],
        "shop~stage~redirect": ["http"],
    }
    assert found["shop~stage~redirect"]["service"] == "noop@internal"
    assert found["shop~stage~web~secure"]["tls"] == {}
    assert found["shop~stage~web~secure"]["middlewares"] == ["shop~stage~hsts"]
    assert body["tls"]["certificates"] == [{"certFile": "/c/1.crt", "keyFile": "/c/1.key"}]


def test_another_port_than_the_usual_one_is_named() -> None:
    """A redirect names the port where it is not what https means by itself."""
    for port, more in ((443, {}), (8443, {"port": "8443"})):
        section = told(routes(FILES), Surroundings(public=True, https_port=port))["http"]
        leading = section["middlewares"]["shop~stage~redirect"]["redirectScheme"]
        assert leading == {"scheme": "https", "permanent": True, **more}


def test_without_the_port_nothing_answers_by_the_domain() -> None:
    """An environment that should answer by TLS never answers by plain HTTP instead."""
    section = told(routes(FILES), Surroundings(public=True))["http"]
    assert list(section["routers"]) == ["shop~stage~web~local"]


def test_a_new_try_at_a_certificate_is_a_new_revision() -> None:
    """The router asks ACME again only when its routes change."""
    names = {render({"shop/stage": routes(ACME)}, Surroundings(asking=number))[1] for number in (0, 1, 2)}
    assert len(names) == 3


def test_the_router_gets_a_resolver_for_each_contact(tmp_path: Path) -> None:
    """Storage lies in the router's own directory; the challenge is by plain HTTP where that is served."""
    wants = wants_of([routes(ACME), routes(FILES), routes(None)])
    assert wants == Wants(acme=("ops@example.org",))
    for settings, challenge in (
        (
            RouterSettings(http_port=80, https_port=443, acme_server="https://ca/dir", acme_ca="/ca.pem"),
            "httpChallenge",
        ),
        (RouterSettings(https_port=443), "tlsChallenge"),
    ):
        static: Any = holder_config(tmp_path, settings, [], wants)["static"]
        resolver = static["certificatesResolvers"][resolver_of("ops@example.org")]["acme"]
        assert resolver["storage"] == str(tmp_path / "acme.json")
        assert challenge in resolver
        assert resolver.get("caServer", "") == settings.acme_server
    plain: Any = holder_config(tmp_path, RouterSettings(), [], Wants())["static"]
    assert "certificatesResolvers" not in plain
    told_acme = told(routes(ACME))["http"]["routers"]["shop~stage~web~secure"]["tls"]
    assert told_acme == {"certResolver": resolver_of("ops@example.org")}


@pytest.mark.parametrize(
    "tls",
    [
        RouteTls(),
        RouteTls(certificate="/a.pem"),
        RouteTls(acme="ops@example.org", certificate="/a.pem", key="/a.key"),
        RouteTls(acme="nobody"),
        RouteTls(acme="{{x}}@example.org"),
        RouteTls(certificate="a.pem", key="/a.key"),
        RouteTls(certificate="/{{a}}.pem", key="/a.key"),
        RouteTls(acme="ops@example.org", hsts=-1),
    ],
)
def test_what_is_no_tls_is_refused(tls: RouteTls) -> None:
    """One source, whole and plain; nothing that could break out of the file."""
    with pytest.raises(LadingError):
        check_routes(routes(tls))
    with pytest.raises(LadingError, match="domain"):
        check_routes(routes(FILES, domain=None))
