"""Status, history, logs, check, schema, explain: what people and scripts look at."""

import json
from pathlib import Path

import pytest

from lading.cli.main import main
from lading.model.errors import CODES, EXIT_STATUSES
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run


def test_status_has_the_promised_keys(project: Path, run: Run, production: MemoryAgent) -> None:
    """``status --json`` gives name, release, digest, url and instances of every environment of the manifest."""
    run("deploy", "stage")
    (project / "lading.toml").write_text((project / "lading.toml").read_text().partition("[environments.lost]")[0])
    said = run("status", "--json")
    assert said.status == 0
    entries = {entry["name"]: entry for entry in said.result["environments"]}
    assert list(entries) == ["local", "stage", "production"]
    assert {"name", "release", "digest", "url", "instances"} <= set(entries["stage"])
    assert entries["stage"]["release"] == "v1.0.0"
    assert entries["stage"]["instances"][0]["name"] == "web/1"
    assert entries["local"]["release"] is None


def test_status_of_one_environment(project: Path, run: Run) -> None:
    """``status ENVIRONMENT`` shows that one, for people too."""
    run("deploy", "stage")
    said = run("status", "stage")
    assert said.status == 0
    assert "v1.0.0" in said.out
    assert "local" not in said.out.split()


def test_status_tells_which_agent_cannot_be_reached(project: Path, run: Run, production: MemoryAgent) -> None:
    """The reachable environments are shown, the others say why not; exit status 7."""
    said = run("status")
    assert said.status == 7
    assert "no agent runs there" in said.out
    assert "stage          serves nothing yet" in said.out


def test_status_outside_a_project_shows_ones_own_agent(
    project: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a manifest every environment of one's own agent is shown."""
    run("deploy", "local")
    monkeypatch.chdir(tmp_path)
    entries = run("status", "--json").result["environments"]
    assert [(entry["project"], entry["name"]) for entry in entries if entry["release"]] == [("shop", "local")]


def test_commands_that_need_a_project_say_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a project the error says where was looked and how to name one."""
    monkeypatch.chdir(tmp_path)
    said = run("deploy", "stage")
    assert said.status == 2
    assert "there is no lading.toml in" in said.err


def test_history_lists_rollouts_newest_first(project: Path, run: Run) -> None:
    """Who asked for what, and what came of it."""
    run("deploy", "stage")
    (project / "a").write_text("")
    commit(project, tag="v1.1.0")
    run("deploy", "stage")
    rollouts = run("history", "stage", "--json").result["rollouts"]
    assert [rollout["release"] for rollout in rollouts] == ["v1.1.0", "v1.0.0"]
    assert "v1.0.0 → v1.1.0" in run("history", "stage").out
    assert "no rollout yet" in run("history", "local").out


def test_logs_show_lines_by_instance_without_secrets(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Lines are named by their instance, known secret values are masked, removed instances are read by rollout."""
    run("deploy", "stage")
    record = agent.world.journal.environment("shop", "stage")
    assert record is not None
    assert record.serving is not None
    agent.world.runtime.write(record.serving.instances[0].name, "token canary-4711 seen")  # type: ignore[attr-defined]
    said = run("logs", "stage", "web")
    assert "web/1 | token ••• seen" in said.out
    assert run("logs", "stage", "--rollout", "1", "--json").result["logs"][0]["rollout"] == 1
    assert "no such instance" in run("logs", "stage", "nobody").out
    assert run("logs", "stage", "--rollout", "99").status == 2


def test_refused_attempts_are_shown_by_service_without_secrets(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Who tried to reach what, of all or of one; what a program would have told the world is masked."""
    run("deploy", "stage")
    assert "nothing was refused" in run("logs", "stage", "--egress").out
    runtime = agent.world.runtime
    runtime.refused["shop/stage"] = [  # type: ignore[attr-defined]
        "2026-01-02T03:04:05Z  web/1       name canary-4711.evil.example  is not in its egress",
        "2026-01-02T03:04:06Z  settle      192.0.2.7:25  is not in its egress",
    ]
    said = run("logs", "stage", "--egress")
    assert "web/1       name •••.evil.example  is not in its egress" in said.out
    assert run("logs", "stage", "settle", "--egress", "--json").result["denied"] == [runtime.refused["shop/stage"][1]]  # type: ignore[attr-defined]
    assert "web/1" in run("logs", "stage", "web", "--egress").out
    assert run("logs", "stage", "--egress", "--follow").status == 2
    assert run("logs", "nowhere", "--egress").status == 2


def test_logs_give_a_terminal_no_orders(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Escape sequences that a program wrote are left out, other controls shown as such; none reaches the terminal."""
    run("deploy", "stage")
    record = agent.world.journal.environment("shop", "stage")
    assert record is not None
    assert record.serving is not None
    line = "a\x1b]52;c;ZXZpbA==\x07b\x9b2Jc\td\x08e"
    agent.world.runtime.write(record.serving.instances[0].name, line)  # type: ignore[attr-defined]
    said = run("logs", "stage", "web")
    assert "web/1 | abc\td\ufffde" in said.out


def test_check_says_what_a_valid_manifest_holds(project: Path, run: Run) -> None:
    """A valid manifest is summed up; an invalid one lists its problems with exit status 2."""
    assert "lading.toml is valid: 1 service" in run("check").out
    broken = project / "other.toml"
    broken.write_text("[project]\n")
    assert run("check", str(broken)).status == 2


def test_schema_is_json(run: Run) -> None:
    """``schema`` prints a JSON Schema that editors read."""
    assert json.loads(run("schema").out)["$schema"]


def test_every_code_and_exit_status_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """``explain`` knows every code of the table and every exit status."""
    for code in (*CODES, *map(str, EXIT_STATUSES)):
        assert main(["explain", code]) == 0
        assert "exit status" in capsys.readouterr().out


def test_an_unknown_code_is_bad_usage(run: Run) -> None:
    """What is not in the table is said not to be."""
    assert run("explain", "nonsense").status == 2


def test_agent_status_tells_who_it_is(run: Run) -> None:
    """Version, process, key and isolation of one's own agent."""
    about = run("agent", "status", "--json").result["agent"]
    assert about["name"] == "own"
    assert about["fingerprint"].startswith("SHA256:")
    assert "isolation    none" in run("agent", "status").out
