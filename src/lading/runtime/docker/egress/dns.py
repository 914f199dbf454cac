"""Just enough of DNS to answer for the IPv4 addresses of a name. Pure."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

A, IN = 1, 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 1, 2, 3
TTL = 20  # seconds that an answer may be kept
MOST = 20  # addresses in one answer
_ANSWER, _RECURSION_WANTED, _RECURSION_THERE = 0x8000, 0x0100, 0x0080
_NAME_OF_QUESTION = 0xC00C  # a pointer to where the question begins


class Question(NamedTuple):
    """A question for a name: its number, name, type, and its bytes, which an answer repeats."""

    number: int
    name: str
    kind: int
    raw: bytes
    recursion: bool


def question(packet: bytes) -> Question | None:
    """Return the one question of a packet; None for what is none."""
    if len(packet) < 17:
        return None
    number, flags, count = struct.unpack_from("!HHH", packet)
    if flags & _ANSWER or count != 1:
        return None
    labels, at = [], 12
    while at < len(packet) and (length := packet[at]):
        if length > 63:
            return None
        labels.append(packet[at + 1 : at + 1 + length])
        at += 1 + length
    if at + 5 > len(packet):
        return None
    kind = struct.unpack_from("!H", packet, at + 1)[0]
    name = b".".join(labels).decode("latin-1").lower()
    return Question(number, name, kind, packet[12 : at + 5], bool(flags & _RECURSION_WANTED))


def answer(asked: Question, addresses: Sequence[str] = (), code: int = NO_ERROR) -> bytes:
    """Return the answer to a question."""
    flags = _ANSWER | _RECURSION_THERE | code | (_RECURSION_WANTED if asked.recursion else 0)
    given = addresses[:MOST]
    packet = struct.pack("!HHHHHH", asked.number, flags, 1, len(given), 0, 0) + asked.raw
    for address in given:
        packed = bytes(int(part) for part in address.split("."))
        packet += struct.pack("!HHHIH", _NAME_OF_QUESTION, A, IN, TTL, 4) + packed
    return packet
