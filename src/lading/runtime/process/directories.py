"""An environment's directories and whose they are.

What root walks through belongs to root; the environment's user owns what lies at the ends (home, temporary files, each
volume, each database, outputs) and so can put no link in the way of what root does there.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from lading.model.environment import InstanceSpec
from lading.runtime.process import users
from lading.runtime.process.launch import Place

SQLITE_COMPANIONS = ("", "-wal", "-shm", "-journal")


def provide(place: Place, spec: InstanceSpec, owner: int) -> None:
    """See that the environment's directories are there and belong to whom they should."""
    place.data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    hold(place.data)
    for directory in (place.home, place.temporary):
        give(directory, owner)
    for name in spec.volumes:
        hold(place.volume(name).parent)
        give(place.volume(name), owner)
    for path in sqlite_files(spec):
        if lies_in(place, path):
            _give_database(place, path, owner)


def hold(directory: Path) -> None:
    """See that a directory is there, no link, and for an agent that is root that it is root's and can be passed."""
    directory.mkdir(mode=0o700, exist_ok=True)
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise NotADirectoryError(
            errno.ENOTDIR, "it is no directory, but a link or file that somebody put there", str(directory)
        )
    if os.geteuid() == 0:
        # Owner first: from then on nobody else can put something other in its place.
        os.chown(directory, 0, 0, follow_symlinks=False)
        directory.chmod(0o711)


def give(directory: Path, owner: int) -> None:
    """See that a directory is there and, with all that lies in it, the owner's; its parent must be held."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        users.give_tree(directory, owner)


def sqlite_files(spec: InstanceSpec) -> Iterator[Path]:
    """Yield the files of an instance's SQLite databases."""
    files = (_sqlite_file(told) for told in spec.databases.values())
    yield from dict.fromkeys(file for file in files if file is not None)


def _sqlite_file(told: str) -> Path | None:
    """Return the file that a variable of a database tells of, by URL or by path; None for any other database's."""
    if told.startswith("/"):
        return Path(os.path.normpath(told))
    scheme, found, rest = told.partition(":///")
    if found and scheme.startswith("sqlite") and rest.startswith("/"):
        return Path(os.path.normpath(unquote(rest.partition("?")[0])))
    return None


def lies_in(place: Place, path: Path) -> bool:
    """Tell whether a file lies in a directory of the environment's, by its name: links are for programs to make."""
    return any(path.is_relative_to(data) and path.parent != data for data in (place.data, place.data.resolve()))


def _give_database(place: Place, path: Path, owner: int) -> None:
    above = [parent for parent in path.parent.parents if lies_in(place, parent / "any")]
    for directory in reversed(above):
        hold(directory)
    give(path.parent, owner)
    if os.geteuid() == 0:
        # Root may have written to it, as a check or a restore does.
        for companion in SQLITE_COMPANIONS:
            users.give_file(path.with_name(path.name + companion), owner)
