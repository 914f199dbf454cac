"""The questionnaire: what is asked, and what an answer may be."""

import re
from typing import Any

VERSION = 1
NAME = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")

QUESTIONS: tuple[dict[str, Any], ...] = (
    {"id": "name", "text": "What is it called?", "kind": "text"},
    {"id": "kind", "text": "What is it?", "kind": "choice", "options": ["service", "command", "library"]},
    {"id": "about", "text": "What does it do, in a sentence?", "kind": "text", "default": ""},
    {"id": "tests", "text": "Begin with a test?", "kind": "flag", "default": True},
)


class Unanswered(ValueError):
    """Answers that make no plan; ``problems`` says why, by question."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{question}: {problem}" for question, problem in problems.items()))
        self.problems = problems


def read(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to every question, with defaults; raise Unanswered for what makes no sense, all at once."""
    known = {question["id"]: question for question in QUESTIONS}
    problems = {name: "is no question" for name in answers if name not in known}
    given: dict[str, Any] = {}
    for name, question in known.items():
        value = answers.get(name, question.get("default"))
        problem = _problem(question, value)
        if problem:
            problems[name] = problem
        given[name] = value
    if problems:
        raise Unanswered(problems)
    return given


def _problem(question: dict[str, Any], value: Any) -> str:
    if question["kind"] == "flag":
        return "" if isinstance(value, bool) else "should be true or false"
    if question["kind"] == "choice":
        return "" if value in question["options"] else f"should be one of {', '.join(question['options'])}"
    if not isinstance(value, str) or len(value) > 200 or "\n" in value:
        return "should be a line of at most 200 characters"
    if question["id"] == "name" and not NAME.fullmatch(value):
        return "should be like my-project: small letters, digits and hyphens"
    return ""
