"""An object store that speaks S3, on loopback, for tests: moto's server, a program of its own."""

import itertools
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from tests.support import until

SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class StoreServer:
    """One server; buckets are made and looked at beside whatever is tested."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._numbers = itertools.count(1)

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"kept-{next(self._numbers)}"
        self._ask("PUT", name)
        return name

    def content(self, bucket: str, key: str) -> bytes | None:
        """Return what an object holds, None where there is none."""
        try:
            return self._ask("GET", f"{bucket}/{quote(key)}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def unfinished(self, bucket: str) -> int:
        """Return how many uploads in parts were begun and neither ended nor given up."""
        return self._ask("GET", f"{bucket}?uploads").count(b"<Upload>")

    def _ask(self, method: str, path: str) -> bytes:
        # It holds no signature against a key, but wants to see one.
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}
        request = urllib.request.Request(f"{self.endpoint}/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


@contextmanager
def serving_store(port: int = 0) -> Iterator[StoreServer]:
    """Serve a store for as long as the context lasts; what it holds is gone with it."""
    command = [sys.executable, "-c", SERVE, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if line.strip().isdigit())
            yield StoreServer(int(line))
        finally:
            process.stdin.close()
            process.terminate()
            until(lambda: process.poll() is not None, within=5)
