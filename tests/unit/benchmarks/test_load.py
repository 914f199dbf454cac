"""The load generator against a server that misbehaves on purpose and keeps count of it."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.account import held_against
from benchmarks.load import parse_mix, picker

from tests.support import until
from tests.support_http import Line, Request, Server, serving

PROGRAM = Path(__file__).resolve().parents[3] / "benchmarks" / "load.py"


class Application:
    """What answers; ``bad`` counts by class what it made lost, ``rows`` is what it stored."""

    def __init__(self, server: Server) -> None:
        self.release = "v1"
        self.bad: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.rows: list[str] = []
        self.doubled: list[str] = []
        self.forgotten: list[str] = []
        self.unanswered: list[str] = []
        self._lock = threading.Lock()
        server.pages |= {"/fast": self.fast, "/slow": self.slow, "/events": self.events, "/echo": self.echo}
        server.pages |= {"/write": self.write}

    def turn(self, kind: str) -> int:
        with self._lock:
            self.asked[kind] += 1
            return self.asked[kind]

    def lose(self, kind: str) -> int:
        with self._lock:
            self.bad[kind] += 1
            return self.bad[kind]

    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("X-Release", self.release),)

    def fast(self, line: Line, request: Request) -> None:
        number = self.turn("fast")
        # Only on connections of their own: a break of a kept one must not hit another request.
        if request.headers["connection"] == "close" and number % 5 == 0:
            turn = self.lose("fast")
            kinds = [line.reset, lambda: line.answer(502), lambda: line.answer(200, b"half", length=99), line.hang_up]
            kinds[turn % 4]()
            line.hang_up()
            return
        line.answer(200, b"ok", self.headers())

    def write(self, line: Line, request: Request) -> None:
        number, row = self.turn("write"), json.loads(request.body)["reference"]
        with self._lock:
            self.rows.append(row)
            if number % 7 == 0:
                self.rows.append(row)
                self.doubled.append(row)
            elif number % 11 == 0:
                self.rows.remove(row)
                self.forgotten.append(row)
        if number % 13 == 0:
            self.lose("write")
            self.unanswered.append(row)
            line.answer(503)
        else:
            line.answer(201, b"{}", self.headers())

    def slow(self, line: Line, _request: Request) -> None:
        ends = self.turn("slow") % 2 == 0
        line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Release: v1\r\n\r\n5\r\nbegin\r\n")
        line.hold(0.1)
        if not ends:
            self.lose("slow")
            line.hang_up()
            return
        line.raw(b"4\r\nend\n\r\n0\r\n\r\n")

    def events(self, line: Line, _request: Request) -> None:
        whole = self.turn("events") % 2 == 0
        if not whole:
            self.lose("events")
        body = b"event: tick\n\n" + (b"event: end\ndata: {}\n\n" if whole else b"")
        line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    def echo(self, line: Line, request: Request) -> None:
        key = request.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        line.raw(
            f"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\nX-Release: v1\r\n\r\n".encode()
        )
        line.hang_up()
        if self.turn("websocket") % 2:
            self.lose("websocket")
            line.raw(b"\x88\x02\x03\xf4")  # 1012: restarting
            return
        line.raw(b"\x89\x02hi")
        while frame := _frame(line):
            opcode, payload = frame
            if opcode != 10:
                line.raw(bytes([0x80 | opcode, len(payload)]) + payload)
            if opcode == 8:
                return


def _frame(line: Line) -> tuple[int, bytes] | None:
    head = line.socket.recv(2)
    if len(head) < 2:
        return None
    mask = line.socket.recv(4)
    payload = line.socket.recv(head[1] & 0x7F) if head[1] & 0x7F else b""
    return head[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


class Running:
    """The program as a process of its own, ended with its standard input."""

    def __init__(self, server: Server, tmp_path: Path, *words: str) -> None:
        self.out, self.writes, self.records = (tmp_path / name for name in ("out.json", "writes.json", "records"))
        files = ["--out", str(self.out), "--writes", str(self.writes), "--records", str(self.records)]
        paths = ["--fast=/fast", "--slow=/slow", "--events=/events", "--websocket=/echo", "--write=/write"]
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--base", server.url, *files, *paths, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, object]:
        assert self.process.stdout is not None
        told: dict[str, object] = json.loads(self.process.stdout.readline())
        return told

    def end(self) -> dict[str, object]:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        figures: dict[str, object] = json.loads(self.out.read_text())
        return figures


def test_every_loss_is_counted(server: Server, tmp_path: Path) -> None:
    """What the server made lost, and nothing else, is lost in the figures, class by class; so for the writes."""
    application = Application(server)
    mix = "fast=0.5,write=0.3,slow=0.08,events=0.08,websocket=0.04"
    running = Running(
        server, tmp_path, "--until-stdin-closes", "--rate=150", f"--mix={mix}", "--timeout=5", "--stream-seconds=0.3"
    )
    until(lambda: all(application.asked[kind] >= 6 for kind in ("fast", "write", "slow", "events", "websocket")), 20.0)
    until(lambda: application.asked["write"] >= 30 and application.bad["fast"] >= 4, 20.0)
    figures = running.end()
    assert {kind: entry["sent"] for kind, entry in figures["classes"].items()} == application.asked
    assert {kind: entry["lost"] for kind, entry in figures["classes"].items()} == application.bad
    assert figures["sent"] == application.asked.total()
    assert figures["lost"] == application.bad.total()
    assert {"status 502", "connection closed within the answer", "connection closed before an answer"} == set(
        figures["classes"]["fast"]["reasons"]
    )
    assert figures["classes"]["events"]["reasons"] == {"the answer ended before its end": application.bad["events"]}
    assert figures["releases"]["v1"]["answers"] > 0
    assert abs(figures["connections"]["new"]["sent"] - figures["sent"] / 2) <= figures["sent"] * 0.05 + 2
    assert len(running.records.read_text().splitlines()) == figures["sent"]
    held = held_against(json.loads(running.writes.read_text()), application.rows)
    assert held["doubled"] == sorted(application.doubled)
    assert held["missing"] == sorted(set(application.forgotten) - set(application.unanswered))
    assert held["unanswered"] == sorted(set(application.unanswered) - set(application.forgotten))
    assert held["foreign"] == []


def test_changes_are_timed(server: Server, tmp_path: Path) -> None:
    """A marked change is told when its release first answers, and an old answer after that is found."""
    application = Application(server)
    application.fast = lambda line, request: line.answer(200, b"ok", application.headers())  # type: ignore[method-assign]
    server.pages["/fast"] = application.fast
    running = Running(server, tmp_path, "--until-stdin-closes", "--rate=100", "--mix=fast=1")
    assert "started" in running.hear()
    until(lambda: len(server.requests) > 10)
    running.say("v2")
    seen = len(server.requests)
    until(lambda: len(server.requests) > seen + 5)
    application.release = "v2"
    told = running.hear()
    assert told["release"] == "v2"
    assert told["first"] > told["asked"]  # type: ignore[operator]
    server.pages["/fast"] = _once(server, lambda line: line.answer(200, b"", (("X-Release", "v1"),)))
    until(lambda: server.pages["/fast"].__name__ != "once")
    seen = len(server.requests)
    until(lambda: len(server.requests) > seen + 5)
    running.say("v1")
    # Before it has heard that, an answer of v1 is one of the release that was left.
    seen = len(server.requests)
    until(lambda: len(server.requests) > seen + 5)
    application.release = "v1"
    assert running.hear()["release"] == "v1"
    figures = running.end()
    assert figures["lost"] == 0
    forth, back = figures["switches"]  # type: ignore[misc]
    assert (forth["release"], forth["old_after"]) == ("v2", 1)
    assert 0 < forth["old_after_latest"] < 5
    assert (back["release"], back["seconds"] >= 0) == ("v1", True)


def _once(server: Server, answer):  # type: ignore[no-untyped-def]
    before = server.pages["/fast"]
    lock = threading.Lock()

    def once(line: Line, request: Request) -> None:
        with lock:
            first = server.pages["/fast"] is once
            server.pages["/fast"] = before
        if first:
            answer(line)
        else:
            before(line, request)

    return once


def test_open_loop(server: Server, tmp_path: Path) -> None:
    """Slow answers do not slow the schedule down; all that is under way at the end is waited for."""
    gate = threading.Event()

    def wait(line: Line, _request: Request) -> None:
        gate.wait(20.0)
        line.answer(200)

    server.pages["/fast"] = wait
    running = Running(server, tmp_path, "--seconds=1", "--rate=60", "--mix=fast=1")
    until(lambda: len(server.requests) == 60, 15.0)
    gate.set()
    figures = running.end()
    assert (figures["sent"], figures["lost"]) == (60, 0)


def test_nobody_listens(tmp_path: Path) -> None:
    """Refused connections are lost requests; the run ends as ever."""
    with serving() as server:
        pass
    running = Running(server, tmp_path, "--seconds=0.3", "--rate=20")
    figures = running.end()
    assert figures["lost"] == figures["sent"] > 0
    assert figures["first_losses"][0]["reason"] == "connection refused"  # type: ignore[index]


def test_release_in_json(server: Server, tmp_path: Path) -> None:
    """The release may stand in a field of the answer instead of a header."""
    server.page("/fast", 200, b'{"version": "1.2.3"}')
    figures = Running(server, tmp_path, "--seconds=0.2", "--rate=20", "--mix=fast=1", "--release=json:version").end()
    assert list(figures["releases"]) == ["1.2.3"]  # type: ignore[call-overload]


def test_mix_is_even() -> None:
    """Classes come in their shares, spread evenly, and the same in every run."""
    pick = picker(parse_mix("fast=8,write=2"))
    picked = [pick() for _ in range(100)]
    assert Counter(picked) == {"fast": 80, "write": 20}
    assert all("write" in picked[start : start + 5] for start in range(96))


@pytest.mark.parametrize("text", ["", "fast", "other=1", "fast=-1", "fast=0"])
def test_mix_that_is_none(text: str) -> None:
    """A mix that names no class, or no share, is refused."""
    with pytest.raises(Exception, match=r"mix|float"):
        parse_mix(text)
