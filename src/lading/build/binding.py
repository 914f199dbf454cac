"""Ties a laid-out environment to the host's Python interpreter.

A layer holds no interpreter and no path of one: ``bin/python*`` and ``pyvenv.cfg`` are made where it is laid out,
as plain links, so that starting a program costs nothing extra and the same layer runs on any host that has the
minor version. The interpreter chosen is noted beside the tree.
"""

import os
from pathlib import Path

from lading.build.host import find_interpreter
from lading.model.errors import LadingError

NAMES = ("bin/python", "bin/python3", "pyvenv.cfg")


def minor_of(tree: Path) -> str:
    """Return the Python minor version an environment is for (``3.11``), empty when the tree is none."""
    found = sorted(path.name.removeprefix("python") for path in tree.glob("lib/python3.*") if path.is_dir())
    return found[0] if found else ""


def bound_names(minor: str) -> tuple[str, ...]:
    """Return the names that binding adds to a tree."""
    return (*NAMES, f"bin/python{minor}")


def bind(tree: Path, note: Path) -> None:
    """See that an environment's ``bin/python`` leads to an interpreter that is there. Idempotent.

    Raise ``platform`` when the host has no interpreter of that minor version.
    """
    minor = minor_of(tree)
    if not minor:
        return
    interpreter = _noted(note) or _choose(minor, tree)
    if not os.access(interpreter, os.X_OK):
        interpreter = _choose(minor, tree)
    if _noted(note) != interpreter:
        _replace(note, str(interpreter))
    if problem(tree, note):
        _apply(tree, interpreter, minor)


def problem(tree: Path, note: Path) -> str:
    """Say in words what is wrong with a tree's binding; empty when nothing is, or the tree needs none."""
    minor = minor_of(tree)
    if not minor:
        return ""
    interpreter = _noted(note)
    if interpreter is None:
        return "it was never tied to an interpreter"
    for name, target in _links(interpreter, minor).items():
        path = tree / name
        if not path.is_symlink() or os.readlink(path) != target:
            return f"{name} was changed"
    config = tree / "pyvenv.cfg"
    if config.is_symlink() or not config.is_file() or config.read_text() != _config(interpreter, minor):
        return "pyvenv.cfg was changed"
    return ""


def _links(interpreter: Path, minor: str) -> dict[str, str]:
    return {"bin/python": str(interpreter), "bin/python3": "python", f"bin/python{minor}": "python"}


def _config(interpreter: Path, minor: str) -> str:
    return f"home = {interpreter.parent}\ninclude-system-site-packages = false\nversion = {minor}\n"


def _noted(note: Path) -> Path | None:
    try:
        return Path(note.read_text())
    except FileNotFoundError:
        return None


def _choose(minor: str, tree: Path) -> Path:
    interpreter = find_interpreter(minor)
    if interpreter is None:
        raise LadingError(
            "platform",
            doing=f"laying out {tree.name}",
            happened=f"the environment was built for Python {minor}, and this host has no python{minor}",
            now="nothing was started from it",
            hint=f"install Python {minor}, or build the release again with a Python this host has",
        )
    return interpreter


def _apply(tree: Path, interpreter: Path, minor: str) -> None:
    binaries = tree / "bin"
    modes = {directory: directory.stat().st_mode for directory in (tree, binaries) if directory.exists()}
    for directory in modes:
        directory.chmod(0o755)
    binaries.mkdir(exist_ok=True)
    for name, target in _links(interpreter, minor).items():
        _replace_link(tree / name, target)
    _replace(tree / "pyvenv.cfg", _config(interpreter, minor))
    for directory, mode in modes.items():
        directory.chmod(mode)


def _replace_link(path: Path, target: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    # Whatever the umask: programs of other users run from it.
    temporary.chmod(0o444)
    temporary.replace(path)
