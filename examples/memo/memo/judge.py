"""A language model that scores, by the interface that most of them speak (chat completions)."""

import json
import urllib.error
import urllib.request
from typing import Any

from memo.rubric import Rubric
from memo.settings import Settings

PATIENCE = 30.0  # seconds for one answer
ORDER = """Score the memo against each criterion. Answer with JSON alone:
{"criteria": {"NAME": {"points": NUMBER, "reason": "ONE SENTENCE"}}}, each number from 0 to the criterion's weight."""


class JudgeError(RuntimeError):
    """The model could not be asked, or gave no score; the text holds no key."""


class Judge:
    """Asks one model."""

    def __init__(self, settings: Settings) -> None:
        self.model = settings.judge_model
        self._url = settings.judge_url
        self._key = settings.judge_key

    def points(self, text: str, rubric: Rubric) -> dict[str, tuple[int, str]]:
        """Return points and reason for each criterion of the rubric, within its weight."""
        criteria = [{"name": c.name, "weight": c.weight, "means": c.advice} for c in rubric.criteria]
        answer = self._ask(f"{ORDER}\n\nCriteria: {json.dumps(criteria)}", text)
        try:
            given = json.loads(answer["choices"][0]["message"]["content"])["criteria"]
            return {
                c.name: (max(0, min(c.weight, int(given[c.name]["points"]))), str(given[c.name]["reason"]))
                for c in rubric.criteria
            }
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise JudgeError(f"the model's answer is no score: {type(error).__name__}") from error

    def _ask(self, order: str, text: str) -> Any:
        content = {
            "model": self.model,
            "temperature": 0,
            "messages": [{"role": "system", "content": order}, {"role": "user", "content": text}],
        }
        request = urllib.request.Request(
            self._url,
            json.dumps(content).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise JudgeError(f"the model could not be asked: {error}") from error


def judge_from(settings: Settings) -> Judge | None:
    """Return the model to ask, None where there is no key for one."""
    return Judge(settings) if settings.judge_key else None
