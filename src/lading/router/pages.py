"""The page of environments under maintenance: run as ``python -m lading.router.pages ROOT``, its socket is file 3.

It answers everything with 503. What to say stands in the router's own file, whose first line is the record of all
routes. Standard library only: it must stay small.
"""

import contextlib
import html
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from lading.router.identity import RECORD

ABOUT = "x-lading-page"  # the header in which the router names the environment
WORKERS = 8  # answers under way at once; each takes a millisecond
PATIENCE = 5.0  # seconds until a connection that asks nothing is given up
HEAD_LIMIT = 64 * 1024  # bytes
RETRY_AFTER = 120  # seconds, where nobody said otherwise
NOTHING = "This service is under maintenance."

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Back soon</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;margin:20vh auto;max-width:32em;padding:0 1em;color:#222}}
h1{{font-size:1.4em}}@media(prefers-color-scheme:dark){{body{{background:#111;color:#ddd}}}}</style></head>
<body><h1>Back soon</h1><p>{message}</p></body></html>
"""


class Pages:
    """What to say of each environment, read again when the router's file has changed."""

    def __init__(self, root: Path) -> None:
        self._file = root / "routes" / "routes.yml"
        self._stamp: tuple[int, int] = (0, 0)
        self._known: dict[str, dict[str, Any]] = {}

    def of(self, environment: str) -> dict[str, Any]:
        """Return what is known of an environment's maintenance, empty when nothing is."""
        with contextlib.suppress(OSError, ValueError):  # what was read last still holds
            found = self._file.stat()
            if (found.st_mtime_ns, found.st_ino) != self._stamp:
                first = self._file.read_bytes().split(b"\n", 1)[0].removeprefix(RECORD)
                self._known = {one["environment"]: one.get("maintenance") or {} for one in json.loads(first)}
                self._stamp = (found.st_mtime_ns, found.st_ino)
        return self._known.get(environment, {})


def answer(head: str, pages: Pages) -> bytes:
    """Return the whole answer to a request's head: the page for browsers, JSON for all others."""
    lines = head.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    known = pages.of(headers.get(ABOUT, ""))
    message = str(known.get("message") or NOTHING)
    retry = int(known.get("retry_after") or RETRY_AFTER)
    if "text/html" in headers.get("accept", ""):
        kind, body = "text/html; charset=utf-8", PAGE.format(message=html.escape(message)).encode()
    else:
        told = {"error": "maintenance", "message": message, "retry_after": retry}
        kind, body = "application/json", json.dumps(told).encode() + b"\n"
    first = (
        f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {retry}\r\nCache-Control: no-store\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return first.encode() + (b"" if lines[0].startswith("HEAD ") else body)


def serve(listener: socket.socket, pages: Pages) -> None:
    """Answer connection after connection."""
    while True:
        client, _address = listener.accept()
        with client, contextlib.suppress(OSError):  # the client left
            client.settimeout(PATIENCE)
            head = _head(client)
            if head:
                client.sendall(answer(head, pages))
                client.shutdown(socket.SHUT_WR)
                # What is left of a body is taken, else closing would cut off the answer.
                while client.recv(65536):
                    pass


def _head(client: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < HEAD_LIMIT:
        part = client.recv(8192)
        if not part:
            return ""
        data += part
    return data.partition(b"\r\n\r\n")[0].decode("latin-1")


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    listener = socket.socket(fileno=3)
    pages = Pages(Path(arguments[0]))
    workers = [threading.Thread(target=serve, args=(listener, pages)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(sys.argv[1:])
