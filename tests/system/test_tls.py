"""TLS with the real router: certificates from files and by ACME, the way from plain HTTP, own checks over TLS."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lading.checks.http import HttpChecks
from lading.checks.prober import HttpProber
from lading.model.environment import Backend, Edge, Routes, RouteTls, ServiceRoute
from lading.model.errors import LadingError
from lading.model.manifest import SmokeStep
from lading.model.secret import Secret
from lading.ports.prober import ProbeTarget
from lading.router.control import Control
from lading.router.identity import is_running
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter
from tests.agents import RealAgent
from tests.certificates import make
from tests.support import until
from tests.support_router import FIRST_PORT, Instance

pytestmark = pytest.mark.system

STAGE = "shop/stage"
DOMAIN = "stage.shop.test"
Make = Callable[..., TraefikRouter]


@pytest.fixture
def make_router(tmp_path: Path) -> Iterator[Make]:
    made: list[TraefikRouter] = []

    def router(**more: object) -> TraefikRouter:
        first = FIRST_PORT + 40
        settings = RouterSettings(
            pool_first=first, pool_size=1, http_port=first + 10, https_port=first + 11, grace=1.0, **more
        )  # type: ignore[arg-type]
        made.append(TraefikRouter(tmp_path / "router", settings=settings))
        made[-1].ensure()
        return made[-1]

    yield router
    for each in made:
        each.stop()


@pytest.fixture
def instance() -> Iterator[Instance]:
    instance = Instance("web")
    yield instance
    instance.close()


def routes(instance: Instance, tls: RouteTls) -> Routes:
    service = ServiceRoute(service="web", backends=(Backend(instance="web", address=instance.address),))
    return Routes(
        environment=STAGE,
        generation="r1",
        port=FIRST_PORT + 40,
        domain=DOMAIN,
        services=(service,),
        edge=Edge(tls=tls),
    )


def shown(router: TraefikRouter, domain: str = DOMAIN) -> str:
    """Return the certificate that is shown for a domain, whoever issued it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", router.settings.https_port or 0), timeout=5.0) as line,
        context.wrap_socket(line, server_hostname=domain) as secured,
    ):
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")


def asked(router: TraefikRouter, path: str, trust: str, domain: str = DOMAIN) -> http.client.HTTPResponse:
    context = ssl.create_default_context(cafile=trust)
    line = socket.create_connection(("127.0.0.1", router.settings.https_port or 0), timeout=5.0)
    connection = http.client.HTTPSConnection(domain)
    connection.sock = context.wrap_socket(line, server_hostname=domain)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_a_certificate_from_files_and_the_way_to_it(make_router: Make, instance: Instance, tmp_path: Path) -> None:
    """The domain answers by TLS with the very certificate; plain HTTP only leads there; browsers are told to stay."""
    router = make_router()
    chain, key = make(tmp_path, DOMAIN)
    router.apply(routes(instance, RouteTls(certificate=str(chain), key=str(key), hsts=3600)))
    answer = asked(router, "/", str(chain))
    assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=3600")
    plain = http.client.HTTPConnection("127.0.0.1", router.settings.http_port, timeout=5.0)
    plain.request("GET", "/a?b=1", headers={"Host": DOMAIN})
    led = plain.getresponse()
    assert led.status in (301, 308)
    assert led.headers["Location"] == f"https://{DOMAIN}:{router.settings.https_port}/a?b=1"
    plain.close()
    assert router.url(STAGE) == f"https://{DOMAIN}:{router.settings.https_port}"
    for file in (tmp_path / "router" / "certs").iterdir():
        assert file.stat().st_mode & 0o077 == 0 or file.suffix == ".json"


def test_own_checks_accept_that_certificate_alone(make_router: Make, instance: Instance, tmp_path: Path) -> None:
    """Suite and prober ask over TLS: of no authority, yet held against exactly what the router should show."""
    router = make_router()
    chain, key = make(tmp_path, DOMAIN)
    router.apply(routes(instance, RouteTls(certificate=str(chain), key=str(key))))
    base, host = router.probe_address(STAGE)
    assert (base, host) == (f"https://127.0.0.1:{router.settings.https_port}", DOMAIN)
    passing = router.pass_for(STAGE)
    step = SmokeStep(name="home", path="/")
    assert HttpChecks().request(base, host, step, {}, passing).passed
    assert "certificate" in HttpChecks().request(base, "other.shop.test", step, {}, passing).reason
    prober = HttpProber()
    prober.start("1", ProbeTarget(base_url=base, host=host, path="/", per_second=100.0, passing=passing))
    until(lambda: prober.count("1").requests >= 20, within=10)
    # A certificate that is renewed meanwhile costs no probe.
    make(tmp_path, DOMAIN, days=60)
    router.ensure()
    until(lambda: shown(router) == chain.read_text(), within=5, what="the new certificate is shown")
    sent = prober.count("1").requests
    until(lambda: prober.count("1").requests >= sent + 20, within=10)
    count = prober.stop("1")
    assert (count.lost, count.first_loss) == (0, "")


