"""One byte sequence per value: the encoding that digests and signatures are taken of."""

import functools
import hashlib
from typing import Any

import msgspec


def canonical_json(value: Any) -> bytes:
    """Encode a value as JSON with sorted keys and no spaces, the same bytes for equal values.

    Fields at their default are left out of values that omit defaults, so that a key which a later version of
    Lading adds changes no digest taken before.
    """
    return msgspec.json.encode(_plain(value), order="sorted")


def _plain(value: Any) -> Any:
    # msgspec itself leaves a default out by identity; two equal values must give equal bytes, so compare here.
    if isinstance(value, msgspec.Struct):
        config = type(value).__struct_config__
        fields = {
            field.encode_name: _plain(getattr(value, field.name))
            for field in _fields(type(value))
            if not (config.omit_defaults and _is_default(field, getattr(value, field.name)))
        }
        return {config.tag_field: config.tag, **fields} if config.tag_field is not None else fields
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    # What fields a kind of value has is read from its annotations, which takes longer than all the rest.
    return msgspec.structs.fields(kind)


def _is_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    if field.default is not msgspec.NODEFAULT:
        return bool(value == field.default)
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(value == field.default_factory())
    return False


def digest_of(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of a value."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def short(digest: str) -> str:
    """Shorten a digest for people: ``sha256:4f1c…``."""
    return digest[: len("sha256:") + 4] + "…"
