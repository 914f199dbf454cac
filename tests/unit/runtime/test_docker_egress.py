"""What a confined container may reach, judged without an engine: names, addresses, rules, requests."""

import asyncio
import fcntl
import socket
import ssl
import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from lading.model.errors import LadingError
from lading.runtime.docker.egress import dns, keeper
from lading.runtime.docker.egress.confined import Confined, is_outside, is_peers
from lading.runtime.docker.egress.known import REMEMBERED, Known
from lading.runtime.docker.egress.passing import Refusal, _Failed, _proxied
from lading.runtime.docker.egress.peek import name_in
from lading.runtime.docker.egress.refused import Refused, last_lines
from lading.runtime.docker.egress.rules import Chains, Ports, restore

POOL = "10.217.0.0/16"


def confined(*allowed: str, name: str = "web-1", address: str = "10.217.3.2") -> Confined:
    return Confined(
        name=name,
        label="web/1",
        marker="shop/stage",
        address=address,
        subnet="10.217.3.0/24",
        gateway="10.217.3.1",
        pool=POOL,
        allowed=allowed,
    )


@pytest.mark.parametrize(
    ("endpoint", "host", "port", "allowed"),
    [
        ("api.example.org:443", "api.example.org", 443, True),
        ("api.example.org:443", "API.Example.org.", 443, True),
        ("api.example.org:443", "api.example.org", 80, False),
        ("api.example.org:443", "evil-api.example.org", 443, False),
        ("api.example.org:443", "api.example.org.evil.test", 443, False),
        ("*.example.org:443", "a.example.org", 443, True),
        ("*.example.org:443", "a.b.example.org", 443, True),
        ("*.example.org:443", "example.org", 443, False),
        ("*.example.org:443", ".example.org", 443, False),
        ("*.example.org:443", "evilexample.org", 443, False),
        ("192.0.2.7:5432", "192.0.2.7", 5432, True),
    ],
)
def test_an_endpoint_is_a_name_and_a_port(endpoint: str, host: str, port: int, allowed: bool) -> None:
    """A star stands for one or more labels; nothing is allowed by likeness."""
    assert confined(endpoint).allows(host, port) is allowed


@pytest.mark.parametrize(
    ("address", "named", "outside"),
    [
        ("192.0.2.7", True, True),
        ("127.0.0.1", True, False),
        ("127.0.0.1", False, False),
        ("169.254.169.254", True, False),
        ("169.254.169.254", False, False),
        ("10.217.9.9", True, False),
        ("10.217.9.9", False, False),
        ("0.0.0.0", True, False),
        ("224.0.0.1", True, False),
    ],
)
def test_no_name_leads_back_in(address: str, named: bool, outside: bool) -> None:
    """Whoever owns an allowed name may let it lead to this host, its metadata or another environment: in vain."""
    assert is_outside(address, POOL, named=named) is outside


def test_names_within_the_environment_are_no_attempts() -> None:
    """What a resolver asks on its way to a peer's address is not told as a try to get out."""
    assert [is_peers(name) for name in ("api", "api.r12", "api.example.org.r3", "r3.example.org")] == [
        True,
        True,
        True,
        False,
    ]


# rules


def lines_of(text: str, chain: str) -> list[str]:
    return [line.removeprefix(f"-A {chain} ") for line in text.splitlines() if line.startswith(f"-A {chain} ")]


def test_the_last_rule_of_every_container_drops() -> None:
    """Whatever else is in force, what is not named goes nowhere; another container's rules say nothing of it."""
    chains = Chains.of("ab12")
    both = [confined("db.example.org:5432"), confined(name="job", address="10.217.3.3")]
    text = restore(chains, both, {"web-1": {("192.0.2.7", 5432)}}, Ports(4000, 5000))
    for chain in (chains.forward, chains.input):
        for one in both:
            own = [line for line in lines_of(text, chain) if f"-s {one.address}/32" in line]
            assert own[-1] == f"-s {one.address}/32 -j DROP"
            assert [line for line in own if line.endswith("DROP")] == own[-1:]
    assert "-s 10.217.3.2/32 -d 192.0.2.7/32 -p tcp -m tcp --dport 5432 -j RETURN" in lines_of(text, chains.forward)
    assert not any("192.0.2.7" in line and "10.217.3.3" in line for line in text.splitlines())
    assert lines_of(text, chains.nat)[-1] == "-s 10.217.3.3/32 -p tcp -j REDIRECT --to-ports 4000"
    assert all(len(chain) < 29 for chain in chains)


