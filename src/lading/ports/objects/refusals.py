"""What every store of objects says when it fails: one wording, whatever is behind it."""

from lading.model.errors import LadingError

RIGHTS = "its key has to be allowed to list the bucket, and to put and get objects below the prefix"


def failed(doing: str, happened: str, hint: str = "") -> LadingError:
    """Return the failure of something that was asked of a store."""
    return LadingError(
        "store-failed", doing=doing, happened=happened, now="nothing in the store was replaced", hint=hint
    )


def taken(url: str) -> LadingError:
    """Return the refusal to replace an object."""
    return failed(
        f"putting {url}",
        "an object of that name is there already and holds something else",
        "look at it in the store, and remove it there if it is worth nothing",
    )


def missing(url: str) -> LadingError:
    """Return what is said of an object that is not there."""
    return failed(f"getting {url}", "the store has no object of that name any more", "look for it in the store")