def test_a_file_that_changes_is_taken_up_if_it_fits(make_router: Make, instance: Instance, tmp_path: Path) -> None:
    """What does not fit is refused and told, and the one before stays; secrets become files of the router's user."""
    router = make_router()
    chain, key = make(tmp_path, DOMAIN)
    kept = [router.keep(STAGE, name, Secret(file.read_text())) for name, file in (("chain", chain), ("key", key))]
    assert {Path(file).stat().st_mode & 0o777 for file in kept} == {0o600}
    router.apply(routes(instance, RouteTls(certificate=str(chain), key=str(key))))
    before = chain.read_text()
    make(tmp_path, DOMAIN, name="other")
    shutil.copy(tmp_path / "other.crt", chain)
    router.ensure()
    assert shown(router) == before
    assert "not usable together" in router.certificates()[STAGE].trouble
    shutil.copy(tmp_path / "other.key", key)
    router.ensure()
    until(lambda: shown(router) == chain.read_text(), within=5)
    assert router.certificates()[STAGE].trouble == ""
    heir = TraefikRouter(router.root, settings=router.settings)
    key.write_text("")
    heir.ensure()
    assert shown(router) == chain.read_text()


@pytest.mark.parametrize(
    ("domain", "days", "said"), [("other.test", 90.0, "is for other.test"), (DOMAIN, -1.0, "certificate ended")]
)
def test_a_certificate_that_no_browser_would_take_is_refused(
    make_router: Make, instance: Instance, tmp_path: Path, domain: str, days: float, said: str
) -> None:
    """For another name, or ended: refused before anything is switched, by the check that preflight asks too."""
    router = make_router()
    chain, key = make(tmp_path, domain, days=days)
    wanted = routes(instance, RouteTls(certificate=str(chain), key=str(key)))
    for act in (router.check, router.apply):
        with pytest.raises(LadingError, match=said):
            act(wanted)
    assert router.current(STAGE) is None


def is_taken(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A real ACME server of this machine: its directory, and what its own TLS is trusted by."""
    pebble = shutil.which("pebble")
    if pebble is None:
        pytest.skip("no ACME server here: apt-get install pebble")
    ca, key = make(tmp_path, "localhost", name="acme-server")
    port = FIRST_PORT + 55
    told = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{port + 1}",
        "certificate": str(ca),
        "privateKey": str(key),
        "httpPort": FIRST_PORT + 50,
        "tlsPort": FIRST_PORT + 51,
    }
    (tmp_path / "pebble.json").write_text(json.dumps({"pebble": told}))
    dns = f"127.0.0.1:{port + 2}"
    off = [word for name in ("http01", "https01", "tlsalpn01") for word in (f"-{name}", "")]
    where = ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", dns, "-management", f"127.0.0.1:{port + 3}"]
    with (tmp_path / "pebble.log").open("w") as out:
        names = subprocess.Popen(["pebble-challtestsrv", *where, *off], stdout=out, stderr=out)
        server = subprocess.Popen(
            [pebble, "-config", str(tmp_path / "pebble.json"), "-dnsserver", dns],
            env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
            stdout=out,
            stderr=out,
        )
    until(lambda: all(is_taken(number) for number in (port, port + 3)), within=10, what="the ACME server listens")
    yield f"https://localhost:{port}/dir", str(ca)
    for process in (server, names):
        process.kill()
        process.wait()


def test_a_certificate_by_acme(make_router: Make, instance: Instance, acme: tuple[str, str]) -> None:
    """Obtained over the challenge behind an edge that lets nobody in; kept over a router kill, for its user alone."""
    directory, ca = acme
    router = make_router(acme_server=directory, acme_ca=ca)
    wanted = routes(instance, RouteTls(acme="ops@shop.test"))
    router.apply(replace(wanted, edge=Edge(tls=wanted.edge.tls, allow=("192.0.2.0/24",))))
    until(lambda: router.certificates()[STAGE].not_after is not None, within=30, what="a certificate is obtained")
    storage = router.root / "acme.json"
    assert storage.stat().st_mode & 0o777 == 0o600
    base, host = router.probe_address(STAGE)
    assert base.startswith("https://127.0.0.1:")
    step, passing = SmokeStep(name="home", path="/"), router.pass_for(STAGE)
    until(lambda: HttpChecks().request(base, host, step, {}, passing).passed, within=10)
    one = shown(router)
    control = Control(router.root, router.settings)
    process = control.state().router
    assert process is not None
    os.kill(process[0], 9)
    until(lambda: not is_running(*process) and control.state().serving, within=10)
    assert shown(router) == one
    assert HttpChecks().request(base, host, step, {}, passing).passed


def test_a_stage_over_tls_is_rolled_out_like_any_other(agent: RealAgent, tmp_path: Path) -> None:
    """From secrets: refused without them, then served by TLS with nothing lost over a second release."""
    first = agent.first_port
    toml = agent.home / "agent.toml"
    ports = f'[router]\nhttp_port = {first + 18}\nhttps_port = {first + 19}\nhttp_host = "127.0.0.1"\n'
    toml.write_text(toml.read_text().replace("[router]\n", ports))
    table = f'[environments.stage]\ndomain   = "{DOMAIN}"\ntls      = {{ certificate = "CHAIN", key = "KEY" }}\n'
    manifest = agent.project / "lading.toml"
    manifest.write_text(manifest.read_text().replace("[environments.stage]\n", table))
    assert agent.deploy("v1.0.0", "stage").error["code"] == "secret-missing"
    chain, key = make(tmp_path, DOMAIN)
    for name, file in (("CHAIN", chain), ("KEY", key)):
        agent.secret("stage", name, file.read_text())
    assert agent.deploy("v1.0.0", "stage").outcome == "succeeded"
    second = agent.deploy("v1.1.0", "stage")
    assert (second.outcome, second.rollout["lost_requests"]) == ("succeeded", 0)
    assert second.rollout["requests"] > 10
    assert agent.url("stage") == f"https://{DOMAIN}:{first + 19}"
    assert agent.environment("stage")["certificate"]["trouble"] == ""