def test_without_a_gate_nothing_is_led_anywhere() -> None:
    """Rules that stand before the gate listens only drop."""
    text = restore(Chains.of("ab12"), [confined()], {}, Ports(0, 0))
    assert "REDIRECT" not in text
    assert "ACCEPT" not in text
    assert text.count("DROP") == 2


def test_nobody_confined_leaves_empty_chains() -> None:
    """Each chain is declared, which empties it, and nothing else is touched."""
    text = restore(Chains.of("ab12"), [], {}, Ports(1, 2))
    assert text.splitlines() == [
        "*filter",
        ":LADING-FWD-ab12 - [0:0]",
        ":LADING-IN-ab12 - [0:0]",
        "COMMIT",
        "*nat",
        ":LADING-NAT-ab12 - [0:0]",
        "COMMIT",
    ]


# where names lead


class Directory:
    """A directory of names, and a clock."""

    def __init__(self, **names: str) -> None:
        self.names = {name.replace("_", "."): address for name, address in names.items()}
        self.time = 0.0
        self.known = Known(self.look, lambda: self.time)

    async def look(self, host: str) -> Sequence[str]:
        return (self.names[host],) if host in self.names else ()


def test_addresses_follow_their_name_and_linger() -> None:
    """A name that leads elsewhere opens its new address at once and closes the old one after a while."""
    one, directory = confined("db.example:5432"), Directory(db_example="192.0.2.7")
    asyncio.run(directory.known.refresh([one]))
    assert directory.known.direct([one])["web-1"] == {("192.0.2.7", 5432)}
    directory.names["db.example"] = "192.0.2.8"
    assert asyncio.run(directory.known.allows(one, "192.0.2.8", 5432))
    assert directory.known.direct([one])["web-1"] == {("192.0.2.7", 5432), ("192.0.2.8", 5432)}
    directory.time = REMEMBERED + 1
    asyncio.run(directory.known.refresh([one]))
    assert directory.known.direct([one])["web-1"] == {("192.0.2.8", 5432)}


def test_web_ports_are_not_opened_by_address() -> None:
    """Many names share an address there, so the gate looks at the name instead."""
    one, directory = confined("api.example:443", "api.example:9000"), Directory(api_example="192.0.2.7")
    asyncio.run(directory.known.refresh([one]))
    assert directory.known.direct([one])["web-1"] == {("192.0.2.7", 9000)}


def test_a_name_that_leads_back_in_opens_nothing() -> None:
    """An address of this host or of another environment is none of an allowed name's."""
    one = confined("a.example:5432", "b.example:5432")
    directory = Directory(a_example="127.0.0.1", b_example="10.217.8.2")
    asyncio.run(directory.known.refresh([one]))
    assert directory.known.direct([one])["web-1"] == set()
    assert not asyncio.run(directory.known.allows(one, "127.0.0.1", 5432))


def test_a_pattern_opens_what_was_asked_for() -> None:
    """Of all names that it stands for, those count that a program looked up."""
    one, directory = confined("*.example:5432"), Directory(a_example="192.0.2.7", b_example="192.0.2.8")
    asyncio.run(directory.known.addresses(one, "a.example"))
    assert directory.known.direct([one])["web-1"] == {("192.0.2.7", 5432)}


# requests to the proxy


def test_a_connection_is_asked_for_by_name() -> None:
    """CONNECT names host and port; the answer goes back first."""
    wanted = _proxied(confined("api.example:443"), b"CONNECT api.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (wanted.host, wanted.port, wanted.first) == ("api.example", 443, b"")
    assert b"200" in wanted.said


def test_a_request_goes_to_where_its_line_says() -> None:
    """The other end is asked as itself, by the host that was judged, and for one request only."""
    head = b"GET http://api.example/a?b=c HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: x\r\nAccept: y\r\n\r\n"
    wanted = _proxied(confined("api.example:80"), head)
    assert (wanted.host, wanted.port) == ("api.example", 80)
    assert wanted.first == b"GET /a?b=c HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nAccept: y\r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT evil.example:443 HTTP/1.1",
        "CONNECT api.example:22 HTTP/1.1",
        "CONNECT api.example:443@evil.example:443 HTTP/1.1",
        "GET http://evil.example/ HTTP/1.1",
        "GET http://api.example@evil.example/ HTTP/1.1",
        "GET http://api.example:81/ HTTP/1.1",
    ],
)
def test_anything_else_is_refused(line: str) -> None:
    """Other names, other ports, and lines that read like an allowed one."""
    with pytest.raises(Refusal):
        _proxied(confined("api.example:443", "api.example:80"), f"{line}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "line", ["GET / HTTP/1.1", "GET ftp://api.example/ HTTP/1.1", "", "CONNECT api.example:x HTTP/1.1"]
)
def test_what_is_no_request_to_a_proxy_is_told_so(line: str) -> None:
    """A client that takes it for a server learns what it is."""
    with pytest.raises(_Failed) as failed:
        _proxied(confined("api.example:80"), f"{line}\r\n\r\n".encode())
    assert b"400" in failed.value.answer


