"""lading logs --follow, and what a plan says would be refused."""

from pathlib import Path

import pytest

from lading.cli import logs
from lading.cli.logs import added
from tests.support_agent import MemoryAgent
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("abc", "xyz", "xyz"),
        ("aab", "aba", "a"),
        ("aa", "aaa", "a"),
    ],
)
def test_new_lines_are_those_behind_what_was_seen(before: str, now: str, new: str) -> None:
    """A log grows at its end; the window that is looked through moves with it."""
    assert list(added(list(before), list(now))) == list(new)


def test_following_shows_each_line_once(
    project: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines come as they are written, none twice, of a later instance from its beginning; Ctrl-C ends it."""
    assert run("deploy", "local").status == 0
    pages = [
        [("web/1", "r1", ["one", "two"])],
        [("web/1", "r1", ["one", "two", "three"])],
        [("web/1", "r2", ["fresh"])],
    ]

    def read(*_asked: object) -> list[dict[str, object]]:
        if not pages:
            raise KeyboardInterrupt
        return [{"instance": label, "name": name, "lines": lines} for label, name, lines in pages.pop(0)]

    monkeypatch.setattr(logs, "_read", read)
    monkeypatch.setattr(logs, "LOOK_EVERY", 0.0)
    said = run("logs", "local", "-f", "--lines", "1")
    assert said.status == 130
    assert said.out.splitlines() == ["web/1 | two", "web/1 | three", "web/1 | fresh"]


def test_one_instance_can_be_named(project: Path, run: Run) -> None:
    """A service with its slot is that instance alone."""
    assert run("deploy", "local").status == 0
    assert [one["instance"] for one in run("logs", "local", "web/1", "--json").result["logs"]] == ["web/1"]
    assert run("logs", "local", "web/2", "--json").result["logs"] == []


def test_a_plan_says_what_would_be_refused(project: Path, run: Run, production: MemoryAgent) -> None:
    """Below its steps a plan has the refusal, and leaves no trace of having asked."""
    said = run("plan", "production")
    assert said.status == 0
    assert "~ cutover" in said.out
    assert "this would be refused: production does not take v1.0.0" in said.out
    assert run("plan", "production", "--json").result["refused"]["code"] == "policy"
    assert production.world.journal.audits() == []
    assert run("plan", "local", "--json").result["refused"] is None
    assert run("deploy", "local").status == 0
    assert run("plan", "local").out.splitlines()[-1] == "local already serves v1.0.0 as configured; nothing to do"
