"""Up and down: the work tree in a local environment, once or to stay, and nothing of another tier."""

from pathlib import Path

import pytest

from lading.client.agent import segment
from tests.support_agent import MemoryAgent, commit, git
from tests.unit.cli.conftest import Run


def _release(run: Run, environment: str = "local") -> str | None:
    found = run("status", environment, "--json").result["environments"][0]["release"]
    return str(found) if found else None


def test_up_serves_the_commit_and_prints_the_address(project: Path, run: Run) -> None:
    """A clean work tree gives the release of its commit; the last lines say where it answers and how to stop it."""
    said = run("up")
    assert said.status == 0
    assert "local serves v1.0.0" in said.out
    assert said.out.rstrip().endswith("stop it: lading down")
    assert "http://" in said.out.splitlines()[-1]


def test_up_again_does_nothing(project: Path, run: Run) -> None:
    """What is up as configured stays as it is; scripts get the address in the result."""
    first = run("up", "--json").result
    again = run("up", "--json")
    assert again.status == 0
    assert again.result["url"] == first["url"] != ""
    assert again.result["rollout"]["id"] is None


def test_changes_that_are_not_committed_make_a_version_of_their_own(project: Path, run: Run) -> None:
    """The version of a changed work tree follows its content: the same content again is the same version."""
    run("up")
    before = git(project, "rev-parse", "HEAD")
    (project / "requirements.txt").write_text("# changed\n")
    said = run("up")
    assert said.status == 0
    assert "not committed, so only for local: requirements.txt" in said.err
    version = _release(run)
    assert version is not None
    assert version.startswith("v1.0.0-dirty.")
    (project / "requirements.txt").write_text("# changed again\n")
    run("up")
    assert _release(run) not in (version, "v1.0.0")
    (project / "requirements.txt").write_text("# changed\n")
    run("up")
    assert _release(run) == version
    assert git(project, "rev-parse", "HEAD") == before
    assert git(project, "status", "--porcelain") == "M requirements.txt"


