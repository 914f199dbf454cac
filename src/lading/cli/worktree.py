"""The work tree as git would commit it now, for local environments: taken without a trace in the repository."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lading.cli.source import Head, described, export, git, head
from lading.model.errors import LadingError

DIGITS = 7  # of the content's digest in a version, as many as git shows of a commit


class WorkTree(NamedTuple):
    """What git tracks of a directory, as it is now.

    ``head`` is the commit and the version by which it is built: where nothing was changed those of HEAD, else a
    version that its content gives, such as ``v1.0.0-3-gabc1234-dirty.4f1c2a9``. ``changed`` names what differs from
    HEAD, ``untracked`` what git neither tracks nor ignores, which is left out.
    """

    directory: Path
    head: Head
    tree: str
    environ: dict[str, str]
    changed: tuple[str, ...]
    untracked: tuple[str, ...]

    def export(self) -> Iterator[bytes]:
        """Yield the tar of the directory."""
        return export(self.directory, self.tree, self.environ)


@contextmanager
def taken(directory: Path, manifest: str) -> Iterator[WorkTree]:
    """Take the work tree of a directory; the manifest belongs to it even where git does not track it yet.

    A new file counts from ``git add`` on, as for a release: what a program or an editor leaves lying about does not.
    Raise ``source-invalid`` when there is no repository or no commit.
    """
    commit = head(directory)
    with tempfile.TemporaryDirectory(prefix="lading-tree-") as scratch:
        environ = _apart(directory, Path(scratch))
        tree = _written(directory, manifest, environ)
        # The directory's own part: what changes elsewhere in the repository is another project's.
        prefix = git(directory, "rev-parse", "--show-prefix") or ""
        own = git(directory, "rev-parse", f"{tree}:{prefix}", environ=environ) or tree
        listed = git(directory, "diff", "--name-only", "--relative", commit.commit, tree, environ=environ) or ""
        changed = tuple(listed.splitlines())
        if changed:
            dirty = f"-dirty.{own[:DIGITS]}"
            named = Head(f"{commit.commit}{dirty}", f"{described(directory, commit)}{dirty}")
        else:
            named, tree = commit, commit.commit
        others = git(directory, "ls-files", "--others", "--exclude-standard", "--directory", environ=environ) or ""
        yield WorkTree(directory, named, tree, environ, changed, tuple(others.splitlines()))


def _apart(directory: Path, scratch: Path) -> dict[str, str]:
    """Return the environment in which git writes nothing into the repository: index and new objects lie apart."""
    (scratch / "objects").mkdir()
    index, objects = (git(directory, "rev-parse", "--git-path", name) or "" for name in ("index", "objects"))
    with_index = directory / index
    if with_index.is_file():
        # With what git knows of the files' times, so that only changed ones are read.
        shutil.copy2(with_index, scratch / "index")
    return {
        **os.environ,
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((directory / objects).absolute()),
    }


def _written(directory: Path, manifest: str, environ: dict[str, str]) -> str:
    added = git(directory, "add", "--update", "--", ".", environ=environ)
    named = git(directory, "add", "--force", "--", manifest, environ=environ)
    tree = git(directory, "write-tree", environ=environ)
    if added is None or named is None or not tree:
        raise LadingError(
            "source-invalid",
            doing=f"reading the work tree in {directory}",
            happened="git could not write down what it tracks",
            now="nothing was built",
            hint="git status says why; git fsck, if it does not",
        )
    return tree
