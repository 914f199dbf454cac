"""An environment's directories as its containers see them, and whose they are.

They are the same directories that the process runtime uses, so that an environment can change from bundles to images
and back. Every program of an environment belongs to the environment's own group, and what it may write to is shared
with that group: while a release of one user takes over from one of another, both can write.
"""

import os
import posixpath
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from lading.model.environment import InstanceSpec
from lading.ports.runtime.refusals import start_failed
from lading.runtime.process.directories import SQLITE_COMPANIONS, hold, sqlite_files
from lading.runtime.process.records import file_name

INSIDE = "/lading"  # where a container finds what Lading gives it


class Mount(msgspec.Struct, frozen=True):
    """A directory or file of the host, where a container finds it, and whether it may only read it."""

    source: Path
    target: str
    read_only: bool = False


class Places:
    """The directories of environments and releases.

    ``data_dir`` gives the one of an environment (project, name), ``layer_dir`` that of a layer by its diff id.
    """

    def __init__(self, data_dir: Callable[[str, str], Path], layer_dir: Callable[[str], Path]) -> None:
        self._data_dir = data_dir
        self._layer_dir = layer_dir

    def mounts(self, spec: InstanceSpec, outputs: Path | None = None) -> tuple[Mount, ...]:
        """Return what an instance has mounted."""
        found = [Mount(self._volume(spec, name), volume_path(spec, name)) for name in spec.volumes]
        found += [Mount(file.parent, _database_directory(file)) for file in sqlite_files(spec)]
        found += self._files(spec)
        if outputs is not None:
            found.append(Mount(outputs, f"{INSIDE}/outputs"))
        return tuple(dict.fromkeys(found))

    def _files(self, spec: InstanceSpec) -> Iterator[Mount]:
        if not spec.files:
            return
        layer = self._layer_dir(spec.layers["files"])
        if not layer.is_dir():
            raise start_failed(
                spec,
                f"its configuration files are not laid out at {layer}",
                hint=f"lading deploy {spec.environment} {spec.version} --again, which lays them out",
            )
        for path in spec.files:
            yield Mount(layer / path, file_path(spec, path), read_only=True)

    def make(self, spec: InstanceSpec, mounts: tuple[Mount, ...]) -> None:
        """See that the directories are there, before the engine asks for them."""
        data = self._data_dir(spec.project, spec.environment)
        data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        hold(data)
        for mount in mounts:
            if mount.source.is_relative_to(data):
                _way(data, mount.source)

    def share(self, spec: InstanceSpec, mounts: tuple[Mount, ...], owner: int, group: int) -> None:
        """See that an instance's user and group may write to what it has mounted."""
        data = self._data_dir(spec.project, spec.environment)
        for mount in mounts:
            if mount.source.is_relative_to(data):
                share(mount.source, owner, group)

    def outputs(self, spec: InstanceSpec, run: str) -> Path:
        """Return a run's directory for its files, made afresh."""
        data = self._data_dir(spec.project, spec.environment)
        data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        hold(data)
        directory = data / "outputs" / file_name(run)
        hold(directory.parent)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        return directory

    def _volume(self, spec: InstanceSpec, name: str) -> Path:
        return self._data_dir(spec.project, spec.environment) / "volumes" / name


def volume_path(spec: InstanceSpec, name: str) -> str:
    """Return where a container finds a volume."""
    return spec.volumes[name].path or f"{INSIDE}/volumes/{name}"


def file_path(spec: InstanceSpec, path: str) -> str:
    """Return where a container finds a file or directory of the release's own source."""
    return spec.files[path].path or f"{INSIDE}/files/{path}"


def databases(spec: InstanceSpec) -> dict[str, str]:
    """Return what an instance is told of its databases, URLs and paths, as it is right inside a container."""
    inside = dict(spec.databases)
    for variable, told in spec.databases.items():
        for file in sqlite_files(msgspec.structs.replace(spec, databases={variable: told})):
            path = f"{_database_directory(file)}/{file.name}"
            scheme, found, rest = told.partition(":///")
            _, question, options = rest.partition("?")
            inside[variable] = f"{scheme}:///{path}{question}{options}" if found else path
    return inside


def _database_directory(file: Path) -> str:
    return posixpath.join(INSIDE, "databases", file.parent.name)


def _way(data: Path, directory: Path) -> None:
    for parent in reversed([above for above in directory.parents if above != data and above.is_relative_to(data)]):
        hold(parent)
    directory.mkdir(mode=0o700, exist_ok=True)


def share(directory: Path, owner: int, group: int) -> None:
    """Give a directory and all in it to a user, and let a group write to it; follow no link. Only root can."""
    if os.geteuid() != 0:
        return
    whole = (directory.lstat().st_uid, directory.lstat().st_gid) != (owner, group)
    for _, folders, files, fd in os.fwalk(directory, follow_symlinks=False):
        # What root itself wrote to a directory that was given away before (a restored database) lies on top.
        for name in (*folders, *files) if whole else _companions(files):
            _share(name, owner, group, fd)
        if not whole:
            break
    # Last, so that a crash half-way is noticed the next time.
    _share(str(directory), owner, group, None)


def _companions(files: list[str]) -> list[str]:
    return [name for name in files if any(name.endswith(f".db{tail}") for tail in SQLITE_COMPANIONS)]


def _share(name: str, owner: int, group: int, fd: int | None) -> None:
    # By its descriptor: whatever a program puts under the name meanwhile is not given away.
    held = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=fd)
    try:
        facts = os.fstat(held)
        itself = f"/proc/self/fd/{held}"
        if stat.S_ISDIR(facts.st_mode):
            os.chown(itself, owner, group)
            os.chmod(itself, 0o2770)
        elif stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:  # else known by another name, perhaps of elsewhere
            os.chown(itself, owner, group)
            os.chmod(itself, stat.S_IMODE(facts.st_mode) | 0o660)
    finally:
        os.close(held)
