"""People who use an application while it changes: they read and write on schedule, and nothing is asked twice."""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PATIENCE = 15.0  # seconds for one answer
READERS, WRITERS = 4, 2

_numbers = itertools.count(1)


class Answer(NamedTuple):
    """What a server said."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return what the body says in JSON; ValueError, which shows the answer, where it does not or was no 200."""
        try:
            said = json.loads(self.body)
        except ValueError:
            said = None
        if self.status != 200 or said is None:
            raise ValueError(f"{self.status} {self.body[:300]!r}")
        return said


Ask = Callable[..., Answer]  # (method, path, body, headers), as http.client takes them
Read = Callable[[Ask], str]
Write = Callable[[Ask, int], bool]


class Visitors:
    """Readers and writers at work from now on, half of them over kept connections.

    ``read`` asks once and returns the version that answered; ``write`` writes something by its number and says whether
    the answer acknowledged it. ``versions`` counts who answered, ``written`` has what was acknowledged, ``lost`` what
    was answered wrongly or not at all.
    """

    def __init__(self, url: str, read: Read, write: Write | None, per_second: float) -> None:
        self.versions: Counter[str] = Counter()
        self.written: list[int] = []
        self.lost: list[str] = []
        self._place = urlsplit(url)
        self._read, self._write = read, write
        self._at_work = threading.Event()
        self._at_work.set()
        period = (READERS + WRITERS) / per_second
        roles = [self._read_once] * READERS + [self._write_once] * (WRITERS if write else 0)
        self._threads = [
            threading.Thread(target=self._work, args=(role, period, number % 2 == 0), daemon=True)
            for number, role in enumerate(roles)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def writes_nothing(self) -> bool:
        """Whether the application takes no writes."""
        return self._write is None

    def leave(self) -> None:
        """Let everybody finish what they are at; raise AssertionError when somebody does not."""
        self._at_work.clear()
        for thread in self._threads:
            thread.join(PATIENCE + 1.0)
            assert not thread.is_alive(), "a visitor still waits"

    def _work(self, act: Callable[[Ask], None], period: float, keeps: bool) -> None:
        line: http.client.HTTPConnection | None = None
        due = time.monotonic()
        while self._at_work.is_set():
            line = line or http.client.HTTPConnection(self._place.hostname or "", self._place.port, timeout=PATIENCE)
            try:
                act(_asking(line))
            except (OSError, http.client.HTTPException, ValueError, KeyError, AssertionError) as error:
                self.lost.append(f"{time.strftime('%H:%M:%S')} {act.__name__.strip('_')}: {error!r}")
                keeps_on = False
            else:
                keeps_on = keeps
            if not keeps_on:
                line.close()
                line = None
            due += period
            time.sleep(max(0.0, due - time.monotonic()))
        if line is not None:
            line.close()

    def _read_once(self, ask: Ask) -> None:
        self.versions[self._read(ask)] += 1

    def _write_once(self, ask: Ask) -> None:
        number = next(_numbers)
        assert self._write is not None
        if not self._write(ask, number):
            raise ValueError(f"number {number} was not acknowledged")
        self.written.append(number)


def _asking(line: http.client.HTTPConnection) -> Ask:
    def ask(method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        line.request(method, path, body, headers or {})
        response = line.getresponse()
        return Answer(response.status, response.read())

    return ask


def asked(url: str, path: str) -> Answer:
    """Ask once and return the answer."""
    place = urlsplit(url)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
    try:
        return _asking(line)("GET", path)
    finally:
        line.close()


@contextmanager
def visitors(url: str, read: Read, write: Write | None, per_second: float = 60.0) -> Iterator[Visitors]:
    """Have visitors for the length of the block; they have left when it is over."""
    there = Visitors(url, read, write, per_second)
    try:
        yield there
    finally:
        there.leave()
