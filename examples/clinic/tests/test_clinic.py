"""What the clinic finds, and that it goes on where a stage cannot."""

import json
from pathlib import Path

import pytest
from clinic import stages
from clinic.__main__ import main
from clinic.examination import examine


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLINIC_DB", str(tmp_path / "clinic.db"))
    monkeypatch.setenv("LADING_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.delenv("MODEL_KEY", raising=False)
    place = tmp_path / "patient"
    (place / ".git").mkdir(parents=True)
    (place / ".git" / "config").write_text("token = 'abcdefghijklmnop'")
    (place / "good.py").write_text("def one():\n    return 1\n")
    (place / "picture.png").write_bytes(b"\x89PNG\0\0")
    return place


def kinds(patient: Path) -> set[tuple[str, str]]:
    return {(found.file, found.kind) for found in examine(patient, say=lambda _text: None).findings}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.py", 'password = "hunter2hunter2"\n', "secret"),
        ("a.py", "# TODO: later\n", "debt"),
        ("a.py", "def f(:\n", "syntax"),
        ("a.py", "def f():\n" + "    x = 1\n" * 61, "length"),
        ("a.py", "eval(input())\n", "risk"),
        ("a.py", "try:\n    pass\nexcept:\n    pass\n", "risk"),
        ("requirements.txt", "flask>=3\n", "dependency"),
    ],
)
def test_each_kind_is_found(patient: Path, name: str, text: str, kind: str) -> None:
    (patient / name).write_text(text)
    assert (name, kind) in kinds(patient)


def test_what_is_well_is_left_alone(patient: Path) -> None:
    (patient / "test_good.py").write_text("def test_one():\n    assert True\n")
    (patient / "requirements.txt").write_text("flask==3.0.0\n# a remark\n")
    assert kinds(patient) == set()


def test_the_same_content_gives_the_same_summary(patient: Path, tmp_path: Path) -> None:
    said = []
    for _ in range(2):
        assert main(["analyze", str(patient)]) == 0
        said.append((tmp_path / "outputs" / "summary.json").read_text())
    assert said[0] == said[1]
    assert json.loads(said[0])["files"] == 1


def test_a_stage_that_fails_takes_no_other_along(
    patient: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_sources: object) -> None:
        raise ValueError("no luck")

    monkeypatch.setitem(stages.STAGES, "debts", broken)
    assert main(["analyze", str(patient)]) == 0
    summary = json.loads((tmp_path / "outputs" / "summary.json").read_text())
    assert summary["failed"] == 1
    assert summary["patients"]["patient"]["failed"] == {"debts": "ValueError: no luck"}
    assert "The stage debts failed" in (tmp_path / "outputs" / "report.md").read_text()


def test_history_and_health(patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ward").mkdir()
    (tmp_path / "ward" / "second").mkdir()
    assert main(["analyze", str(patient)]) == 0
    assert main(["checkup", str(tmp_path / "ward")]) == 0
    capsys.readouterr()
    assert main(["history"]) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["second", "patient"]
    assert main(["healthcheck"]) == 0
    assert "2 examinations kept" in capsys.readouterr().out
    assert main(["analyze", str(tmp_path / "nobody")]) == 2


def test_a_model_that_cannot_be_reached_is_a_failed_stage(
    patient: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_KEY", "key")
    monkeypatch.setenv("MODEL_URL", "http://127.0.0.1:9/")
    assert main(["analyze", str(patient)]) == 0
    assert json.loads((tmp_path / "outputs" / "summary.json").read_text())["failed"] == 1
