"""A file for an editor that must not be seen: in memory where there is a place, private, overwritten and removed."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from lading.model.errors import LadingError

IN_MEMORY = Path("/dev/shm")
PREFIX = "lading-edit-"
EDITORS = ("sensible-editor", "editor", "nano", "vi")
# What these editors would keep elsewhere: swap, backup and undo files, and a history of what was cut out.
PRIVATE_FLAGS = {
    "vim": ["-n", "-i", "NONE", "--cmd", "set nobackup nowritebackup noundofile"],
    "nvim": ["-n", "-i", "NONE", "--cmd", "set nobackup nowritebackup noundofile"],
}
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ended(SystemExit):
    """Somebody ended this program while the file was open."""


@contextlib.contextmanager
def private_file(name: str) -> Iterator[Path]:
    """Give the path of an empty file of mode 0600 in a directory of its own; both are gone at the end, whatever
    happens: an error, Ctrl-C, SIGTERM, a closed terminal. What a killed program left is swept by the next one.
    """
    place = IN_MEMORY if os.access(IN_MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    _sweep(place)
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    before = {number: signal.signal(number, _end) for number in _ENDING}
    try:
        path = directory / name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield path
    finally:
        _wipe(directory)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(128 + number)


def _sweep(place: Path) -> None:
    for left in place.glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if left.stat().st_uid == os.getuid() and pid.isdecimal() and not _runs(int(pid)):
            _wipe(left)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wipe(directory: Path) -> None:
    # Editors may have written files of their own beside it.
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            _overwrite(path)
    shutil.rmtree(directory, ignore_errors=True)


def _overwrite(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


def edit_file(path: Path, doing: str) -> str:
    """Open a file in the person's editor and return its text once it was closed; raise ``usage`` when that failed."""
    command = _editor(doing)
    # While the editor has the terminal, Ctrl-C is the editor's business; a handler is not passed on to it.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        status = subprocess.call([*command, str(path)])
    except OSError as error:
        raise _failed(doing, f"{command[0]} could not be started: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    if status:
        raise _failed(doing, f"the editor ({command[0]}) ended with exit status {status}")
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _failed(doing, "what the editor left cannot be read as text") from error


def _editor(doing: str) -> list[str]:
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        words = shlex.split(said) if said else []
    except ValueError as error:
        raise _failed(doing, f"$VISUAL or $EDITOR cannot be read: {error}") from error
    if not words:
        words = [next((name for name in EDITORS if shutil.which(name)), "")]
    program = shutil.which(words[0]) if words[0] else None
    if program is None:
        raise _failed(doing, f"there is no editor {words[0]}".rstrip() + " here")
    kind = Path(program).resolve().name.partition(".")[0]
    return [words[0], *PRIVATE_FLAGS.get(kind, []), *words[1:]]


def _failed(doing: str, happened: str) -> LadingError:
    return LadingError(
        "usage",
        doing=doing,
        happened=happened,
        now="nothing was stored",
        hint="set EDITOR to a program that is there and waits, such as nano, vi or 'code --wait'",
    )
