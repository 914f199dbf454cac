"""What every adapter of Objects must keep, as tests: subclass it and give a ``bench`` fixture."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

from lading.model.environment_table import ObjectStore
from lading.model.errors import LadingError
from lading.ports.objects import Objects, Opened

PIECE = 1 << 16  # bytes


class Bench(Protocol):
    """An adapter with a store of its own that holds nothing at first; ``at`` opens it, ``away`` opens none."""

    objects: Objects
    at: Opened
    away: Opened
    large: int

    def content(self, key: str) -> bytes | None:
        """Return what the store holds under a key, asked beside the adapter; None for nothing."""
        ...


def pieces(content: bytes) -> Iterator[bytes]:
    """Give content as a file is read."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def put(bench: Bench, key: str, content: bytes, at: Opened | None = None) -> str:
    """Put content under a key and return its digest, as the adapter says it."""
    stored = bench.objects.put(at or bench.at, key, len(content), lambda: pieces(content))
    assert stored.size == len(content)
    return stored.sha256


def refused(ask: Callable[[], object]) -> LadingError:
    """Return the error that asking must raise."""
    try:
        ask()
    except LadingError as error:
        return error
    raise AssertionError("nothing was refused")


def refusal(bench: Bench, key: str, content: bytes | None = None, at: Opened | None = None) -> LadingError:
    """Return the error that putting content, or getting a key, must raise."""
    if content is None:
        return refused(lambda: list(bench.objects.get(at or bench.at, key)[1]))
    return refused(lambda: put(bench, key, content, at))


class ObjectsConformance:
    """The promises of the Objects port."""

    def test_a_store_that_is_well_is_looked_at(self, bench: Bench) -> None:
        """Looking at a place says nothing where all is well, also where nothing was ever put."""
        bench.objects.look(bench.at)
        put(bench, "shop/a", b"content")
        bench.objects.look(bench.at)

    def test_what_was_put_is_got(self, bench: Bench) -> None:
        """Bytes come back as they were, nothing included, and their digest is told."""
        for key, content in (("shop/a.bin", bytes(range(256)) * 300), ("shop/empty", b"")):
            assert put(bench, key, content) == hashlib.sha256(content).hexdigest()
            size, found = bench.objects.get(bench.at, key)
            assert (size, b"".join(found)) == (len(content), content)
            assert bench.content(key) == content

    def test_what_is_large_goes_in_parts(self, bench: Bench) -> None:
        """More than one part arrives whole, and is proven to."""
        content = b"0123456789abcdef" * (bench.large // 16) + b"tail"
        assert put(bench, "shop/large.bin", content) == hashlib.sha256(content).hexdigest()
        size, found = bench.objects.get(bench.at, "shop/large.bin")
        assert (size, hashlib.sha256(b"".join(found)).hexdigest()) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
        assert put(bench, "shop/large.bin", content) == hashlib.sha256(content).hexdigest()

    def test_names_are_kept(self, bench: Bench) -> None:
        """Whatever a program calls its files, each is an object of its own."""
        names = ("a b.txt", "ü/ключ.json", "50%.csv", "50%25.csv", "what?#1.md", "two\nlines", "back\\slash", "a+b=c&d")
        for name in names:
            put(bench, f"shop/{name}", name.encode())
        for name in names:
            assert b"".join(bench.objects.get(bench.at, f"shop/{name}")[1]) == name.encode()

    def test_the_same_again_changes_nothing(self, bench: Bench) -> None:
        """Who was killed after a put puts again, and finds it done."""
        assert put(bench, "shop/a", b"content") == put(bench, "shop/a", b"content")
        assert bench.content("shop/a") == b"content"

    def test_nothing_is_replaced(self, bench: Bench) -> None:
        """An object that holds something else stays, also when it is as long."""
        put(bench, "shop/a", b"content")
        for other in (b"tnetnoc", b"more content", b""):
            assert "already" in refusal(bench, "shop/a", other).happened
        assert bench.content("shop/a") == b"content"

    def test_what_cannot_be_read_leaves_nothing(self, bench: Bench) -> None:
        """A reader that fails half-way is heard as it is, and no part of the object is there."""

        class Away(Exception):
            pass

        def read() -> Iterator[bytes]:
            for _ in range(bench.large // PIECE + 2):
                yield b"x" * PIECE
            raise Away

        for size in (PIECE, bench.large * 2):
            try:
                bench.objects.put(bench.at, "shop/half", size, read)
            except Away:
                pass
            else:
                raise AssertionError("it was not heard")
            assert bench.content("shop/half") is None

    def test_what_is_not_there_is_said(self, bench: Bench) -> None:
        """An object that nobody put is missing by name."""
        assert "shop/none" in str(refusal(bench, "shop/none"))

    def test_a_store_that_is_not_there_is_said(self, bench: Bench) -> None:
        """Who cannot reach a store, or is not known there, hears so, with the address and without a secret."""
        looked = refused(lambda: bench.objects.look(bench.away))
        assert bench.away.store.store in str(looked)
        for error in (
            looked,
            refusal(bench, "shop/a", b"content", bench.away),
            refusal(bench, "shop/a", at=bench.away),
        ):
            assert error.code == "store-failed"
            assert "shop/a" in str(error) or error is looked
            told = f"{error} {error.__cause__!r} {error.__context__!r}"
            assert bench.away.secret.reveal() not in told


def place(name: str = "kept/outputs", endpoint: str | None = None) -> ObjectStore:
    """Return a place in a store."""
    return ObjectStore(store=f"s3://{name}", endpoint=endpoint)