# names in what is sent first


def hello(name: str | None) -> bytes:
    """Return the greeting that a real TLS client sends."""
    context = ssl.create_default_context()
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def test_the_name_in_a_tls_greeting_is_read() -> None:
    """As soon as the whole greeting is there and not before; one without a name has none."""
    greeting = hello("api.example.org")
    assert name_in(greeting) == (True, "api.example.org")
    assert not any(name_in(greeting[:length]).whole for length in range(len(greeting)))
    assert name_in(hello(None)) == (True, "")


def test_the_name_in_a_request_is_read() -> None:
    """One Host header, without its port; two of them are none."""
    assert name_in(b"GET / HTTP/1.1\r\nHost: api.example:80\r\n\r\n") == (True, "api.example")
    assert name_in(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == (True, "")
    assert not name_in(b"GET / HTTP/1.1\r\nHost: api.exa").whole


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x00\x02\x01\x00", b"\x16\x03\x01\x00\x00", b"SSH-2.0-x\r\n\r\n", b"\0" * 20000]
)
def test_noise_has_no_name(data: bytes) -> None:
    """What is neither is judged by its address alone, and breaks nothing."""
    assert name_in(data) == (True, "")


# questions for names


def ask(name: str, kind: int = dns.A) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_a_question_is_answered() -> None:
    """The answer repeats number and question and holds the addresses."""
    asked = dns.question(ask("Api.example"))
    assert asked is not None
    assert (asked.number, asked.name, asked.kind) == (7, "api.example", dns.A)
    packet = dns.answer(asked, ["192.0.2.7"])
    assert struct.unpack_from("!HHHH", packet) == (7, 0x8180, 1, 1)
    assert packet.endswith(socket.inet_aton("192.0.2.7"))
    assert struct.unpack_from("!H", dns.answer(asked, code=dns.NO_SUCH_NAME), 2)[0] & 0xF == 3


@pytest.mark.parametrize("packet", [b"", b"x" * 12, ask("a")[:-3], b"\xff" * 40])
def test_noise_is_no_question(packet: bytes) -> None:
    """Broken packets and answers are left alone."""
    asked = dns.question(ask("a.b"))
    assert asked is not None
    assert dns.question(dns.answer(asked)) is None
    assert dns.question(packet) is None


# what was refused


def test_refused_attempts_are_kept_and_repetitions_counted(tmp_path: Path) -> None:
    """One line an attempt, with who and what; the same at once is not written again; nothing odd reaches a terminal."""
    refused = Refused(tmp_path)
    for _ in range(3):
        refused.tell(confined(), "evil.example:443", "is not in its egress")
    refused.tell(confined(), "\x1b[31mx:1", "is not in its egress")
    lines = last_lines(tmp_path, "shop/stage", 10)
    assert [line[22:] for line in lines] == [
        "web/1       evil.example:443  is not in its egress",
        "web/1       ?[31mx:1  is not in its egress",
    ]
    assert last_lines(tmp_path, "shop/other", 10) == ()


# an address that somebody else had


def test_nobody_gets_an_address_whose_rules_do_not_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that hangs is said, rather than that a free program finds itself refused what it may reach."""
    monkeypatch.setattr(keeper, "IN_FORCE", 0.0)
    kept = keeper.Keeper(tmp_path, lambda: "ab12")
    monkeypatch.setattr(kept, "_wake", lambda: None)
    (tmp_path / "confined").mkdir()
    (tmp_path / "confined" / "web-1.json").write_bytes(msgspec.json.encode(confined()))
    (tmp_path / "applied.json").write_text('{"web-1": "applied"}')
    (tmp_path / "gate.log").write_text("it hangs\n")
    with (tmp_path / "gate.pid").open("w") as gate:
        gate.write("4711 1.0")
        gate.flush()
        fcntl.flock(gate, fcntl.LOCK_EX)
        with pytest.raises(LadingError, match=r"10\.217\.3\.2 before still stand after 0 s: it hangs"):
            kept.free_address("10.217.3.2")
    assert not (tmp_path / "confined" / "web-1.json").exists()
