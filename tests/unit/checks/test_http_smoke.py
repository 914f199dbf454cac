"""HttpChecks.request: what is sent, redirects, secrets, TLS."""

import base64
import datetime
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from lading.checks import exchange as exchange_module
from lading.checks.http import HttpChecks
from lading.model.environment import Pass
from lading.model.manifest import Auth, Expect, SmokeStep
from lading.model.secret import Secret
from lading.ports.checks import Answer
from tests.support_http import Line, Request, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def ask(server: Server, host: str | None = None, values: dict[str, str] | None = None, **step: object) -> Answer:
    secrets = {name: Secret(value) for name, value in (values or {}).items()}
    return HttpChecks().request(server.url, host, SmokeStep(name="step", **step), secrets)  # type: ignore[arg-type]


def test_json_body_is_filled(server: Server) -> None:
    """Templates in a JSON body are filled at every depth; its method is POST unless said."""
    server.page("/login", 200)
    body = {"user": "smoke", "deep": [{"password": "{{PW}}"}], "n": 3, "{{PW}}": None}
    assert ask(server, path="/login", json=body, values={"PW": 'quo"te{{X}}'}).passed
    (request,) = server.requests
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"user": "smoke", "deep": [{"password": 'quo"te{{X}}'}], "n": 3, "{{PW}}": None}


def test_form_body_is_encoded(server: Server) -> None:
    """A form is sent as browsers send it."""
    server.page("/login", 200)
    ask(server, method="put", path="/login", form={"user": "a b", "pw": "{{PW}}"}, values={"PW": "x&y=ü"})
    (request,) = server.requests
    assert request.method == "PUT"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"user=a+b&pw=x%26y%3D%C3%BC"


def test_post_without_body(server: Server) -> None:
    """A POST without body says that its length is 0."""
    server.page("/act", 200)
    ask(server, method="POST", path="/act")
    assert server.requests[0].headers["content-length"] == "0"


def test_auth_and_host(server: Server) -> None:
    """Bearer and basic come from secrets; the Host header is the one given, unless the step says another."""
    server.page("/me", 200)
    values = {"TOKEN": "abcd-token", "LOGIN": "smoke:pass:word"}
    ask(server, "stage.example.org", values, path="/me", auth=Auth(bearer="TOKEN"))
    ask(server, None, values, path="/me", auth=Auth(basic="LOGIN"), headers={"HOST": "other.example"})
    first, second = server.requests
    assert first.headers["authorization"] == "Bearer abcd-token"
    assert first.headers["host"] == "stage.example.org"
    assert base64.b64decode(second.headers["authorization"].removeprefix("Basic ")) == b"smoke:pass:word"
    assert second.headers["host"] == "other.example"


def test_basic_without_colon(server: Server) -> None:
    """A basic secret of another form fails, without showing it; nothing is sent."""
    reason = ask(server, path="/me", auth=Auth(basic="LOGIN"), values={"LOGIN": "only-a-user"}).reason
    assert reason == "secret LOGIN is not of the form user:password"
    assert server.requests == []


def test_line_break_in_a_header_value(server: Server) -> None:
    """A value that would add a header is refused, without showing it; nothing is sent."""
    reason = ask(server, path="/", headers={"X-Key": "{{KEY}}"}, values={"KEY": "abcd\r\nX-Evil: 1"}).reason
    assert "X-Key" in reason
    assert "abcd" not in reason
    assert server.requests == []


@pytest.mark.parametrize("step", [{"method": "GET /x"}, {"headers": {"X Y": "1"}}, {"headers": {"": "1"}}])
def test_what_cannot_be_sent(server: Server, step: dict[str, object]) -> None:
    """A method or header name that is none fails the step; nothing is sent."""
    assert not ask(server, path="/", **step).passed
    assert server.requests == []


