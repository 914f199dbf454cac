"""Help that teaches: the road on one screen, an example for every command, what was meant by a wrong word."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lading.cli.base import LadingCommand
from lading.cli.cells import width
from lading.cli.examples import EXAMPLES
from lading.cli.main import COMMANDS, cli, main
from lading.cli.road import ELSEWHERE, ROAD, close_to, help_lines, placed
from tests.docs.test_links import Shown, _wrong
from tests.support_agent import MemoryAgent, commit
from tests.support_terminal import Terminal
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_release_and_deploy import _begun, _held

SCREEN = (80, 24)  # columns and lines


def _commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from _commands(command, (*path, name))
            else:
                yield " ".join((*path, name)), command


def test_the_help_fits_on_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """``lading --help`` takes 24 lines of 80 columns at most, also once every command of the road is there."""
    assert main(["--help"]) == 0
    for lines in (capsys.readouterr().out.splitlines(), help_lines([*COMMANDS, *placed()], str)):
        assert len(lines) <= SCREEN[1]
        assert max(map(width, lines)) <= SCREEN[0]


def test_every_command_has_its_place_on_the_road() -> None:
    """A new command is added to a row of ROAD in lading/cli/road.py (or stands under "other" until it is)."""
    assert [name for name in COMMANDS if name not in placed()] == []


def test_no_command_has_two_places() -> None:
    """Each stands in one row."""
    names = [name for rows in ROAD.values() for row in rows for name in row.names]
    assert sorted(names) == sorted(set(names))


def test_a_command_without_a_place_is_shown_all_the_same() -> None:
    """What nobody has put on the road yet stands at its end, with its own help."""
    lines = help_lines(["check", "fly"], lambda name: f"what {name} does")
    assert any(line.split() == ["other", "fly", "what", "fly", "does"] for line in lines)
    assert not any("deploy" in line for line in lines)


def test_every_command_has_an_example() -> None:
    """A new command gets one in EXAMPLES of lading/cli/examples.py, under its words as they are typed."""
    assert [path for path, _ in _commands() if not EXAMPLES.get(path)] == []


def test_every_example_can_be_typed() -> None:
    """Each is a command of that name with options that exist; an example of a command that is gone goes too."""
    commands = dict(_commands())
    shown = [(path, example) for path, examples in EXAMPLES.items() for example in examples]
    assert [path for path, _ in shown if path not in commands] == []
    assert [example for path, example in shown if not example.startswith(f"lading {path}")] == []
    assert [(one, wrong) for _, one in shown if (wrong := _wrong(Shown(Path(), one, whole=True)))] == []


def test_every_command_is_one_of_the_houses_own() -> None:
    """So that each takes the global options, completes names and shows its examples."""
    assert [path for path, command in _commands() if not isinstance(command, LadingCommand)] == []


def test_a_commands_help_ends_with_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of its own, then how it is typed."""
    assert main(["rollback", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--to VERSION" in said
    assert said.rstrip().endswith("lading rollback production --to v1.3.0")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["deplyo"], "deploy"),
        (["rolback", "stage"], "rollback"),
        (["ps"], "status"),
        (["undo"], "rollback"),
        (["secrets", "lst"], "list"),
        (["deploy", "stage", "--agian"], "--again"),
        (["--jsn", "status"], "--json"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Misspelt, or called so by another tool: exit status 2 and what there is."""
    assert main(words) == 2
    assert f"did you mean {meant}" in capsys.readouterr().err


def test_a_word_that_is_like_nothing_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """No guess is better than a wild one."""
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "lading: no such command 'xyzzy'\n  next:    lading --help\n"


def test_other_tools_words_lead_to_commands_of_the_road() -> None:
    """Each synonym means a command that has a place."""
    assert set(ELSEWHERE.values()) <= placed()
    assert close_to("ship", ["deploy"]) == ["deploy"]
    assert close_to("ship", ["status"]) == []


# lading alone


def _next(run: Run) -> str:
    said = run()
    assert said.status == 0
    return next(line for line in said.out.splitlines() if line.startswith("next: ")).removeprefix("next: ")


def test_lading_alone_leads_along_the_road(project: Path, run: Run, production: MemoryAgent) -> None:
    """In a project it says what serves where, and the next step of what is at HEAD, up to production."""
    text = (project / "lading.toml").read_text()
    (project / "lading.toml").write_text(text[: text.index("[environments.lost]")])
    commit(project, "without the lost one")
    assert _next(run) == "lading up"
    assert run("deploy", "local").status == 0
    assert _next(run) == "lading deploy stage"
    assert run("deploy", "stage").status == 0
    assert _next(run).startswith("git tag ")
    (project / "more").write_text("")
    assert "git commit" not in _next(run), "a file that git does not know is left out of a release"
    commit(project, "more", "v1.1.0")
    assert run("deploy", "local").status == 0
    assert run("deploy", "stage").status == 0
    assert _next(run) == "lading promote stage production"
    assert "stage          v1.1.0" in run().out


def test_lading_alone_says_what_keeps_a_release_from_being_built(project: Path, run: Run) -> None:
    """Changes that are not committed come before any deploy."""
    (project / "requirements.txt").write_text("# changed\n")
    assert _next(run) == "lading up, to see them run here; then git commit"
    assert "not committed" in run().out


def test_lading_alone_points_to_a_rollout_under_way(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Somebody who comes back to it follows what goes on."""
    assert run("release").status == 0
    gate = _held(agent)
    _begun(agent)
    assert _next(run) == "lading follow stage"
    gate.set()


def test_lading_alone_starts_no_agent(place: Path, project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none has ever run nothing serves; where one is stopped it is not known, and that is said."""
    monkeypatch.setenv("LADING_HOME", str(place / "fresh"))
    assert _next(run) == "lading up"
    (place / "fresh").mkdir()
    assert _next(run) == "lading status"
    assert "not known" in run().out
    assert not list((place / "fresh").iterdir())


def test_lading_alone_outside_a_project_says_how_to_begin(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No manifest, and one that is broken."""
    monkeypatch.chdir(tmp_path)
    assert "lading.toml" in run().out
    (tmp_path / "lading.toml").write_text("[project\n")
    assert _next(run) == "lading check"
    assert run("--json").result == {"stand": {"project": None, "next": "lading check"}}


def test_help_is_read_through_a_pager_that_quits(project: Path) -> None:
    """``lading --help | head -3`` ends quietly."""
    command = f"{sys.executable} -m lading.cli.main --help | head -n 3"
    with Terminal(["/bin/bash", "-c", command], project) as terminal:
        terminal.wait()
    assert len(terminal.lines) == 3
    done = subprocess.run([sys.executable, "-m", "lading.cli.main", "--help"], check=True, capture_output=True)
    assert b"\x1b" not in done.stdout
