"""JSON and plain values as our own types, safe where several threads meet a type for the first time.

msgspec works out what a type is made of when it first meets it, and notes it at the type before it is complete: another
thread that decodes the same type meanwhile brings the process down with a segmentation fault (seen with msgspec 0.22;
``tests/unit/model/test_typed.py`` shows it). So here one thread works a type out, whole, before any other gets to see
it; nothing else calls msgspec with a type.
"""

import threading
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_working_out = threading.RLock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


@overload
def decode(data: bytes | str, kind: type[T]) -> T: ...


@overload
def decode(data: bytes | str, kind: Any) -> Any: ...


def decode(data: bytes | str, kind: Any) -> Any:
    """Return JSON as a value of a type; raise ``msgspec.DecodeError``, ``ValidationError`` where it is none."""
    return _decoder(kind).decode(data)


def plain(data: bytes | str) -> Any:
    """Return JSON as dicts, lists, strings and numbers; raise ``msgspec.DecodeError`` where it is none."""
    return msgspec.json.decode(data)


@overload
def convert(value: Any, kind: type[T]) -> T: ...


@overload
def convert(value: Any, kind: Any) -> Any: ...


def convert(value: Any, kind: Any) -> Any:
    """Return plain values (dicts, lists, strings …) as one of a type; raise ``msgspec.ValidationError``."""
    _decoder(kind)  # what it is made of is known from here on
    return msgspec.convert(value, kind)


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(kind)
    if decoder is None:
        with _working_out:
            decoder = _decoders.get(kind)
            if decoder is None:
                decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder
