"""Traefik's own API, on loopback: what it has loaded, what it counts, what it complains about."""

import http.client
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

POLL_INTERVAL = 0.003  # seconds between two questions whether a revision is loaded
ANSWER_TIMEOUT = 2.0  # seconds one answer may take


class Api:
    """One connection to the API of the Traefik that now runs; ``port`` tells where that is, 0 when it is not up."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of an answer; (0, b"") when there is none."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port(), timeout=ANSWER_TIMEOUT)
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, b""

    def await_revision(self, name: str, within: float) -> bool:
        """Wait until the file of that revision is loaded; False when it is not in time."""
        deadline = time.monotonic() + within
        while self.get(f"/api/http/middlewares/{name}@file")[0] != http.HTTPStatus.OK:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_INTERVAL)
        return True

    def complaint(self, routers: Sequence[str], services: Sequence[str]) -> str:
        """Return why one of these routers or services is not in force, empty when all are."""
        for kind, wanted in (("routers", routers), ("services", services)):
            for name in wanted:
                status, body = self.get(f"/api/http/{kind}/{name}@file")
                found: dict[str, Any] = json.loads(body) if status == http.HTTPStatus.OK else {}
                if found.get("status") != "enabled":
                    reasons = found.get("error") or [f"it answers {status or 'nothing'} for it"]
                    return f"{kind[:-1]} {name} is not in force: {'; '.join(map(str, reasons))}"
        return ""


def log_size(log: Path) -> int:
    """Return the log's size in bytes, 0 when there is none."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def last_error(log: Path, since: int) -> str:
    """Return Traefik's last error line written after ``since`` bytes of its log, empty when there is none."""
    try:
        with log.open("rb") as file:
            # A shorter file is a rotated one.
            file.seek(since if since <= os.fstat(file.fileno()).st_size else 0)
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("level") in ("error", "fatal", "panic"):
            return ": ".join(str(entry[key]) for key in ("message", "error") if entry.get(key))
    return ""
