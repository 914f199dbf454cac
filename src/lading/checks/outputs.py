"""The files that a job left, read without leaving their directory."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lading.ports.checks.expectations import BODY_LIMIT, file_reason


def files_reason(outputs: str, wanted: Mapping[str, Any]) -> str:
    """Judge the files below ``outputs``: a reason why one is not as wanted, empty when all are."""
    for path, content in wanted.items():
        reason = _one_reason(Path(outputs), path, content)
        if reason:
            return reason
    return ""


def _one_reason(outputs: Path, path: str, wanted: Any) -> str:
    root = outputs.resolve()
    try:
        # Resolving follows ".." and symbolic links, so what is compared is where the bytes really lie.
        real = (root / path).resolve(strict=True)
        if root not in real.parents:
            return f"output file {path} lies outside of the outputs"
        data = _read(real, root)
    except (FileNotFoundError, NotADirectoryError):
        return f"output file {path} is not there"
    except (OSError, ValueError, RuntimeError) as error:
        return f"output file {path} cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
    if data is None:
        return f"output file {path} is no regular file"
    return file_reason(path, wanted, data[:BODY_LIMIT], cut=len(data) > BODY_LIMIT)


def _read(path: Path, root: Path) -> bytes | None:
    # O_NONBLOCK: opening a pipe that nobody writes would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        # Asked of what was opened: a program that still runs may have put a link in the way meanwhile.
        opened = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or root not in opened.parents:
            return None
        return file.read(BODY_LIMIT + 1)