def test_header_value_beyond_ascii(server: Server) -> None:
    """A header's value may hold any letter; it is sent as UTF-8."""
    server.page("/", 200)
    assert ask(server, path="/", headers={"X-Name": "{{NAME}}"}, values={"NAME": "Zoë"}).passed
    assert server.requests[0].headers["x-name"].encode("latin-1").decode() == "Zoë"


def test_value_in_path_cannot_leave_its_place(server: Server) -> None:
    """A value in path or query is percent-encoded, so that it neither ends nor splits them."""
    ask(server, path="/users/{{ID}}?key={{ID}}&x=1", values={"ID": "a/b?c&d#e f"})
    assert server.requests[0].target == "/users/a%2Fb%3Fc%26d%23e%20f?key=a%2Fb%3Fc%26d%23e%20f&x=1"


def test_base_path(server: Server) -> None:
    """A base URL with a path has it in front of every target."""
    server.page("/api/me", 200)
    step = SmokeStep(name="me", path="/me")
    assert HttpChecks().request(server.url + "/api/", None, step, {}).passed


def test_redirect_is_shown_unless_followed(server: Server) -> None:
    """Without redirects, a redirect is an answer like any other; it fails when 2xx is wanted."""
    server.page("/", 302, headers=(("Location", "/login"),))
    assert ask(server, path="/").reason == "302 to /login"
    assert ask(server, path="/", expect=Expect(status=(302,), headers={"location": "/login"})).passed


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (303, "HEAD", "HEAD"),
    ],
)
def test_redirects_as_browsers_do(server: Server, status: int, method: str, then: str) -> None:
    """A followed redirect keeps or changes the method as browsers do, and keeps the body with it."""
    server.page("/a", status, headers=(("Location", "b/../b?x=1"),))
    server.pages["/b"] = lambda line, request: line.raw(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert ask(server, method=method, path="/a", json={"x": 1}, redirects=True).passed
    first, second = server.requests
    assert (second.method, second.target) == (then, "/b?x=1")
    assert (second.body == first.body) is (then == method and method != "HEAD")
    assert ("content-type" in second.headers) is (then == method and method != "HEAD")


def test_cookies_on_the_way(server: Server) -> None:
    """A login that sets cookies and redirects sees them again, the step's own header replaced."""
    server.page("/login", 303, headers=(("Location", "/home"), ("Set-Cookie", "sid=1; Path=/"), ("Set-Cookie", "b=2")))
    server.page("/home", 200)
    assert ask(server, path="/login", form={"user": "x"}, redirects=True).passed
    assert server.requests[1].headers["cookie"] == "sid=1; b=2"


def test_redirect_by_the_host_that_was_asked(server: Server) -> None:
    """A redirect that names the Host header, or the address, is the same place: the address is asked again."""
    server.page("/a", 302, headers=(("Location", "http://shop.example.org/b"),))
    server.page("/b", 302, headers=(("Location", f"{server.url}/c"),))
    server.page("/c", 200)
    assert ask(server, "Shop.example.org", path="/a", redirects=True).passed
    assert {request.headers["host"] for request in server.requests} == {"Shop.example.org"}


@pytest.mark.parametrize(
    "location", ["http://elsewhere.example/", "//elsewhere.example/x", "https://shop.example.org/", "http://[bad"]
)
def test_redirect_elsewhere_is_not_followed(server: Server, location: str) -> None:
    """A redirect to another place fails the step, naming where it leads; a value in it is masked."""
    server.page("/a", 302, headers=(("Location", location),))
    answer = ask(server, "shop.example.org", path="/a", redirects=True, values={"K": "elsewhere.example"})
    assert not answer.passed
    assert answer.reason.startswith("302 to ")
    assert "elsewhere" not in answer.reason
    assert len(server.requests) == 1


def test_redirects_end(server: Server) -> None:
    """At most five redirects are followed."""
    server.page("/a", 302, headers=(("Location", "/a"),))
    assert "more than 5 redirects" in ask(server, path="/a", redirects=True).reason
    assert len(server.requests) == 6


def test_time_limit_spans_redirects(server: Server) -> None:
    """The step's time limit holds for all its redirects together."""

    def slow(line: Line, _request: Request) -> None:
        line.hold(0.12)
        line.answer(302, headers=(("Location", "/a"),))

    server.pages["/a"] = slow
    began = time.monotonic()
    assert "time limit" in ask(server, path="/a", redirects=True, timeout=0.3).reason
    assert time.monotonic() - began < 0.6


def test_login_then_authenticated_call(server: Server) -> None:
    """A token captured by one step authenticates the next."""
    server.page("/login", 200, b'{"access_token": "t-1234"}')

    def status(line: Line, request: Request) -> None:
        line.answer(200 if request.headers.get("authorization") == "Bearer t-1234" else 401)

    server.pages["/status"] = status
    login = ask(server, path="/login", json={}, capture={"TOKEN": "access_token"})
    step = SmokeStep(name="status", path="/status", headers={"Authorization": "Bearer {{TOKEN}}"})
    checks = HttpChecks()
    assert checks.request(server.url, None, step, login.captured).passed
    assert checks.request(server.url, None, step, {"TOKEN": Secret("wrong")}).reason == "401"


@given(value=st.text(min_size=4, max_size=30))
def test_no_echo_shows_a_value(echo: Server, value: str) -> None:
    """Whatever a value is, and however the program echoes what it was sent, no reason shows it."""
    if not value.strip() or len(set(value)) == 1 or value in BEFORE_ANY_ECHO:
        return
    answer = ask(
        echo, path="/echo/{{V}}", json={"v": "{{V}}"}, auth=Auth(basic="B"), values={"V": value, "B": f"u:{value}"}
    )
    assert not answer.passed
    assert value not in answer.reason


BEFORE_ANY_ECHO = '418, body: /echo/{"v": ""} Basic '


@pytest.fixture(scope="module")
def echo() -> Iterator[Server]:
    """Answer with all that was sent."""

    class Echo(dict[str, object]):
        def get(self, _path: str, _default: object = None) -> object:
            return _echo

    with serving() as server:
        server.pages = Echo()  # type: ignore[assignment]
        yield server


def _echo(line: Line, request: Request) -> None:
    auth = request.headers["authorization"]
    line.answer(418, f"{request.target} {request.body.decode()} {auth} ".encode() + base64.b64decode(auth[6:]))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_https(server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https the certificate must be good for the Host that is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with TlsFront(context, server.port) as port:
        step = SmokeStep(name="tls", path="/")
        base = f"https://127.0.0.1:{port}"
        server.page("/", 200)
        assert "certificate not accepted" in HttpChecks().request(base, "shop.example.org", step, {}).reason
        trusting = lambda _trust: ssl.create_default_context(cafile=str(certificate))  # noqa: E731
        with monkeypatch.context() as patched:
            patched.setattr(exchange_module, "tls_context", trusting)
            assert HttpChecks().request(base, "shop.example.org", step, {}).passed
            assert "certificate not accepted" in HttpChecks().request(base, "other.example", step, {}).reason
        # The router's own certificate, whoever issued it, and that one alone, for its own name alone.
        passing = Pass(trust=str(certificate))
        assert HttpChecks().request(base, "shop.example.org", step, {}, passing).passed
        assert "certificate not accepted" in HttpChecks().request(base, "other.example", step, {}, passing).reason


class TlsFront:
    """Takes TLS off, one connection after the other, and passes the request on."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> int:
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            try:
                with (
                    self._context.wrap_socket(plain, server_side=True) as line,
                    socket.create_connection(("127.0.0.1", self._to)) as inner,
                ):
                    inner.sendall(line.recv(65536))
                    line.sendall(inner.recv(65536))
            except OSError:
                continue  # a client that does not like the certificate
            finally:
                plain.close()
