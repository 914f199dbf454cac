"""What crosses between two agents: only what is missing, in chunks, from where a cut left it."""

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard

from lading.client import transfer
from lading.client.transfer import is_whole, send_release
from lading.model.errors import LadingError

CHUNK = 1000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks and pauses of a test's size."""
    monkeypatch.setattr(transfer, "CHUNK", CHUNK)
    monkeypatch.setattr(transfer, "CUT_PAUSE", 0.0)


def blob(size: int, seed: int = 1) -> bytes:
    """Return bytes that nothing makes smaller."""
    return random.Random(seed).randbytes(size)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def release(*blobs: bytes) -> dict[str, Any]:
    layers = [{"digest": digest(data), "size": len(data)} for data in blobs]
    return {"project": "shop", "version": "v1", "artifacts": [{"layers": layers}]}


def cut() -> LadingError:
    return LadingError("agent-unreachable", happened="the connection broke off")


class Source:
    """An agent that has blobs, and gives them in small pieces."""

    address = "unix:///source"

    def __init__(self, *blobs: bytes) -> None:
        self.blobs = {digest(data): data for data in blobs}
        self.asked: list[int] = []

    def blob(self, name: str, offset: int = 0) -> Iterator[bytes]:
        self.asked.append(offset)
        data = self.blobs[name]
        for start in range(offset, len(data), 300):
            yield data[start : start + 300]


class Target:
    """An agent that lacks blobs; ``cuts`` are the bytes of a chunk that still arrive before a cut, chunk by chunk."""

    def __init__(self, *cuts: int | None, has: tuple[bytes, ...] = ()) -> None:
        self.whole = {digest(data) for data in has}
        self.parts: dict[str, bytes] = {}
        self.cuts = list(cuts)
        self.sent = 0
        self.encodings: list[str] = []
        self.records: list[str] = []

    def missing(self, blobs: dict[str, int], *, sending: bool = True) -> dict[str, int]:
        return {name: len(self.parts.get(name, b"")) for name in blobs if name not in self.whole}

    def add_to_blob(self, name: str, offset: int, size: int, data: bytes, encoding: str = "") -> int:
        self.encodings.append(encoding)
        plain = zstandard.ZstdDecompressor().decompress(data) if encoding else data
        assert len(plain) <= CHUNK
        self.sent += len(plain)
        arrives = self.cuts.pop(0) if self.cuts else None
        part = self.parts.get(name, b"")
        assert offset <= len(part)
        part += plain[len(part) - offset : arrives]
        self.parts[name] = part
        if arrives is not None:
            raise cut()
        if len(part) == size:
            del self.parts[name]
            if digest(part) != name:
                raise LadingError("artifact-corrupt", happened="other bytes")
            self.whole.add(name)
        return len(part)

    def put(self, path: str, body: Any) -> None:
        self.records.append(path)


def send(sent: dict[str, Any], source: Source, target: Target, report: Any = None) -> transfer.Transfer:
    return send_release(sent, source, target, report)  # type: ignore[arg-type]


def test_only_what_is_missing_is_sent_and_the_record_last() -> None:
    """What the other side has does not cross; the report hears how far the rest is."""
    there, missing = blob(500, 1), blob(2500, 2)
    target, heard = Target(has=(there,)), []
    moved = send(release(there, missing), Source(there, missing), target, lambda *told: heard.append(told))
    assert moved == (1, 2, 2500)
    assert heard == [(1000, 2500), (2000, 2500), (2500, 2500)]
    assert target.sent == 2500
    assert target.records == ["/v1/releases/shop/v1"]
    assert is_whole(target, release(there, missing))  # type: ignore[arg-type]


@pytest.mark.parametrize("arrives", [0, 1, 299, 700, 1000])
def test_after_a_cut_at_most_one_chunk_is_sent_again(arrives: int) -> None:
    """The sender asks what is there and goes on after it."""
    data = blob(3500)
    source, target = Source(data), Target(None, arrives)
    send(release(data), source, target)
    assert source.asked == [0, 1000 + arrives]
    assert len(data) <= target.sent <= len(data) + CHUNK
    assert target.sent == len(data) + 1000 - arrives