def test_a_changed_tree_that_is_committed_is_a_release(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Between releases the version counts from the last tag, and says which commit the changes are on."""
    (project / "a.txt").write_text("1")
    git(project, "add", "a.txt")
    run("up")
    assert str(_release(run)).startswith("v1.0.0-dirty.")
    assert agent.built[-1] == ("a.txt", "lading.toml", "requirements.txt")
    short = commit(project)[:7]
    (project / "a.txt").write_text("2")
    run("up")
    assert str(_release(run)).startswith(f"v1.0.0-1-g{short}-dirty.")
    commit(project)
    run("up")
    assert str(_release(run)).startswith("g")


def test_what_git_does_not_track_is_left_out(project: Path, run: Run, agent: MemoryAgent) -> None:
    """A file counts from ``git add`` on, as for a release; what is left out is named, and an .env never enters."""
    (project / ".env").write_text("TOKEN=1")
    (project / "notes").write_text("")
    said = run("up")
    assert agent.built == [("lading.toml", "requirements.txt")]
    assert "left out, not committed: notes" in said.err
    assert _release(run) == "v1.0.0"


def test_a_manifest_that_git_does_not_track_yet_is_taken(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Who has just written the manifest can try it before the first commit of it."""
    git(project, "rm", "-q", "--cached", "lading.toml")
    git(project, "commit", "-q", "-m", "without")
    assert run("up").status == 0
    assert "lading.toml" in agent.built[-1]
    assert git(project, "status", "--porcelain") == "?? lading.toml"


@pytest.mark.parametrize("environment", ["stage", "production"])
def test_a_changed_tree_enters_no_stage_and_no_production(
    project: Path, run: Run, production: MemoryAgent, environment: str
) -> None:
    """No policy lets in what is in no commit, however its version looks."""
    (project / "requirements.txt").write_text("# changed\n")
    run("up")
    version = _release(run)
    assert version is not None
    said = run("deploy", environment, version)
    assert said.status == 3
    assert f"{environment} does not take {version}: it was built from changes that are in no commit" in said.err
    assert f"next:    git commit, then: lading deploy {environment}" in said.err


@pytest.mark.parametrize("verb", ["up", "down"])
def test_other_tiers_are_refused(project: Path, run: Run, verb: str) -> None:
    """Up and down are for local environments; the refusal names the command that is meant."""
    said = run(verb, "stage", "--json")
    assert said.status == 3
    assert said.result["error"]["code"] == "not-local"


def test_down_stops_and_up_brings_it_back(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Down is idempotent, status says so, and up brings the same release back."""
    run("up")
    said = run("down", "--json")
    assert said.status == 0
    assert said.result["down"]["release"] == "v1.0.0"
    assert [one["name"] for one in said.result["down"]["stopped"]] == ["web/1"]
    assert agent.world.runtime.running == ()  # type: ignore[attr-defined]
    assert "ago; v1.0.0 served until then; bring it up: lading up local" in run("status", "local").out
    assert "local was down already" in run("down").out
    assert run("up").status == 0
    assert _release(run) == "v1.0.0"


def test_history_tells_of_a_down(project: Path, run: Run) -> None:
    """Between the rollouts stands when it was taken down, what served until then, and who did it."""
    run("up")
    run("down")
    run("up")
    lines = run("history", "local").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["2", "", "1"]
    assert " down " in lines[1]
    assert "v1.0.0 → nothing" in lines[1]
    assert [one["act"] for one in run("history", "local", "--json").result["acts"]] == ["taken down"]
    assert " down " not in run("history", "local", "--limit", "1").out


def test_down_of_what_never_was_up(project: Path, run: Run) -> None:
    """Nothing to stop is no failure."""
    assert run("down").status == 0


def test_once_verifies_and_stops(project: Path, run: Run, agent: MemoryAgent) -> None:
    """``--once`` passes with 0, its last JSON line is the rollout, and nothing runs afterwards."""
    said = run("up", "--once", "--json")
    assert said.status == 0
    assert said.result["rollout"]["outcome"] == "succeeded"
    assert [one["name"] for one in said.result["stopped"]] == ["web/1"]
    assert agent.world.runtime.running == ()  # type: ignore[attr-defined]
    assert _release(run) is None


def test_once_runs_the_suite_though_it_is_up(project: Path, run: Run) -> None:
    """To be up already is no verification: the checks run again."""
    run("up")
    said = run("up", "--once")
    assert said.status == 0
    assert "v1.0.0 is verified in local: 1 smoke check passed" in said.out


def test_once_that_fails_stops_too(project: Path, run: Run, agent: MemoryAgent) -> None:
    """A check that fails gives the documented exit status, the reason, and leaves nothing running."""
    agent.world.checks.fail("500", name="status", path="/status")  # type: ignore[attr-defined]
    said = run("up", "--once")
    assert said.status == 4
    assert "smoke" in said.err
    assert agent.world.runtime.running == ()  # type: ignore[attr-defined]


def test_once_interrupted_turns_back_and_stops(
    project: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C stops what was begun and says so."""
    import lading.cli.rollouts

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lading.cli.rollouts, "watch", interrupted)
    said = run("up", "--once")
    assert said.status == 130
    assert "interrupted: local is turned back and stopped" in said.err
    assert agent.world.journal.unfinished() == []
    assert agent.world.runtime.running == ()  # type: ignore[attr-defined]


def _without_local(project: Path, instead: str) -> None:
    path = project / "lading.toml"
    path.write_text(path.read_text().replace("[environments.local]\n", instead))


def test_without_an_environment_it_is_local(project: Path, run: Run) -> None:
    """A manifest without a local environment has one with the defaults of everything."""
    _without_local(project, "")
    assert "local serves" in run("up").out


def test_the_only_local_environment_is_meant(project: Path, run: Run) -> None:
    """An environment of tier local under another name is the one that is meant, and hints name it."""
    _without_local(project, '[environments.mine]\ntier = "local"\n')
    said = run("up")
    assert "mine serves" in said.out
    assert "stop it: lading down mine" in said.out


def test_of_several_one_must_be_named(project: Path, run: Run) -> None:
    """Lading does not guess between two."""
    _without_local(project, '[environments.mine]\ntier = "local"\n[environments.dev]\n')
    said = run("up")
    assert said.status == 2
    assert "several local environments: mine, dev" in said.err
    assert segment("mine") in said.err.splitlines()[-1]


def test_an_unknown_environment_is_told(project: Path, run: Run) -> None:
    """A name that the manifest lacks is no local environment by itself."""
    assert run("up", "typo", "--json").result["error"]["code"] == "unknown-environment"
