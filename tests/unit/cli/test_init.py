"""``lading init``: never overwrites, and says what comes next."""

import json
from pathlib import Path

import pytest

from lading.cli.main import main

MAIN = 'from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get("/health")\ndef health():\n    return {}\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "hello"
    directory.mkdir()
    (directory / "main.py").write_text(MAIN)
    (directory / "requirements.txt").write_text("fastapi\nuvicorn\n")
    monkeypatch.chdir(directory)
    return directory


def test_a_manifest_is_written_that_passes_the_check(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends by saying what was found, what is not sure, and what to type next."""
    assert main(["init"]) == 0
    said = capsys.readouterr().out
    assert main(["check"]) == 0
    assert "FastAPI main:app" in said
    assert "no ready route was found" in said
    assert "uv pip compile --quiet --generate-hashes requirements.in -o requirements.txt" in said


@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_what_is_there_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """Whatever is called lading.toml stays as it is: exit 2 and a hint."""
    there = project / "lading.toml"
    if kind == "file":
        there.write_text("mine")
    elif kind == "directory":
        there.mkdir()
    else:
        there.symlink_to("nowhere")
    assert main(["init"]) == 2
    said = capsys.readouterr().err
    assert "already" in said
    assert "lading init --force" in said
    assert sorted(path.name for path in project.iterdir()) == ["lading.toml", "main.py", "requirements.txt"]
    assert kind != "file" or there.read_text() == "mine"


def test_force_keeps_a_copy_each_time(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was there is kept under another name, and an older copy is not lost either."""
    for text in ("first", "second"):
        (project / "lading.toml").write_text(text)
        assert main(["init", "--force"]) == 0
    assert (project / "lading.toml.kept").read_text() == "first"
    assert (project / "lading.toml.kept-2").read_text() == "second"
    assert "the one before is lading.toml.kept-2" in capsys.readouterr().out
    assert main(["check"]) == 0


def test_print_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The draft goes to the standard output and is the same that would be written."""
    assert main(["init", "--print"]) == 0
    printed = capsys.readouterr().out
    assert not (project / "lading.toml").exists()
    assert main(["init"]) == 0
    assert (project / "lading.toml").read_text() == printed


def test_json_gives_the_findings(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script gets what was found, with places, what is not sure and the next commands."""
    assert main(["init", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["init"]
    assert told["file"] == str(project / "lading.toml")
    assert {"subject": "application", "value": "FastAPI main:app", "place": "main.py:3"} in told["findings"]
    assert told["unsure"]
    assert told["next"][-1].startswith("lading ")


def test_a_directory_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong -C is a mistake of usage, not a traceback."""
    assert main(["init", "-C", str(tmp_path / "nowhere")]) == 2
    assert "there is no directory" in capsys.readouterr().err


def test_a_directory_one_may_not_write_to_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is half-written where nothing can be written."""
    (project / "lading.toml").mkdir()
    (project / "lading.toml").rmdir()
    target = project / "gone"
    target.mkdir()
    assert main(["init", "-C", str(target)]) == 0
    assert (target / "lading.toml").is_file()
