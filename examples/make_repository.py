"""Make a git repository of an example, with a commit and a tag for each of its versions.

``python examples/make_repository.py cashback DEST [--at v1.0.0] [--classic]``

The folder of the example is v1.0.0. ``versions/vX.Y.Z.patch`` and the files below ``versions/vX.Y.Z/`` each turn the
version before into that one. ``NAME/VARIANT`` is the example with the files of ``variants/VARIANT`` laid over it, which
has versions of its own; its ``v1.0.0.patch`` is for files of the example of which little differs. ``NAME.sql`` becomes
the SQLite file ``NAME.db``. The same input gives the same commits (on the same SQLite), whatever the user's git
configuration says. ``--classic`` leaves the caches of builds out, which only BuildKit has: the images are the same, and
every builder makes them.
"""

import argparse
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
FIRST = "v1.0.0"
VERSION = re.compile(r"v\d+\.\d+\.\d+")
LITTER = ("road.toml", "*.sql", "*.db*", ".env", ".venv", "__pycache__", ".*_cache", "node_modules", "dist")
LEFT_OUT = shutil.ignore_patterns("versions", "variants", *LITTER)
LATER_LEFT_OUT = shutil.ignore_patterns(*LITTER)
CACHE = re.compile(r"--mount=type=cache\S* ")
EPOCH = 1_750_000_000  # the first commit's time; each later one is a day after
DAY = 86_400


def make_repository(name: str, destination: Path, at: str | None = None, *, classic: bool = False) -> tuple[str, ...]:
    """Make the repository of an example at ``destination`` and return its tags, oldest first.

    The branch ``main`` is checked out at the newest version, or the tag ``at``; ``classic`` makes it one whose images
    need no BuildKit. Raise FileExistsError when something is there, FileNotFoundError when there is no such example.
    """
    name, _, variant = name.partition("/")
    source = EXAMPLES / name
    overlay = source / "variants" / variant if variant else None
    if overlay is not None and not overlay.is_dir():
        raise FileNotFoundError(f"there is no variant {variant!r} of {name} in {EXAMPLES}")
    if not (source / "lading.toml").is_file():
        raise FileNotFoundError(f"there is no example {name!r} in {EXAMPLES}")
    if destination.exists() and any(destination.iterdir()):
        raise FileExistsError(f"{destination} is not empty; nothing was changed")
    shutil.copytree(source, destination, ignore=LEFT_OUT, dirs_exist_ok=True)
    if overlay is not None:
        shutil.copytree(overlay, destination, ignore=LATER_LEFT_OUT, dirs_exist_ok=True)
        shutil.rmtree(destination / "versions", ignore_errors=True)
        source = overlay
    for script in sorted(source.glob("*.sql")):
        with closing(sqlite3.connect(destination / f"{script.stem}.db")) as connection:
            connection.executescript(script.read_text("utf-8"))
    _git(destination, "init", "--quiet", "--template=")
    # Not by an option of init, which older versions of git do not have.
    _git(destination, "symbolic-ref", "HEAD", "refs/heads/main")
    tags = (FIRST, *_later_versions(source))
    for day, tag in enumerate(tags):
        if tag != FIRST or overlay is not None:
            _turn_into(destination, source / "versions", tag)
        if classic:
            _leave_caches_out(destination)
        _commit(destination, f"{name} {tag}", EPOCH + day * DAY)
        _git(destination, "tag", tag)
    if at is not None:
        _git(destination, "checkout", "--quiet", "--detach", at)
    return tags


def _later_versions(source: Path) -> list[str]:
    names = {found[0] for entry in source.glob("versions/v*") if (found := VERSION.match(entry.name))}
    return sorted(names - {FIRST}, key=lambda name: tuple(map(int, name[1:].split("."))))


def _turn_into(destination: Path, versions: Path, tag: str) -> None:
    patch, files = versions / f"{tag}.patch", versions / tag
    if patch.is_file():
        _git(destination, "apply", "--whitespace=nowarn", str(patch))
    if files.is_dir():
        # With the time of now: git takes a file of the same size and an old time for the one it knows.
        shutil.copytree(files, destination, ignore=LATER_LEFT_OUT, dirs_exist_ok=True, copy_function=shutil.copy)


def _leave_caches_out(destination: Path) -> None:
    for dockerfile in destination.rglob("Dockerfile"):
        dockerfile.write_text(CACHE.sub("", dockerfile.read_text()))


def _commit(destination: Path, message: str, at: int) -> None:
    # The database file of an example is part of it, even where its .gitignore leaves such files out.
    _git(destination, "add", "--all", "--force")
    _git(destination, "commit", "--quiet", "--no-verify", "--message", message, at=at)


def _git(place: Path, *words: str, at: int = EPOCH) -> None:
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(place),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(place.resolve().parent),
    }
    for role in ("AUTHOR", "COMMITTER"):
        variables |= {
            f"GIT_{role}_NAME": "Lading examples",
            f"GIT_{role}_EMAIL": "examples@lading.invalid",
            f"GIT_{role}_DATE": f"{at} +0000",
        }
    done = subprocess.run(["git", *words], cwd=place, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)} in {place}: {done.stderr.strip()}")


def main() -> None:
    """Read the command line and say what was made."""
    parser = argparse.ArgumentParser(description="Make a git repository of an example.")
    parser.add_argument("name", help="a folder beside this file, such as cashback")
    parser.add_argument("destination", type=Path, help="an empty or new directory")
    parser.add_argument("--at", metavar="TAG", help="check this version out instead of the newest")
    parser.add_argument("--classic", action="store_true", help="leave out what only BuildKit can do: caches of builds")
    given = parser.parse_args()
    try:
        tags = make_repository(given.name, given.destination, given.at, classic=given.classic)
    except (FileExistsError, FileNotFoundError, RuntimeError) as error:
        sys.exit(str(error))
    sys.stdout.write(f"{given.destination}: {' '.join(tags)}\n")


if __name__ == "__main__":
    main()
