"""What a shell completes: by the manifest, git and an agent that runs; bounded in time and silent."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from lading.cli.completion import SHELLS, place
from lading.cli.main import cli
from lading.cli.state import State
from tests.support_agent import MemoryAgent, git
from tests.unit.cli.conftest import Run


def completed(line: str) -> list[str]:
    """Return what may follow a command line, whose last word is begun (or not yet, after a space)."""
    words = line.split(" ")
    shell = ShellComplete(cli, {"obj": State()}, "lading", "_LADING_COMPLETE")
    return [item.value for item in shell.get_completions(words[:-1], words[-1])]


def test_commands_and_options_are_completed() -> None:
    """The tree itself, without a project or an agent."""
    assert completed("dep") == ["deploy"]
    assert "show" in completed("trust ")
    assert completed("deploy stage --ag") == ["--again", "--agent"]
    assert completed("completion ") == list(SHELLS)


def test_environments_come_from_the_manifest(project: Path) -> None:
    """Every argument that names an environment; the two of a promotion are different ones."""
    every = ["local", "stage", "production", "lost"]
    assert completed("deploy ") == every
    assert completed("logs pro") == ["production"]
    assert completed("cancel st") == ["stage"]
    assert completed("promote stage ") == ["local", "production", "lost"]
    assert completed("bill v1 --on sta") == ["stage"]


def test_the_project_may_be_named_first(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-C DIR`` counts while completing too."""
    monkeypatch.chdir(tmp_path)
    assert completed("deploy st") == []
    assert completed(f"-C {project} deploy st") == ["stage"]


def test_versions_come_from_git_and_the_agent(project: Path, run: Run) -> None:
    """Tags, newest version first, then the releases that an agent has of commits without one."""
    (project / "more").write_text("")
    git(project, "add", "more")
    git(project, "commit", "-qm", "more")
    assert run("release").status == 0
    git(project, "tag", "v1.10.0")
    git(project, "tag", "v1.9.0")
    found = completed("deploy stage ")
    assert found[:3] == ["v1.10.0", "v1.9.0", "v1.0.0"]
    assert found[3].startswith("g")
    assert completed("rollback stage --to v1.1") == ["v1.10.0"]


def test_services_secrets_and_error_codes(project: Path) -> None:
    """What the manifest names, and what the program itself knows."""
    with (project / "lading.toml").open("a") as file:
        file.write('\n[secrets]\nrequired = ["JWT_KEY"]\n')
    assert completed("logs stage ") == ["web"]
    assert completed("secrets set stage J") == ["JWT_KEY"]
    assert completed("trust add J") == []
    assert "ready-failed" in completed("explain ready")


def test_without_an_agent_nothing_is_started(place_without_agent: Path) -> None:
    """No agent runs: what git knows is completed, and none runs afterwards."""
    assert completed("deploy stage ") == ["v1.0.0"]
    assert not list((place_without_agent / "home").glob("*.sock"))


@pytest.fixture
def place_without_agent(place: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (place / "empty").mkdir()
    monkeypatch.setenv("LADING_HOME", str(place / "empty" / "home"))
    return place / "empty"


def test_an_agent_that_does_not_answer_holds_nobody_up(project: Path, agent: MemoryAgent) -> None:
    """The tab key answers within a second with what is known by then."""
    gate = threading.Event()
    agent.service.releases.list = lambda *_: gate.wait(10) and ()  # type: ignore[method-assign,assignment]
    began = time.monotonic()
    assert completed("deploy stage ") == ["v1.0.0"]
    assert time.monotonic() - began < 1.5
    gate.set()


@pytest.mark.parametrize("text", ["[project\n", "", "project = 3\n", '[environments]\nx = "y"\n'])
def test_a_broken_manifest_completes_nothing_and_says_nothing(project: Path, text: str) -> None:
    """Whoever is in the middle of writing a manifest gets no error over a tab."""
    (project / "lading.toml").write_text(text)
    assert completed("deploy ") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_or_installed(
    shell: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--install`` writes the very script where the shell looks for it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    script = run("completion", shell)
    assert script.status == 0
    assert "_LADING_COMPLETE" in script.out
    said = run("completion", shell, "--install")
    assert said.status == 0
    assert place(shell).read_text() == script.out
    assert place(shell).is_relative_to(tmp_path)


def test_where_nothing_can_be_written_it_says_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that is a file: an error with the way by hand."""
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    said = run("completion", "bash", "--install")
    assert said.status == 1
    assert "nothing was installed" in said.err
    assert "lading completion bash > FILE" in said.err


def test_bash_completes_for_real(project: Path, run: Run) -> None:
    """The script in a bash: what the line so far may go on with."""
    script = run("completion", "bash").out
    program = f"""
{script}
lading() {{ :; }}
complete -p lading
COMP_WORDS=(lading deploy st) COMP_CWORD=2
_lading_completion lading st deploy
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-c", program], check=True, capture_output=True, text=True, env={**os.environ, "PATH": binaries}
    )
    assert done.stdout.splitlines() == ["complete -o nosort -F _lading_completion lading", "stage"]
    assert done.stderr == ""
