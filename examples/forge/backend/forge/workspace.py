"""Workspaces on disk: each a directory with its plan, its story and the files that were forged.

Whoever forges a workspace holds a lock on it, so a process that dies leaves it to the next that looks.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAUSE = 0.02  # seconds between two files, so that there is something to watch


class Workspaces:
    """All workspaces below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def usable(self) -> bool:
        """Tell whether workspaces can be written."""
        return self.root.is_dir() and os.access(self.root, os.W_OK)

    def create(self, answers: dict[str, Any], files: list[dict[str, str]]) -> str:
        """Keep a plan and return the number of its workspace; it is on disk when this returns."""
        number = secrets.token_hex(6)
        place = self.root / number
        (place / "files").mkdir(parents=True)
        _write(place / "plan.json", json.dumps({"answers": answers, "files": files, "made": time.time()}))
        return number

    def names(self) -> list[str]:
        """Return every workspace, newest first."""
        plans = sorted(self.root.glob("*/plan.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        return [file.parent.name for file in plans]

    def look(self, number: str) -> dict[str, Any] | None:
        """Return what is known of a workspace, None when there is none of that number."""
        place = self._place(number)
        if place is None:
            return None
        plan = json.loads((place / "plan.json").read_text())
        story = self.story(number)
        state = "forged" if story and story[-1]["event"] == "end" else "forging" if story else "planned"
        paths = [one["path"] for one in plan["files"]]
        return {
            "id": number,
            "name": plan["answers"]["name"],
            "state": state,
            "plan": paths,
            "files": self.files(number),
        }

    def story(self, number: str) -> list[dict[str, Any]]:
        """Return what happened in a workspace so far."""
        file = self.root / number / "story.jsonl"
        if not file.exists():
            return []
        # A line without an end is one that is being written.
        return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def files(self, number: str) -> list[str]:
        """Return the files that were forged."""
        place = self.root / number / "files"
        return sorted(str(file.relative_to(place)) for file in place.rglob("*") if file.is_file())

    def read(self, number: str, path: str) -> str | None:
        """Return a forged file, None when there is none of that path."""
        return (self.root / number / "files" / path).read_text() if path in self.files(number) else None

    def forge(self, number: str) -> bool:
        """Write what is missing of a workspace; return False when somebody else is at it."""
        place = self.root / number
        plan = json.loads((place / "plan.json").read_text())
        with _alone(place) as mine:
            if not mine:
                return False
            story = self.story(number)
            if story and story[-1]["event"] == "end":
                return True
            done = {one["path"] for one in story if one["event"] == "file"}
            with (place / "story.jsonl").open("a") as out:
                for one in plan["files"]:
                    if one["path"] in done:
                        continue
                    file = place / "files" / one["path"]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    _write(file, one["content"])
                    _tell(out, {"event": "file", "path": one["path"], "bytes": len(one["content"].encode())})
                    time.sleep(PAUSE)
                _tell(out, {"event": "end", "files": len(plan["files"])})
        return True

    def unfinished(self) -> list[str]:
        """Return the workspaces whose forging was begun and not ended."""
        return [name for name in self.names() if (story := self.story(name)) and story[-1]["event"] != "end"]

    def _place(self, number: str) -> Path | None:
        place = self.root / number
        return place if number.isalnum() and (place / "plan.json").is_file() else None


def _write(file: Path, text: str) -> None:
    scratch = file.with_name(f".{file.name}.new")
    scratch.write_text(text)
    scratch.replace(file)


def _tell(out: Any, told: dict[str, Any]) -> None:
    out.write(json.dumps(told) + "\n")
    out.flush()


@contextmanager
def _alone(place: Path) -> Iterator[bool]:
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
