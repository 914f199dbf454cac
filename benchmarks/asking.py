"""Asks one place again and again from outside, and notes which release answered when."""

import http.client
import threading
import time
from typing import NamedTuple

EVERY = 0.01  # seconds between two questions
PATIENCE = 5.0  # seconds one answer may take


class Sighting(NamedTuple):
    """One good answer: when it was asked and answered (monotonic seconds), and by which release."""

    asked: float
    answered: float
    release: str


class Asker(threading.Thread):
    """Asks ``http://HOST:PORT/PATH`` every 10 ms, over one connection as long as it stands, until it is closed."""

    def __init__(self, port: int, path: str, host: str = "127.0.0.1", domain: str = "") -> None:
        super().__init__(daemon=True)
        self._host = host
        self._port = port
        self._path = path
        self._headers = {"Host": domain} if domain else {}
        self._over = threading.Event()
        self._news = threading.Condition()
        self._seen: list[Sighting] = []

    def __enter__(self) -> "Asker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Ask until closed. Whatever is no good answer is left out: the caller waits for a good one."""
        line = self._line()
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() + EVERY
            try:
                self._ask(line)
            except (OSError, http.client.HTTPException):
                line.close()
                line = self._line()
        line.close()

    def _line(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)

    def _ask(self, line: http.client.HTTPConnection) -> None:
        asked = time.monotonic()
        line.request("GET", self._path, headers=self._headers)
        answer = line.getresponse()
        answer.read()
        if answer.status == http.client.OK:
            with self._news:
                self._seen.append(Sighting(asked, time.monotonic(), answer.getheader("x-release", "")))
                self._news.notify_all()

    def first(self, release: str, after: float, within: float) -> Sighting:
        """Return the first answer of a release to a question asked after a moment, waiting for it."""

        def found() -> Sighting | None:
            return next((seen for seen in self._seen if seen.release == release and seen.asked >= after), None)

        with self._news:
            seen = self._news.wait_for(found, within)
        if seen is None:
            raise TimeoutError(f"no answer of {release} on port {self._port} within {within:g} s")
        return seen