def test_a_later_call_goes_on_where_an_earlier_one_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives up leaves what has arrived to the next command."""
    data = blob(3500)
    source, target = Source(data), Target(None, 400, *([0] * 3))
    monkeypatch.setattr(transfer, "CUT_LIMIT", 0.0)
    with pytest.raises(LadingError, match="broke off"):
        send(release(data), source, target)
    assert target.records == []
    target.cuts = []
    assert send(release(data), source, target).size == 2100
    assert target.records


def test_what_a_crash_spoilt_is_sent_anew_once() -> None:
    """A part that is not what was sent shows at the end; then all of it is sent, and only once more."""
    data = blob(1500)
    target = Target()
    target.parts[digest(data)] = b"x" * 700
    send(release(data), Source(data), target)
    assert target.sent == 800 + 1500
    wrong = Source(data)
    wrong.blobs[digest(data)] = b"y" * 1500
    with pytest.raises(LadingError, match="other bytes"):
        send(release(data), wrong, Target())


def test_a_blob_that_is_too_short_at_its_source_is_no_endless_task() -> None:
    """A source that has less than it says is refused."""
    data = blob(1500)
    short = Source(data)
    short.blobs[digest(data)] = data[:1200]
    with pytest.raises(LadingError, match="1200 of 1500"):
        send(release(data), short, Target())


def test_what_is_not_compressed_travels_compressed() -> None:
    """Text gets smaller on its way; what is zstd or gzip already, or does not get smaller, goes as it is."""
    for data, encodings in (
        (b"line after line " * 100, ["zstd", "zstd"]),
        (blob(1500), ["", ""]),
        (b"\x28\xb5\x2f\xfd" + b"a" * 900, [""]),
    ):
        target = Target()
        send(release(data), Source(data), target)
        assert target.encodings == encodings
        assert digest(data) in target.whole


class Shipping(Source):
    """An agent that pushes to a registry; what it pushed is what the other one can pull."""

    def __init__(self, *blobs: bytes) -> None:
        super().__init__(*blobs)
        self.told: list[tuple[str, Any]] = []

    def stream(self, method: str, path: str, body: bytes | None = None) -> Iterator[dict[str, Any]]:
        self.told.append((path, json.loads(body) if body else None))
        yield {"crossed": {"blobs": 0, "size": 0}}


class Pulling(Target):
    """An agent that pulls from a registry, or breaks off in the middle."""

    address = "unix:///target"

    def __init__(self, *, breaks: bool = False, has: tuple[bytes, ...] = ()) -> None:
        super().__init__(has=has)
        self.breaks = breaks
        self.told: list[tuple[str, Any]] = []

    def stream(self, method: str, path: str, body: bytes) -> Iterator[dict[str, Any]]:
        asked = json.loads(body)
        self.told.append((path, asked))
        for name, size in asked["blobs"].items():
            self.whole.add(name)
            yield {"blob": name, "size": size}
        if not self.breaks:
            yield {"crossed": {"blobs": len(asked["blobs"]), "size": sum(asked["blobs"].values())}}


def shipped(*blobs: bytes) -> dict[str, Any]:
    made = release(*blobs)
    made["artifacts"][0]["name"] = "app"
    return {**made, "manifest": {"build": {"app": {"registry": "registry.example.org/shop"}}}}


def test_with_a_registry_the_source_pushes_and_the_target_pulls() -> None:
    """By digest, and only what is lacking; nothing crosses between the two agents but the record."""
    there, missing = blob(500, 1), blob(2500, 2)
    source, target, heard = Shipping(there, missing), Pulling(has=(there,)), []
    moved = send(shipped(there, missing), source, target, lambda *told: heard.append(told))
    assert moved == (1, 2, 2500)
    assert source.told == [("/v1/releases/shop/v1/push", None)]
    asked = {"repository": "registry.example.org/shop", "blobs": {digest(missing): 2500}}
    assert target.told == [("/v1/blobs/pull", asked)]
    assert (target.sent, heard, target.records) == (0, [(2500, 2500)], ["/v1/releases/shop/v1"])
    send(shipped(there, missing), source, target)
    assert (len(source.told), len(target.told)) == (1, 1)


def test_a_pull_that_breaks_off_is_no_transfer() -> None:
    """A stream without its last line is an agent that went away; the record is not sent."""
    target = Pulling(breaks=True)
    with pytest.raises(LadingError, match="broke off"):
        send(shipped(blob(10)), Shipping(blob(10)), target)
    assert target.records == []
