"""What the values of the manifest have in common: how they are made, and the limits of an instance."""

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the manifest's values: frozen, by keyword, defaults left out of the encoding.

    Leaving defaults out keeps a release's digest unchanged when a later version of Lading adds a key.
    """


class Resources(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Limits of one instance: cores, bytes, processes; None is no limit of its own."""

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None
