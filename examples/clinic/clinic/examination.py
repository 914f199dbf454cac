"""One examination: the stages in order, each on its own, so that one that fails takes no other along."""

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from clinic.findings import Finding
from clinic.model import opinion
from clinic.stages import STAGES

SKIPPED = {".git", ".venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
MOST_BYTES = 1 << 20  # of a file that are looked at


@dataclasses.dataclass
class Examination:
    """What came of it: findings, the stages that failed with their reasons, and what was looked at."""

    patient: str
    files: dict[str, int]
    findings: list[Finding]
    failed: dict[str, str]
    opinion: str
    fingerprint: str
    seconds: float


def examine(path: Path, say: Callable[[str], None]) -> Examination:
    """Examine a repository; the same content gives the same findings and fingerprint."""
    began = time.monotonic()
    sources = dict(_sources(path))
    findings: list[Finding] = []
    failed: dict[str, str] = {}
    for name, stage in STAGES.items():
        try:
            found = list(stage(sources))
        except Exception as error:  # noqa: BLE001 - whatever a stage cannot do, the others can
            failed[name] = f"{type(error).__name__}: {error}"
            say(f"{name:<14} failed: {failed[name]}")
            continue
        findings += found
        say(f"{name:<14} {len(found)} findings")
    said = ""
    if os.environ.get("MODEL_KEY"):
        try:
            said = opinion(path.name, findings)
        except Exception as error:  # noqa: BLE001 - the scan stands without an opinion
            failed["model"] = f"{type(error).__name__}: {error}"
            say(f"{'model':<14} failed: {failed['model']}")
    files = {name: text.count("\n") + 1 for name, text in sources.items()}
    return Examination(
        patient=path.name,
        files=files,
        findings=sorted(findings),
        failed=failed,
        opinion=said,
        fingerprint=_fingerprint(sources),
        seconds=round(time.monotonic() - began, 3),
    )


def _sources(path: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if SKIPPED.isdisjoint(parts) and file.is_file() and not file.is_symlink():
            data = file.read_bytes()[:MOST_BYTES]
            if b"\0" not in data:
                yield "/".join(parts), data.decode("utf-8", "replace")


def _fingerprint(sources: dict[str, str]) -> str:
    whole = hashlib.sha256()
    for name, text in sources.items():
        whole.update(f"{name}\0{hashlib.sha256(text.encode()).hexdigest()}\n".encode())
    return whole.hexdigest()
