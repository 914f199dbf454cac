"""Errors become text, JSON and an exit status in one place, and the fast commands stay fast."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading import __version__
from lading.cli.main import INTERRUPTED, error_text, main
from lading.cli.progress import Line, layout, line_of
from lading.cli.words import age, clock, count, duration, seconds, size, table
from lading.model.errors import LadingError
from tests.unit.cli.conftest import Run

HEAVY = ("msgspec", "rich", "http.client", "ssl", "fastapi", "tree_sitter", "lading.client", "lading.manifest")


def _modules(*words: str, home: Path) -> set[str]:
    """Run a command in a fresh Python and return the modules it imported."""
    program = (
        "import sys\nfrom lading.cli.main import main\nmain(sys.argv[1:])\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "LADING_HOME": str(home)},
    )
    return set(done.stderr.splitlines()[-1].split())


def test_version_imports_click_and_nothing_heavy(place: Path) -> None:
    """``--version`` goes the ordinary way and is fast because nothing else is imported."""
    assert not _modules("--version", home=place).intersection(HEAVY)


def test_status_imports_neither_msgspec_nor_rich(run: Run, place: Path) -> None:
    """``status`` asks over a client of its own and prints plain lines."""
    loaded = _modules("status", home=place / "home")
    assert "lading.client.wire" in loaded
    assert not loaded.intersection({"msgspec", "rich", "tree_sitter", "fastapi", "http.client", "ssl", "email"})


def test_version_says_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``lading --version`` prints one line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lading {__version__}\n"


@pytest.mark.parametrize("words", [["nonsense"], ["deploy"], ["--nonsense"], ["policy", "allow", "x", "y"]])
def test_bad_usage_is_told_in_one_voice(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, what is wrong, and the help to read; as JSON where JSON was asked for."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--help" in captured.err
    assert main([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_an_unforeseen_error_is_told_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1, with the place in the program and the next step; no traceback."""
    monkeypatch.setattr("lading.cli.explain.CODES", None)
    assert main(["explain"]) == 1
    said = capsys.readouterr().err
    assert "AttributeError" in said
    assert "explain.py" in said


def test_ctrl_c_is_exit_status_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupt ends quietly and says that accepted work goes on."""

    def interrupt(*_words: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lading.cli.state.echo", interrupt)
    assert main(["explain", "busy"]) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    """``lading explain | head -1`` ends without a traceback."""
    program = "import sys\nfrom lading.cli.main import main\nsys.exit(main(['explain']))"
    done = subprocess.run(
        f'{sys.executable} -c "{program}" | head -c 1; exit ${{PIPESTATUS[0]}}',
        shell=True,
        executable="/bin/bash",
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_a_refusal_says_so_first() -> None:
    """What is refused by policy begins with the word, once."""
    assert error_text(LadingError("policy", happened="no")).startswith("refused: no")
    assert error_text(LadingError("policy", doing="refused", happened="no")) == "refused: no"
    assert error_text(LadingError("usage", happened="no")) == "no"


def test_without_an_agent_the_error_names_the_next_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 7, the address, why, and what to type."""
    assert main(["--agent", f"unix://{place}", "agent", "status"]) == 7
    said = capsys.readouterr().err
    assert str(place) in said
    assert "there is no socket" in said
    assert f"LADING_HOME={place} lading agent start" in said


def test_a_line_has_its_time_at_the_right_edge() -> None:
    """Mark, name, text, and the time ending in the last column."""
    line = layout(Line("✓", "cutover", "web  v1 → v2", 0.12), 60)
    assert len(line) == 60
    assert line.startswith("  ✓ cutover          web")
    assert line.endswith("0.1 s")


@pytest.mark.parametrize("kind", ["plan", "step", "progress", "undo", "finished", "something-newer"])
def test_events_that_leave_no_line(kind: str) -> None:
    """What is waited for, and kinds of a newer agent, leave no line behind."""
    assert line_of({"kind": kind}) is None


def test_numbers_in_words() -> None:
    """Times, sizes and counts as people read them."""
    assert [seconds(value) for value in (0.04, 65, 3700, 7 * 86400, 90000)] == [
        "0.0 s",
        "1 min 5 s",
        "1 h 1 min",
        "7 d",
        "1 d 1 h",
    ]
    assert [age(0, now) for now in (5, 65, 7200, 172800, -5)] == [
        "5 s ago",
        "1 min ago",
        "2 h ago",
        "2 d ago",
        "0 s ago",
    ]
    assert [size(value) for value in (12, 1500, 2_100_000, 41_000_000_000)] == ["12 B", "1.5 KB", "2.1 MB", "41.0 GB"]
    assert [count(1, "gate"), count(3412, "gate")] == ["1 gate", "3,412 gates"]
    assert clock(74) == "1:14"
    assert duration("90s") == 90
    assert duration("7d") == 7 * 86400
    assert table([("a", "b"), ("cc", "d")]) == ["a   b", "cc  d"]
