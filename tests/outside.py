"""What lies outside of a host: servers in a network namespace of their own, reached over one cable."""

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import until

PORTS = (80, 443, 5432, 9000)
# Every server says where it is and what it was sent first; on 443 it only echoes, so that nothing needs certificates.
SERVER = """
import socketserver, sys, threading
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        port = self.server.server_address[1]
        if port == 5432:
            self.request.sendall(b"ready\\n")
        data = self.request.recv(65536)
        body = b"port %d got " % port + data
        if port == 80:
            head = b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n"
            self.request.sendall(head % len(body))
        self.request.sendall(body)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64
for port in map(int, sys.argv[2:]):
    server = Server(("0.0.0.0", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", flush=True)
threading.Event().wait()
"""
_numbers = itertools.count()


@contextmanager
def outside() -> Iterator[str]:
    """Give the address of servers outside of this host, which listen on :data:`PORTS` while the block runs."""
    number = (os.getpid() * 4 + next(_numbers)) % 16384
    name, near = f"lt{number}", f"198.18.{number // 64}.{number % 64 * 4}"
    base, _, last = near.rpartition(".")
    here, there = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
    _ip("netns", "add", name)
    server = None
    try:
        _ip("link", "add", f"{name}h", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{here}/30", "dev", f"{name}h")
        _ip("link", "set", f"{name}h", "up")
        for words in (["address", "add", f"{there}/30", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            _ip("-n", name, *words)
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "route", "add", "default", "via", here)
        server = subprocess.Popen(
            ["nsenter", f"--net=/var/run/netns/{name}", sys.executable, "-c", SERVER, name, *map(str, PORTS)],
            stdout=subprocess.PIPE,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == b"listening\n"
        yield there
    finally:
        if server is not None:
            server.kill()
            server.wait()
            server.stdout.close()  # type: ignore[union-attr]
        _ip("netns", "del", name)
        until(lambda: not Path(f"/sys/class/net/{name}h").exists(), within=5)


@contextmanager
def names(addresses: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Give what to put before a command so that it finds these names, as if they were in a directory of names."""
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as file:
        file.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in addresses.items()))
        file.flush()
        yield ("unshare", "--mount", "sh", "-c", f'mount --bind {file.name} /etc/hosts && exec "$@"', "sh")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
