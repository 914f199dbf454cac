"""Put load on a web application from a process of its own, and say what was lost.

An open loop: requests start on schedule whatever the answers take. Nothing is retried. With ``--until-stdin-closes`` a
line on standard input names the release that somebody begins to change to (so that each change is timed by itself), and
the end of the input ends the run; each first answer of such a release is told on standard output, a JSON object a line.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.account import Mark, Record, summary, writes
from benchmarks.wire import CLOSE, TEXT, Head, Line, Lost, websocket_key

IN_FLIGHT_LIMIT = 2000  # requests under way at once; one more is lost, not sent
LOOK_SECONDS = 0.2  # at most so long until the end of the run is noticed
IDLE_SECONDS = 30.0  # an idle connection is used no more: servers close theirs, and would do so at our next request
ECHO_SECONDS = 0.5  # pause between two messages of a WebSocket session
KINDS = ("fast", "write", "slow", "events", "websocket")
DEFAULT_MIX = "fast=0.77,write=0.20,slow=0.02,events=0.005,websocket=0.005"


class Load:
    """One run: its schedule, its connections, and a record of each request."""

    def __init__(self, options: argparse.Namespace) -> None:
        parts = urlsplit(options.base)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._host = options.host or parts.netloc
        self._options = options
        self._mix = parse_mix(options.mix)
        self._idle: list[tuple[Line, float]] = []
        self._sent: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaited = ""
        self._run = secrets.token_hex(4)
        self.records: list[Record] = []
        self.marks: list[Mark] = []
        self.began = 0.0
        self.stop = asyncio.Event()

    def mark(self, release: str) -> None:
        """Note that a change to ``release`` begins now."""
        self.marks.append(Mark(time.monotonic(), release))
        self._awaited = release

    async def run(self) -> None:
        """Send on schedule until stopped (or the time is over), then wait for what is under way."""
        self.began = time.monotonic()
        ends = self.began + self._options.seconds if self._options.seconds else float("inf")
        pick = picker(self._mix)
        tell({"started": self.began})
        number = 0
        while not self.stop.is_set():
            due = self.began + number / self._options.rate
            if due >= ends:
                break
            pause = due - time.monotonic()
            # Behind schedule, answers are still read between two requests.
            await asyncio.sleep(min(max(pause, 0.0), LOOK_SECONDS))
            if pause <= LOOK_SECONDS:
                self._send(pick(), number, due)
                number += 1
        if self._tasks:
            await asyncio.wait(self._tasks)
        for line, _since in self._idle:
            line.close()

    def _send(self, kind: str, number: int, due: float) -> None:
        self._sent[kind] += 1
        kept = self._sent[kind] % 2 == 0 and kind != "websocket"
        if len(self._tasks) >= IN_FLIGHT_LIMIT:
            now = time.monotonic()
            self.records.append(Record(kind, "none", due, now, 0.0, now, 0, "", "not sent: too many under way"))
            return
        task = asyncio.create_task(self._one(kind, due, f"{self._run}-{number}", kept=kept))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, kind: str, due: float, id: str, *, kept: bool) -> None:
        request = _Request(self, kind, id, kept=kept)
        limit = self._options.timeout + (self._options.slow_seconds if kind != "fast" else 0.0)
        start = time.monotonic()
        reason = ""
        try:
            async with asyncio.timeout(limit):
                await request.carry_out()
        except TimeoutError:
            reason = f"no complete answer within {limit:g} s"
        except Lost as error:
            reason = str(error)
        end = time.monotonic()
        connection = "keep-alive" if kept else "new"
        record = Record(
            kind, connection, due, start, request.answered, end, request.status, request.release, reason, id
        )
        self.records.append(record)
        self._tell_first(record)

    def _tell_first(self, record: Record) -> None:
        if record.release and record.release == self._awaited and record.start >= self.marks[-1].at:
            self._awaited = ""
            tell({"release": record.release, "first": record.answered, "asked": self.marks[-1].at})

    async def line(self, *, kept: bool) -> Line:
        """Return a connection: an idle one where it may be kept, else a new one."""
        while kept and self._idle:
            line, since = self._idle.pop()
            if line.open_still and time.monotonic() - since < IDLE_SECONDS:
                return line
            line.close()
        return await Line.open(*self._address)

    def give_back(self, line: Line, *, kept: bool) -> None:
        """Keep a connection for the next request, or close it."""
        if kept and line.reusable and line.open_still:
            self._idle.append((line, time.monotonic()))
        else:
            line.close()

    def head(self, method: str, path: str, *headers: str) -> bytes:
        """Return the head of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", "User-Agent: lading-load", *headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @property
    def options(self) -> argparse.Namespace:
        """How the run was asked for."""
        return self._options


