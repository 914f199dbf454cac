"""summary.json for programs, report.md for people."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from clinic import VERSION
from clinic.examination import Examination


def write(examinations: list[Examination], directory: Path) -> dict[str, Any]:
    """Write both files and return the summary."""
    directory.mkdir(parents=True, exist_ok=True)
    summary = {
        "clinic": VERSION,
        "files": sum(len(one.files) for one in examinations),
        "lines": sum(sum(one.files.values()) for one in examinations),
        "findings": sum(len(one.findings) for one in examinations),
        "grades": dict(sorted(Counter(found.grade for one in examinations for found in one.findings).items())),
        "failed": sum(len(one.failed) for one in examinations),
        "patients": {one.patient: {"fingerprint": one.fingerprint, "failed": one.failed} for one in examinations},
    }
    (directory / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    (directory / "report.md").write_text("\n".join(line for one in examinations for line in _pages(one)) + "\n")
    return summary


def _pages(one: Examination) -> list[str]:
    lines = [
        f"# {one.patient}",
        "",
        f"{len(one.files)} files, {sum(one.files.values())} lines, in {one.seconds} s.",
        "",
    ]
    if one.opinion:
        lines += [one.opinion, ""]
    for stage, reason in one.failed.items():
        lines += [f"**The stage {stage} failed**, so this is not the whole picture: {reason}", ""]
    for grade in ("danger", "warning", "note"):
        found = [f"- `{found.file}:{found.line}` {found.text}" for found in one.findings if found.grade == grade]
        lines += [f"## {grade}", "", *found, ""] if found else []
    return lines
