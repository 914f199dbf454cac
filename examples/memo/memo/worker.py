"""The scorer: ``python -m memo.worker`` scores what waits, one memo after the other, until it is asked to end."""

import signal
import sys
from threading import Event

from memo import RELEASE
from memo.database import Database
from memo.judge import Judge, JudgeError, judge_from
from memo.rubric import Rubric, read_rubric
from memo.scoring import score
from memo.settings import from_environment

PAUSE = 0.2  # seconds between two looks while nothing waits


def work(database: Database, rubric: Rubric, judge: Judge | None) -> bool:
    """Score the memo that has waited longest; return whether one did."""
    memo = database.waiting()
    if memo is None:
        return False
    try:
        database.note(memo["id"], "scored", score(memo["text"], rubric, judge).plain())
    except JudgeError as error:
        database.note(memo["id"], "failed", {"reason": str(error)})
    return True


def main() -> None:
    """Work until asked to end; the memo under way is finished first."""
    ending = Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    settings = from_environment()
    database, judge = Database(settings.database), judge_from(settings)
    rubric = read_rubric(settings.config)
    sys.stderr.write(f"{RELEASE} scores by {judge.model if judge else 'rules'}, rubric {rubric.version}\n")
    while not ending.is_set():
        if not work(database, rubric, judge):
            ending.wait(PAUSE)


if __name__ == "__main__":
    main()
