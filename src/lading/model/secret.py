"""A value that can be used but not seen."""

from collections.abc import Callable, Iterable

from lading.model.spellings import spellings

MASK = "•••"


class Secret:
    """Hold a secret so that printing, formatting, logging or serialising it shows a mask.

    Only :meth:`reveal` gives the value; every call of it is a place to review.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain value, to hand to the one consumer that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never serialised")


# Shorter values occur in ordinary text by chance; masking them would garble every line and hide nothing.
SHORTEST_REDACTED = 4


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Mask every known secret value of at least ``SHORTEST_REDACTED`` characters, in whatever usual spelling."""
    return redacting(secrets)(text)


def redacting(secrets: Iterable[Secret]) -> Callable[[str], str]:
    """Return what masks the values as :func:`redact` does, for many texts."""
    found = {form for secret in secrets for form in spellings(secret.reveal()) if len(form) >= SHORTEST_REDACTED}
    # Longest first: of a value within another the whole is masked. Ties by text, so that one text has one answer.
    forms = sorted(found, key=lambda form: (-len(form), form))

    def mask(text: str) -> str:
        for form in forms:
            text = text.replace(form, MASK)
        return text

    return mask
