"""The errors of this room that several of its modules raise."""

from lading.model.errors import LadingError


def corrupt(
    doing: str,
    happened: str,
    *,
    now: str = "nothing of it is used; what serves is untouched",
    hint: str = "fetch the release again from where it was built, or build it again",
) -> LadingError:
    """Return the error for bytes that are not what their digest says."""
    return LadingError("artifact-corrupt", doing=doing, happened=happened, now=now, hint=hint)


def build_failed(doing: str, happened: str, *, hint: str, details: tuple[str, ...] = ()) -> LadingError:
    """Return the error for a build that gave no artifact."""
    return LadingError(
        "build-failed",
        doing=doing,
        happened=happened,
        now="no release was made; nothing that runs was touched",
        hint=hint,
        details=details,
    )
