"""Which names an archive may hold: relative, plain, below its top."""

import posixpath


class UnsafeArchive(ValueError):
    """An archive holds something that must not be unpacked; the text names it."""


def clean_name(name: str) -> str:
    """Return a member's name without ``./`` and trailing slashes (empty for the top itself).

    Raise UnsafeArchive for absolute names and names with ``..``, empty or NUL parts.
    """
    if name.startswith("/"):
        raise UnsafeArchive(f"{name!r} is an absolute path")
    parts = [part for part in name.rstrip("/").split("/") if part != "."]
    if parts in ([], [""]):
        return ""
    if any(part in ("", "..") or "\0" in part for part in parts):
        raise UnsafeArchive(f"{name!r} is not a plain path below the top")
    return "/".join(parts)


def clean_target(name: str, target: str) -> str:
    """Return a symbolic link's target; raise UnsafeArchive when it leaves the tree (read without following links)."""
    if not target or target.startswith("/") or "\0" in target:
        raise UnsafeArchive(f"link {name!r} has the absolute or empty target {target!r}")
    end = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if end == ".." or end.startswith("../"):
        raise UnsafeArchive(f"link {name!r} leaves the tree by its target {target!r}")
    return target
