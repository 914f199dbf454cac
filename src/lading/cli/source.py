"""The project's git repository: which commit is HEAD, whether the work tree is clean, and its export as a stream."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lading.model.errors import LadingError

CHUNK = 1 << 16  # bytes of the export read at a time
SHOWN_FILES = 10

# The same shape as lading.model.release.SEMANTIC_VERSION, which would import the whole model here.
_TAG = re.compile(r"v?\d+\.\d+\.\d+(?:[-+].*)?")


class Head(NamedTuple):
    """The commit at HEAD: its full id, and the version it has by itself (its tag, else ``g<short id>``)."""

    commit: str
    version: str


def head(directory: Path) -> Head:
    """Return the commit at HEAD; raise ``source-invalid`` when there is no repository or no commit."""
    commit = git(directory, "rev-parse", "--verify", "-q", "HEAD^{commit}")
    if commit is None:
        inside = git(directory, "rev-parse", "--git-dir") is not None
        raise LadingError(
            "source-invalid",
            doing=f"reading the source in {directory}",
            happened="the git repository has no commit" if inside else "it is not a git repository",
            hint="git add . && git commit" if inside else "git init && git add . && git commit",
        )
    tags = (git(directory, "tag", "--points-at", "HEAD", "--sort=-version:refname") or "").split()
    version = next((tag for tag in tags if _TAG.fullmatch(tag)), f"g{commit[:7]}")
    return Head(commit, version)


def described(directory: Path, commit: Head) -> str:
    """Return how far a commit is from the last release: its tag, ``v1.0.0-3-gabc1234``, or ``gabc1234`` without one."""
    if _TAG.fullmatch(commit.version):
        return commit.version
    told = git(directory, "describe", "--tags", "--abbrev=7", "--match", "v[0-9]*", "--match", "[0-9]*", commit.commit)
    return told if told is not None and _TAG.fullmatch(told) else commit.version


def require_clean(directory: Path, manifest: str) -> list[str]:
    """Raise ``source-dirty`` when a tracked file differs from HEAD; return the untracked files, which stay out."""
    status = git(directory, "status", "--porcelain", "--untracked-files=normal", "--", ".") or ""
    lines = [line for line in status.splitlines() if line]
    changed = [line for line in lines if not line.startswith("??")]
    untracked = [line[3:] for line in lines if line.startswith("??")]
    if manifest in untracked:
        changed.append(f"?? {manifest}")
    if changed:
        more = [f"… and {len(changed) - SHOWN_FILES} more"] if len(changed) > SHOWN_FILES else []
        raise LadingError(
            "source-dirty",
            doing=f"reading the source in {directory}",
            happened="the work tree has changes that are not committed, and releases are built from commits",
            details=(*changed[:SHOWN_FILES], *more),
            now="nothing was built",
            hint="git commit (or git stash), then the same command again",
        )
    return untracked


def require_tag_here(directory: Path, version: str, commit: str) -> None:
    """Raise ``source-invalid`` when a git tag of the version's name points to another commit than HEAD."""
    tagged = git(directory, "rev-parse", "--verify", "-q", f"refs/tags/{version}^{{commit}}")
    if tagged is not None and tagged != commit:
        raise LadingError(
            "source-invalid",
            doing=f"releasing {version}",
            happened=f"the tag {version} points to {tagged[:7]}, HEAD is {commit[:7]}",
            now="nothing was built",
            hint=f"git checkout {version}, or choose another version",
        )


def export(directory: Path, commit: str, environ: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """Yield the tar of the directory as a commit or tree has it; raise ``source-invalid`` when git cannot write it.

    ``environ`` says where git finds the objects of a tree that is in no repository.
    """
    with subprocess.Popen(
        ["git", "archive", "--format=tar", commit],
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            while chunk := process.stdout.read(CHUNK):
                yield chunk
            trouble = process.stderr.read().decode(errors="replace").strip()
        except GeneratorExit:
            process.kill()
            raise
    if process.returncode:
        raise LadingError(
            "source-invalid",
            doing=f"exporting {commit[:7]} of {directory}",
            happened=f"git archive ended with {process.returncode}: {trouble}",
            now="nothing was built",
            hint="git fsck",
        )


def git(directory: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return what a git command prints in a directory, None when it fails; ``source-invalid`` without git."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LadingError(
            "source-invalid",
            doing="reading the source",
            happened="the program git is not installed",
            hint="apt-get install git",
        ) from error
    return done.stdout.rstrip("\n") if done.returncode == 0 else None
