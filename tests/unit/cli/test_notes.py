"""Release notes: what was released where, what went wrong, in Markdown that says no more than it should."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lading.cli.notes import Commit, Span, escaped, notes, order
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run

AT = 1_795_000_000.0  # seconds since the epoch


def rollout(number: int, release: str, environment: str = "stage", **other: Any) -> dict[str, Any]:
    return {
        "id": number,
        "environment": environment,
        "release": release,
        "previous": "v1.0.0",
        "outcome": "succeeded",
        "seconds": 5.91,
        "lost_requests": 0,
        "requests": 98,
        "steps": [],
        "kind": "deploy",
        "requested_by": "ada@laptop",
        "created": AT + number * 60,
        **other,
    }


FAILED = {"doing": "smoke check status", "happened": "500 | <b>oops</b>"}
STORY = [
    rollout(1, "v1.1.0", outcome="unwound", error=FAILED, requests=0),
    rollout(2, "v1.1.0"),
    rollout(3, "v1.1.0", "production", kind="promote", lost_requests=2, migrations=["migrate main: 3f2a → 9c41"]),
    rollout(4, "v1.0.0", "production", kind="rollback", previous="v1.1.0"),
    rollout(5, "v1.2.0-rc.1", outcome="rolled_back", error={"doing": "watch", "happened": "9 % errors"}),
]


def test_notes_tell_everything_of_each_version() -> None:
    """Commits, every rollout, migrations, failures, rollbacks, outages and lost requests; newest version first."""
    commits = {"v1.1.0": [Commit("abc1234", "Add *offers* | table")]}
    text = notes("cash_back", Span("v1.0.0"), STORY, commits, ["local", "stage", "production"])
    assert text.startswith("# cash_back: releases after v1.0.0\n\n| version | stage | production |")
    assert text.index("## v1.2.0-rc.1") < text.index("## v1.1.0")
    assert r"* Add \*offers\* \| table (abc1234)" in text
    assert "released 2026-11-18 11:08, after 1 failed" in text
    assert "rolled back 2026-11-18" in text
    assert "production, rollout 3: migrate main: 3f2a → 9c41" in text
    assert r"failed before the cutover, v1.0.0 served on. smoke check status: 500 \| &lt;b&gt;oops&lt;/b&gt;" in text
    assert "rolled back from v1.1.0 to v1.0.0 by ada@laptop" in text
    assert "**outage**: taken back after it had answered requests" in text
    assert "2 of 98 probe requests were lost" in text
    assert "## v1.0.0" not in text


def test_the_same_journal_gives_the_same_text() -> None:
    """Neither the order in which agents answered nor the clock shows."""
    one = notes("shop", Span(), STORY, {}, ["stage", "production"])
    assert notes("shop", Span(), list(reversed(STORY)), {}, ["stage", "production"]) == one


def test_a_new_secret_is_no_rollback_of_its_version() -> None:
    """Going back to the same release's earlier configuration does not take the release out of service."""
    told = [rollout(1, "v1.1.0"), rollout(2, "v1.1.0", kind="rollback", previous="v1.1.0")]
    text = notes("shop", Span(), told, {}, [])
    assert "rolled back" not in text
    assert "| rollback v1.1.0 |" in text


def test_nothing_is_told_of_nothing() -> None:
    """An empty span says so."""
    assert "Nothing was released" in notes("shop", Span("v9.0.0"), STORY, {}, [])


@pytest.mark.parametrize(
    ("span", "held"),
    [
        (Span(), ["v1.0.0", "v1.1.0-rc.2", "v1.1.0", "v1.10.0", "gabc123"]),
        (Span("v1.0.0", "v1.1.0"), ["v1.1.0-rc.2", "v1.1.0"]),
        (Span("", "v1.1.0-rc.2"), ["v1.0.0", "v1.1.0-rc.2"]),
        (Span("v1.1.0"), ["v1.10.0"]),
    ],
)
def test_a_span_is_above_its_beginning_up_to_its_end(span: Span, held: list[str]) -> None:
    """As with git: FROM itself is not in it, TO is; a version that is not semantic has no place in an order."""
    versions = ["v1.0.0", "v1.1.0-rc.2", "v1.1.0", "v1.10.0", "gabc123"]
    assert [version for version in versions if span.holds(version)] == held


def test_versions_are_ordered_as_semantic_versions_are() -> None:
    """Numbers count as numbers, and a pre-release comes before its release."""
    versions = [
        "v1.0.0-alpha",
        "v1.0.0-alpha.1",
        "v1.0.0-alpha.beta",
        "v1.0.0-rc.2",
        "v1.0.0-rc.11",
        "v1.0.0",
        "1.9.0",
        "v1.10.0",
    ]
    assert sorted(versions, key=lambda one: order(one) or ()) == versions
    assert order("gabc123") is None


@pytest.mark.parametrize(
    "text",
    ["[x](javascript:alert(1))", "<script>", "![i](u)", "a | b", "`code`", "# no title", "1. no item", "- no item",
     "https://example.org/x", "&lt;", "*bold*", "_em_", "snake_case", "~~gone~~", "a\n\n# b", "\\", "=== ", "+ x"],
)  # fmt: skip
def test_text_stays_text(text: str) -> None:
    """Whatever a commit or an error says, Markdown shows it as it is."""
    shown_as_it_is(text)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40))
def test_any_text_stays_text(text: str) -> None:
    """No text at all becomes anything else in Markdown."""
    shown_as_it_is(text)


def shown_as_it_is(text: str) -> None:
    wanted = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    parser = MarkdownIt("gfm-like", {"linkify": False})
    tokens = parser.parse(f"* {escaped(text)}")
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or []}
    assert kinds <= {"text", "text_special"}, tokens
    assert "".join(child.content for token in inline for child in token.children or []) == wanted
    assert {token.type for token in tokens} <= {
        "bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close", "list_item_close",
        "bullet_list_close",
    }  # fmt: skip


# the command


def test_notes_come_from_journals_and_tags(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Every environment but local ones is told of; the commits between the tags are those of the version."""
    assert run("deploy", "local").status == 0
    assert run("deploy", "stage").status == 0
    (project / "more").write_text("")
    commit(project, "Add more | of it", "v1.1.0")
    agent.world.checks.fail("503", path="/ready")  # type: ignore[attr-defined]
    assert run("deploy", "stage").status == 4
    said = run("history", "--markdown", "v1.0.0..v1.1.0", "--agent", f"unix://{agent.home}")
    assert said.status == 0, said.err
    assert "# shop: releases after v1.0.0, up to v1.1.0" in said.out
    assert r"* Add more \| of it (" in said.out
    assert "failed before the cutover, v1.0.0 served on. ready check of web/1" in said.out
    assert "* first (" not in said.out
    whole = run("history", "stage", "--markdown", "--json").result["markdown"]
    assert "* first (" in whole
    assert "| v1.0.0 |" in whole
    assert run("history", "local", "--markdown").out.count("deploy nothing → v1.0.0") == 1


@pytest.mark.parametrize("words", ["", "v1.0.0..v1.1.0", "--markdown x..y", "stage v1 --markdown"])
def test_what_is_no_span_is_refused(project: Path, run: Run, words: str) -> None:
    """The hint shows what one looks like."""
    said = run("history", *words.split())
    assert (said.status, "lading history" in said.err) == (2, True)
