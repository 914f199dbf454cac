"""Uploads that are cut: what arrives, and how much of it was sent twice."""

import hashlib
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from lading.client.address import parse_address
from lading.client.agent import Agent
from lading.client.transfer import is_whole, send_blob, send_release
from lading.model.errors import LadingError
from tests.machines import Machine

PIECE = 1 << 16


class Cut(ABC):
    """Something on its way to a machine's agent, whose cable is cut at ``cuts`` (bytes that crossed it)."""

    def __init__(self, machine: Machine, cuts: list[int]) -> None:
        self._machine = machine
        self._cuts = sorted(cuts)
        self._over = threading.Event()
        self.size = 0
        self.sent = 0
        self.cut = 0
        self.seconds = 0.0

    @property
    def again(self) -> int:
        """Bytes that were sent more than once."""
        return self.sent - self.size

    @abstractmethod
    def send(self, target: Agent) -> None:
        """Send it; raise AssertionError when it is not whole at the other side."""

    def _send_cut(self, target: Agent) -> None:
        target.get("/v1/agent")
        cutting = threading.Thread(target=self._cut)
        cutting.start()
        began = time.monotonic()
        try:
            self.send(target)
        finally:
            self._over.set()
            cutting.join()
        self.seconds = time.monotonic() - began

    def _cut(self) -> None:
        before = self._machine.wire()
        for point in self._cuts:
            while self._machine.wire() - before < point:
                if self._over.wait(0.001):
                    return
            self._machine.cut()
            self.cut += 1

    def _target(self) -> Agent:
        return _Counting(self, f"ssh://root@{self._machine.address}")


class Upload(Cut):
    """A blob of random bytes."""

    def __init__(self, machine: Machine, *, size: int, cuts: list[int], seed: int = 1) -> None:
        super().__init__(machine, cuts)
        self._data = random.Random(seed).randbytes(size)
        self._digest = "sha256:" + hashlib.sha256(self._data).hexdigest()
        self.size = size
        self.address = "memory"

    def run(self) -> "Upload":
        """Send it; raise AssertionError when it is not whole at the other side."""
        self._send_cut(self._target())
        return self

    def send(self, target: Agent) -> None:
        """Send it; raise AssertionError when it is not whole at the other side."""
        here = target.missing({self._digest: self.size})[self._digest]
        send_blob(self._digest, self.size, self, target, here, lambda _: None)  # type: ignore[arg-type]
        assert target.missing({self._digest: self.size}, sending=False) == {}, "the blob is not whole"

    def blob(self, digest: str, offset: int = 0) -> Iterator[bytes]:
        """Give the bytes, as a source does."""
        for start in range(offset, len(self._data), PIECE):
            yield self._data[start : start + PIECE]


class ReleaseUpload(Cut):
    """A release that the agent ``source`` has, whole or in part new to the machine."""

    def __init__(self, machine: Machine, release: dict[str, Any], source: Agent, cuts: list[int]) -> None:
        super().__init__(machine, cuts)
        self._release = release
        self._source = source

    def run(self) -> "ReleaseUpload":
        """Send it; raise AssertionError when it is not whole at the other side."""
        self._send_cut(self._target())
        return self

    def send(self, target: Agent) -> None:
        """Send it; raise AssertionError when it is not whole at the other side."""
        self.size = send_release(self._release, self._source, target).size
        assert is_whole(target, self._release), "the release is not whole"


class _Counting(Agent):
    """An agent that counts what it is sent, before anything is compressed for the way."""

    def __init__(self, upload: Cut, address: str) -> None:
        super().__init__(parse_address(address))
        self._upload = upload

    def add_to_blob(self, digest: str, offset: int, size: int, data: bytes, encoding: str = "") -> int:
        try:
            reached = super().add_to_blob(digest, offset, size, data, encoding)
        except LadingError:
            self._upload.sent += len(data)
            raise
        self._upload.sent += reached - offset
        return reached
