"""python -m clinic analyze PATH | checkup FOLDER | history | healthcheck."""

import argparse
import os
import sys
from pathlib import Path

from clinic import VERSION
from clinic.examination import examine
from clinic.history import History
from clinic.report import write


def main(words: list[str]) -> int:
    given = _parser().parse_args(words)
    history = History(Path(os.environ.get("CLINIC_DB", "clinic.db")))
    if given.act == "healthcheck":
        print(f"clinic {VERSION}: {history.count()} examinations kept, outputs go to {_outputs()}")
        return 0
    if given.act == "history":
        for when, patient, findings, failed in history.latest(given.limit):
            print(f"{when}  {patient:<30} {findings:>5} findings  {failed} stages failed")
        return 0
    patients = [given.path] if given.act == "analyze" else _folders(given.path)
    return _examine(patients, history)


def _examine(patients: list[Path], history: History) -> int:
    missing = [str(path) for path in patients if not path.is_dir()]
    if missing:
        print(f"no such folder: {', '.join(missing)}", file=sys.stderr)
        return 2
    examinations = []
    for path in patients:
        print(f"examining {path}", flush=True)
        examination = examine(path, say=lambda text: print(f"  {text}", flush=True))
        history.add(examination)
        examinations.append(examination)
    summary = write(examinations, _outputs())
    print(f"{summary['findings']} findings in {summary['files']} files of {len(patients)} repositories")
    if summary["failed"]:
        # What could be examined was: a stage that failed is told in the summary, and is no reason to throw that away.
        print(f"{summary['failed']} stages failed, see report.md", file=sys.stderr)
    return 0


def _folders(above: Path) -> list[Path]:
    return sorted(path for path in above.iterdir() if path.is_dir()) if above.is_dir() else [above]


def _outputs() -> Path:
    return Path(os.environ.get("LADING_OUTPUTS", "outputs"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clinic", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("analyze", help="examine one repository").add_argument("path", type=Path)
    acts.add_parser("checkup", help="examine every repository in a folder").add_argument("path", type=Path)
    acts.add_parser("history", help="the last examinations").add_argument("--limit", type=int, default=20)
    acts.add_parser("healthcheck", help="see that database and outputs can be used")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
