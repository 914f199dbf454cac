"""Files that runs left, given out and copied without leaving their directories."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.agent.outputs import read_output
from lading.cli.main import main
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, OutputFile
from lading.runtime.process.outputs import files_in
from tests.runs import ended_run
from tests.support_agent import MemoryAgent


def left(directory: Path) -> JobRun:
    """Return a run that left what lies in a directory."""
    return ended_run(1, outputs=files_in(str(directory)), outputs_at=str(directory))


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    directory = tmp_path / "outputs"
    (directory / "pages").mkdir(parents=True)
    (directory / "summary.json").write_text("{}")
    (directory / "pages" / "one.md").write_text("# one")
    return directory


def content(run: JobRun, path: str) -> bytes:
    return b"".join(read_output(run, path)[1])


def test_files_are_listed_with_their_sizes(outputs: Path) -> None:
    """Plain files below the outputs are listed by path; links, pipes and what cannot be looked at are not."""
    (outputs / "link").symlink_to("/etc/passwd")
    (outputs / "elsewhere").symlink_to("/etc")
    os.mkfifo(outputs / "pipe")
    found = files_in(str(outputs))
    assert found == (OutputFile(path="summary.json", size=2), OutputFile(path="pages/one.md", size=5))
    assert files_in(str(outputs / "nowhere")) == ()


def test_a_listed_file_is_given_out(outputs: Path) -> None:
    """What was listed can be had, also from folders within."""
    run = left(outputs)
    assert content(run, "pages/one.md") == b"# one"
    size, pieces = read_output(run, "summary.json")
    assert (size, b"".join(pieces)) == (2, b"{}")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "pages", "nothing", "", "pages/../summary.json"])
def test_what_was_not_listed_is_not_given_out(outputs: Path, path: str) -> None:
    """Only the paths that a run left are answered."""
    with pytest.raises(LadingError, match="it has: summary"):
        content(left(outputs), path)


def test_a_link_put_there_since_is_not_followed(outputs: Path, tmp_path: Path) -> None:
    """A file or folder that became a link after the run is refused, wherever it leads."""
    run = left(outputs)
    (tmp_path / "one.md").write_text("secret")
    (outputs / "summary.json").unlink()
    (outputs / "summary.json").symlink_to(tmp_path / "one.md")
    (outputs / "pages" / "one.md").unlink()
    (outputs / "pages").rmdir()
    (outputs / "pages").symlink_to(tmp_path)
    for path in ("summary.json", "pages/one.md"):
        with pytest.raises(LadingError, match="cannot be read any more"):
            content(run, path)


@pytest.fixture
def asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryAgent]:
    monkeypatch.setenv("LADING_HOME", str(place / "home"))
    project = place / "shop"
    project.mkdir()
    (project / "lading.toml").write_text('[project]\nname = "shop"\n[environments.local]\n')
    monkeypatch.chdir(project)
    with MemoryAgent(place / "home").serving() as agent:
        yield agent


def test_outputs_are_copied(
    asked: MemoryAgent, outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All files of a run arrive, folders too; what is there already is not written over."""
    asked.world.journal.open_run(lambda _number: left(outputs))
    to = tmp_path / "to"
    to.mkdir()
    (to / "summary.json.part").write_text("mine")
    assert main(["outputs", "local", "1", "--to", str(to)]) == 0
    assert (to / "pages" / "one.md").read_text() == "# one"
    assert (to / "summary.json.part").read_text() == "mine"
    (to / "summary.json.part").unlink()
    assert sorted(path.name for path in to.rglob("*") if path.is_file()) == ["one.md", "summary.json"]
    (to / "summary.json").write_text("mine")
    assert main(["outputs", "local", "1", "--to", str(to)]) == 2
    assert (to / "summary.json").read_text() == "mine"
    capsys.readouterr()
    assert main(["outputs", "local", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"][0] == {"path": "summary.json", "size": 2}


def test_an_agent_cannot_write_outside_of_the_directory(
    asked: MemoryAgent, outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that leads out is refused before anything is written, whoever names it."""
    import msgspec

    for path in ("../out", "/tmp/out", "a/../../out"):
        evil = msgspec.structs.replace(left(outputs), outputs=(OutputFile(path=path, size=1),))
        number = asked.world.journal.open_run(lambda n, run=evil: msgspec.structs.replace(run, id=n)).id  # type: ignore[misc]
        assert main(["outputs", "local", str(number), "--to", str(tmp_path / "to")]) == 2
        assert "outside" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


@pytest.fixture
def place() -> Iterator[Path]:
    from tests.support_agent import ShortDirectory

    with ShortDirectory() as directory:
        yield directory
