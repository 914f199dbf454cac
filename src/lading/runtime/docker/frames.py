"""A container's output as the engine sends it: frames of one stream or the other, each with a head of eight bytes."""

import struct
from collections.abc import Iterator
from typing import Protocol

HEAD = struct.Struct(">B3xL")


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        ...


def frames(stream: Readable) -> Iterator[bytes]:
    """Yield the content of both streams in the order the engine has it; a broken last frame ends it."""
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        _, size = HEAD.unpack(head)
        yield stream.read(size)


def text(stream: Readable) -> str:
    """Return all output as text."""
    return b"".join(frames(stream)).decode(errors="replace")
