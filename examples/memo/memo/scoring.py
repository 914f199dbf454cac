"""A memo's score: by rules that give the same every time, or by a language model."""

from typing import Any, NamedTuple

from memo.judge import Judge
from memo.rubric import Criterion, Rubric


class Points(NamedTuple):
    """What a criterion gave, and why."""

    name: str
    weight: int
    points: int
    reason: str


class Score(NamedTuple):
    """The sum and its parts; ``scorer`` is ``rules`` or the model that was asked."""

    score: int
    scorer: str
    rubric: str
    criteria: tuple[Points, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self._asdict(), "criteria": [points._asdict() for points in self.criteria]}


def score(text: str, rubric: Rubric, judge: Judge | None = None) -> Score:
    """Score a text; raise JudgeError where a language model was to be asked and gave no usable answer."""
    if judge is not None:
        given = judge.points(text, rubric)
        parts = tuple(Points(c.name, c.weight, *given[c.name]) for c in rubric.criteria)
        return Score(sum(part.points for part in parts), judge.model, rubric.version, parts)
    parts = tuple(_by_rules(text, criterion, rubric.shortest) for criterion in rubric.criteria)
    return Score(sum(part.points for part in parts), "rules", rubric.version, parts)


def _by_rules(text: str, criterion: Criterion, shortest: int) -> Points:
    words = len(text.split())
    if words < shortest:
        return Points(criterion.name, criterion.weight, 0, f"{words} words are no memo")
    found = [sign for sign in criterion.signs if sign.search(text)]
    points = criterion.weight * len(found) // len(criterion.signs)
    reason = "all there" if len(found) == len(criterion.signs) else criterion.advice
    return Points(criterion.name, criterion.weight, points, reason)
