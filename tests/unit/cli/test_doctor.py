"""lading doctor: every finding with its remedy, whatever state the agent is in."""

import os
import socket
import threading
from pathlib import Path

import pytest

from lading.cli import doctor
from lading.doctor.finding import found
from lading.model.interface import SOCKET
from tests.support_agent import MemoryAgent, commit, git
from tests.unit.cli.conftest import Run


def levels(run: Run, *words: str) -> dict[str, str]:
    """Return the level of every code that is not ok."""
    result = run("doctor", "--json", *words).result["doctor"]
    return {one["code"]: one["level"] for one in result["findings"] if one["level"] != "ok"}


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what depends on the machine that tests run on."""
    monkeypatch.setattr("lading.doctor.registry.HOME", ())


def test_what_is_well_ends_with_0(project: Path, run: Run, production: MemoryAgent) -> None:
    """Agents of every environment are asked; warnings are told and do not count, unless with --strict."""
    (project / "lading.toml").write_text((project / "lading.toml").read_text().partition("[environments.lost]")[0])
    said = run("doctor")
    assert (said.status, "nothing is wrong" in said.out) == (0, True)
    assert f"agent unix://{production.home}" in said.out
    assert run("doctor", "--strict").status == (1 if "!" in said.out else 0)


def test_a_problem_ends_with_1_and_names_its_remedy(project: Path, run: Run, agent: MemoryAgent) -> None:
    """An agent's finding travels with its remedy."""
    finding = found("alert", "shop/stage", "rollout 7 got stuck", "lading deploy stage v1.0.0")
    object.__setattr__(agent.service, "doctor", lambda: (finding,))
    said = run("doctor")
    assert said.status == 1
    assert "✗ shop/stage           rollout 7 got stuck" in said.out
    assert "→ lading deploy stage v1.0.0" in said.out


def test_an_agent_that_does_not_run_is_no_end_of_it(project: Path, run: Run) -> None:
    """Its absence is a finding where it has run before, and none where it never did; nothing is started."""
    lost = project.parent / "lost"
    assert "agent-down" not in levels(run)
    assert not lost.exists()
    lost.mkdir()
    (lost / "journal.db").touch()
    assert levels(run)["agent-down"] == "problem"
    assert not (lost / SOCKET).exists()


def test_an_agent_that_hangs_is_found(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes connections and never answers is given up after a while, with the process to end."""
    monkeypatch.setattr(doctor, "PATIENCE", 0.2)
    lost = project.parent / "lost"
    lost.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(lost / SOCKET))
        listener.listen(8)
        assert levels(run)["agent-silent"] == "problem"


def test_another_version_is_told(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agent and command line of two versions work together, but it should be known."""
    monkeypatch.setattr("lading.__version__", "9.9.9")
    assert levels(run)["agent-version"] == "warning"


def test_the_project_is_looked_at(project: Path, run: Run) -> None:
    """An environment file in git, packages that are not pinned, a manifest that is broken: all at once."""
    (project / ".env").write_text("KEY=canary-1\n")
    (project / ".env.example").write_text("KEY=\n")
    (project / "requirements.txt").write_text("uvicorn\nfastapi==0.115.0 --hash=sha256:ab # pinned\n# a comment\n")
    commit(project, "careless")
    said = run("doctor")
    assert "canary" not in said.out
    assert "git rm --cached .env;" in said.out
    assert ".env.example" not in said.out
    assert "requirements.txt     not pinned by version and hash: uvicorn" in said.out
    assert {"env-tracked", "unpinned"} <= set(levels(run))
    (project / "lading.toml").write_text("[project]\nname = 3\n")
    assert levels(run)["manifest"] == "problem"
    (project / "lading.toml").write_text("[project\n")
    assert levels(run)["manifest"] == "problem"


def test_outside_of_a_project_the_agent_is_looked_at(
    project: Path, run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server nobody has the sources."""
    monkeypatch.chdir(place)
    assert git(project, "status", "--porcelain") == ""
    said = run("doctor")
    assert said.status == 0
    assert "the project" not in said.out
    assert f"agent unix://{place / 'home'}" in said.out
    assert threading.active_count() < 50
    assert os.getcwd() == str(place)
