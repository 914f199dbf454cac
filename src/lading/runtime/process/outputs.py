"""The files that a run left in its directory."""

import os
import stat
from pathlib import Path

from lading.model.jobs import OutputFile

MOST = 1000  # files that are listed of one run


def files_in(directory: str) -> tuple[OutputFile, ...]:
    """Return the regular files below a directory by path; links are not followed, and nothing is opened."""
    found: list[OutputFile] = []
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            try:
                facts = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(facts.st_mode) and len(found) < MOST:
                found.append(
                    OutputFile(
                        path=os.fsencode(path.relative_to(directory)).decode(errors="replace"), size=facts.st_size
                    )
                )
    return tuple(found)
