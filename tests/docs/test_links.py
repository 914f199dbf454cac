"""What the documents point at is there: files, headings, commands, options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from lading.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md"), *ROOT.glob("changelog.d/*.md")]
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELLS = ("console", "sh", "")
SPAN = re.compile(r"`(lading [^`]+)`")
PROMPTED = re.compile(r"^(?:\$ )?(?:\S+ \| |\w+=\$\()?(lading .*)$", re.MULTILINE)
STOPS = {"|", "&&", "||", ";", ">", "<", "#"}


class Shown(NamedTuple):
    """A command as a document shows it; ``whole`` where it can be typed as it stands."""

    page: Path
    text: str
    whole: bool


def _shown() -> Iterator[Shown]:
    for page in PAGES:
        if page.name == "cli.md":
            continue  # it is made from the program and shows forms, not commands
        text = page.read_text()
        for block in FENCE.finditer(text):
            if block[1] in SHELLS and "usage" not in block[1]:
                for found in PROMPTED.finditer(block[2]):
                    yield Shown(page, found[1], whole=True)
        for found in SPAN.finditer(FENCE.sub("", text)):
            yield Shown(page, found[1], whole=False)


def _words(text: str) -> list[str]:
    words = (
        list(shlex.shlex(text, posix=True, punctuation_chars=True)) if "|" in text or ";" in text else shlex.split(text)
    )
    end = next((place for place, word in enumerate(words) if word in STOPS or word.startswith("#")), len(words))
    return [word for word in words[1:end] if word not in ("…", ")")]


def _wrong(shown: Shown) -> str:
    """Return what is wrong with a command, empty when nothing is."""
    words = _words(shown.text)
    command: click.Command = cli
    context = click.Context(cli, info_name="lading")
    while isinstance(command, click.Group):
        options = [word for word in words if word == "--json"]
        words = words[len(options) :] if words[: len(options)] == options else words
        if not words or words[0].startswith("-"):
            return "" if all(_is_global(word) for word in words[:1]) else f"no option {words[0]}"
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]}"
        command, context, words = found, click.Context(found, parent=context), words[1:]
    return _misfit(command, context, words, whole=shown.whole)


def _misfit(command: click.Command, context: click.Context, words: list[str], *, whole: bool) -> str:
    try:
        given, left, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    if left:
        return f"too much: {' '.join(left)}"
    needed = [each.name for each in command.params if isinstance(each, click.Argument) and each.required]
    missing = [name for name in needed if not isinstance(given.get(name or ""), str | tuple)]
    return f"lacks {', '.join(map(str, missing))}" if whole and missing else ""


def _is_global(word: str) -> bool:
    return word in {name for parameter in cli.params for name in parameter.opts} | {"--help", "-h"}


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file that is there and, after #, a heading in it."""
    lost = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            lost.append(target)
    assert lost == []


def test_every_page_can_be_found() -> None:
    """Each page below docs is linked from the index."""
    index = set(LINK.findall((ROOT / "docs" / "index.md").read_text()))
    pages = {page.name for page in PAGES if page.parent.name == "docs"} - {"index.md"}
    assert pages - index - {"figures.md"} == set()


def test_every_command_that_is_shown_exists() -> None:
    """Commands in the documents name commands and options of the program, with the arguments they need."""
    shown = list(_shown())
    assert len(shown) > 100
    assert [(one.page.name, one.text, wrong) for one in shown if (wrong := _wrong(one))] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("lading deploy stage", False),
        ("lading deploy stage v1 | tail -n 1", False),
        ("lading --json status", False),
        ("lading attest tests -- pytest -q", False),
        ("lading rollback stage --too v1", True),
        ("lading fly", True),
        ("lading deploy", True),
        ("lading deploy stage v1 v2", True),
    ],
)
def test_a_wrong_command_would_be_found(text: str, wrong: bool) -> None:
    """The test above sees what it is there to see."""
    assert bool(_wrong(Shown(PAGES[0], text, whole=True))) is wrong