class _Request:
    """One request under way, and what is known of its answer so far."""

    def __init__(self, load: Load, kind: str, id: str, *, kept: bool) -> None:
        self._load = load
        self._options = load.options
        self._kind = kind
        self._id = id
        self._kept = kept
        self.answered = 0.0
        self.status = 0
        self.release = ""

    async def carry_out(self) -> None:
        """Ask and hear the whole answer; raise Lost."""
        line = await self._load.line(kept=self._kept)
        try:
            if self._kind == "websocket":
                await self._echo(line)
            else:
                await self._http(line)
        finally:
            self._load.give_back(line, kept=self._kept)

    async def _http(self, line: Line) -> None:
        head = await line.ask(self._request())
        self._note(head)
        body = await line.body(head)
        self._note_body(body)
        if not 200 <= head.status < 300:
            raise Lost(f"status {head.status}")
        wanted = {"slow": self._options.slow_end, "events": self._options.events_end}.get(self._kind, "")
        if wanted and wanted.encode() not in body[-256:]:
            raise Lost("the answer ended before its end")

    def _request(self) -> bytes:
        options, connection = self._options, f"Connection: {'keep-alive' if self._kept else 'close'}"
        if self._kind != "write":
            path = {"fast": options.fast, "slow": options.slow, "events": options.events}[self._kind]
            return self._load.head("GET", path, connection)
        body = str(options.write_body).replace("{id}", self._id).encode()
        path = str(options.write).replace("{id}", self._id)
        more = ("Content-Type: application/json", f"Content-Length: {len(body)}", connection)
        return self._load.head("POST", path, *more) + body

    def _note(self, head: Head) -> None:
        self.status = head.status
        where, _, name = self._options.release.partition(":")
        if where == "header":
            self._seen(head.headers.get(name.lower(), ""))

    def _note_body(self, body: bytes) -> None:
        where, _, name = self._options.release.partition(":")
        if where == "json":
            with contextlib.suppress(ValueError):  # an answer without JSON names no release
                data = json.loads(body)
                self._seen(str(data.get(name, "")) if isinstance(data, dict) else "")

    def _seen(self, release: str) -> None:
        self.answered = time.monotonic()
        self.release = release

    async def _echo(self, line: Line) -> None:
        key, accepted = websocket_key()
        handshake = (
            "Connection: Upgrade",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        head = await line.ask(self._load.head("GET", self._options.websocket, *handshake))
        self._note(head)
        if head.status != 101 or head.headers.get("sec-websocket-accept") != accepted:
            raise Lost(f"no WebSocket: status {head.status}")
        ends = time.monotonic() + self._options.stream_seconds
        number = 0
        while time.monotonic() < ends:
            text = f"{self._id}/{number}".encode()
            number += 1
            await line.say(TEXT, text)
            if await line.hear() != (TEXT, text):
                raise Lost("WebSocket closed, or another echo")
            await asyncio.sleep(ECHO_SECONDS)
        await line.say(CLOSE, b"\x03\xe8")
        opcode, _payload = await line.hear()
        if opcode != CLOSE:
            raise Lost("WebSocket without a close")


def picker(mix: dict[str, float]) -> Callable[[], str]:
    """Return what picks classes in the mix's shares, evenly spread and the same in every run."""
    credit = dict.fromkeys(mix, 0.0)

    def pick() -> str:
        for kind, share in mix.items():
            credit[kind] += share
        kind = max(credit, key=lambda each: credit[each])
        credit[kind] -= 1.0
        return kind

    return pick


def parse_mix(text: str) -> dict[str, float]:
    """Read ``fast=0.8,write=0.2`` and scale it to 1."""
    shares = {name: float(share) for name, _, share in (part.partition("=") for part in text.split(",") if part)}
    unknown = shares.keys() - set(KINDS)
    if unknown or not shares or min(shares.values()) < 0 or not sum(shares.values()):
        raise argparse.ArgumentTypeError(f"a mix of {', '.join(KINDS)} is wanted, as in {DEFAULT_MIX}")
    whole = sum(shares.values())
    return {name: share / whole for name, share in shares.items() if share}


def tell(data: dict[str, Any]) -> None:
    """Print one JSON object a line, at once; a reader who has gone does not end the run."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(data), flush=True)


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--base", required=True, help="where the application answers, http://127.0.0.1:7301")
    add("--host", help="Host header, where it is another than the address")
    add("--rate", type=float, default=240.0, help="requests a second")
    how_long = parser.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--seconds", type=float, default=0.0)
    how_long.add_argument("--until-stdin-closes", action="store_true")
    add("--out", required=True, type=Path, help="where the figures go, as JSON")
    add("--writes", type=Path, help="where the ids of acknowledged and unacknowledged writes go, as JSON")
    add("--records", type=Path, help="where each request goes, a JSON list a line")
    add("--mix", default=DEFAULT_MIX, help="shares of the classes")
    add("--timeout", type=float, default=15.0, help="seconds for an answer, beside what is slow on purpose")
    add("--release", default="header:x-release", help="where an answer names its release: header:NAME or json:FIELD")
    add("--fast", default="/health", help="path of the fast requests")
    add("--slow", default="/api/v1/slow?seconds=5", help="path of an answer that is streamed slowly")
    add("--slow-seconds", type=float, default=10.0, help="seconds more than --timeout for all but the fast ones")
    add("--slow-end", default="end\n", help="what the slow answer ends with")
    add("--events", default="/api/v1/events?seconds=5", help="path of an event stream")
    add("--events-end", default="event: end", help="what the event stream ends with")
    add("--websocket", default="/api/v1/echo", help="path of a WebSocket that sends every text back")
    add("--stream-seconds", type=float, default=5.0, help="how long a WebSocket session lasts")
    add("--write", default="/api/v1/purchases", help="path of the writes; {id} is replaced")
    add("--write-body", default='{"reference": "{id}", "amount_cents": 100}', help="JSON body; {id} is replaced")
    return parser


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    os.replace(part, path)


async def carry_out(options: argparse.Namespace) -> Load:
    """Run the load as asked."""
    load = Load(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, load.stop.set)
    if options.until_stdin_closes:
        threading.Thread(target=_follow_stdin, args=(loop, load), daemon=True).start()
    await load.run()
    return load


def _follow_stdin(loop: asyncio.AbstractEventLoop, load: Load) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        for line in sys.stdin:
            if line.strip():
                loop.call_soon_threadsafe(load.mark, line.strip())
        loop.call_soon_threadsafe(load.stop.set)


def main(words: list[str] | None = None) -> int:
    """Run the load and write what came of it."""
    options = arguments().parse_args(words)
    # A collection of many records would stop the clock that measures others.
    gc.set_threshold(100_000, 50, 1000)
    load = asyncio.run(carry_out(options))
    figures = {"base": options.base, "rate": options.rate, "mix": parse_mix(options.mix)}
    figures |= {"began_monotonic": load.began, "marks": [list(mark) for mark in load.marks]}
    figures |= summary(load.records, load.began, load.marks)
    if options.writes:
        write_whole(options.writes, json.dumps(writes(load.records)))
    if options.records:
        write_whole(options.records, "".join(json.dumps(record) + "\n" for record in load.records))
    write_whole(options.out, json.dumps(figures, indent=1))
    tell({"sent": figures["sent"], "lost": figures["lost"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
