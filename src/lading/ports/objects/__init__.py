"""Stores of objects that others run: where files go that outlive a host."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from lading.model.environment_table import ObjectStore
from lading.model.secret import Secret


class Opened(NamedTuple):
    """A place in a store, and the two secrets that open it."""

    store: ObjectStore
    access: Secret
    secret: Secret


class Stored(NamedTuple):
    """What a store holds of an object: bytes, and their sha256 in hex."""

    size: int
    sha256: str


class Objects(Protocol):
    """Puts objects into stores and reads them. Every failure is ``store-failed``, and none shows a secret.

    Keys are whole: the prefix of the place is already in them.
    """

    def look(self, at: Opened) -> None:
        """Raise unless the store answers, knows the key, and has the bucket; in seconds, and nothing is changed."""
        ...

    def put(self, at: Opened, key: str, size: int, read: Callable[[], Iterable[bytes]]) -> Stored:
        """Put what ``read`` gives, about ``size`` bytes, under a key, and return what the store holds then.

        When it returns, the store has shown that it holds the very bytes that were read: their number and their digest
        were held against each other. Large ones go in parts, with the memory of a part or two. An object of that key
        that holds the same already is left as it is, so that calling it again is safe; one that holds anything else is
        never replaced, and raises. What ``read`` raises while it is read comes through, and leaves no object.
        """
        ...

    def get(self, at: Opened, key: str) -> tuple[int, Iterator[bytes]]:
        """Return the size of an object and its bytes in pieces; raise when there is none, or none can be read."""
        ...
