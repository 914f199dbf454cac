"""Bills, gates of one's own, approvals, trust, policies, secrets."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support_agent import MemoryAgent
from tests.unit.cli.conftest import Run


def test_attest_records_how_a_command_ended(project: Path, run: Run) -> None:
    """The statement is about the digest of HEAD's release; the exit status is the command's own."""
    run("release")
    said = run("attest", "tests", "--json", "--", sys.executable, "-c", "raise SystemExit(3)")
    assert said.status == 3
    assert said.result["attestation"]["exit"] == 3
    assert not said.result["attestation"]["passed"]
    assert run("attest", "tests", "--", "true").status == 0
    statements = run("bill", "v1.0.0", "--json").result["bill"]["statements"]
    assert [(one["statement"]["gate"], one["statement"]["passed"]) for one in statements] == [
        ("tests", False),
        ("tests", True),
    ]


def test_attest_needs_a_release(project: Path, run: Run) -> None:
    """A gate is about a digest: without a release the command is not run, and the hint builds one."""
    said = run("attest", "tests", "--", "touch", "ran")
    assert said.status == 2
    assert "lading release v1.0.0" in said.err
    assert not (project / "ran").exists()


def test_attest_of_a_missing_command_fails_like_a_shell(project: Path, run: Run) -> None:
    """A command that is not there is recorded as failed, with exit status 127."""
    run("release")
    assert run("attest", "tests", "--", "no-such-command-here").status == 127


def test_names_of_lading_cannot_be_attested(project: Path, run: Run) -> None:
    """A command cannot claim what only a rollout finds."""
    run("release")
    assert run("attest", "rollout", "--", "true", "--json").status == 2


def test_a_bill_names_what_does_not_count(project: Path, run: Run, production: MemoryAgent) -> None:
    """A statement by an unknown key is listed with the reason it counts for nothing."""
    run("deploy", "stage")
    run("deploy", "production")
    run("policy", "set", "production", "--any-version", "--reason", "test")
    envelope = run("bill", "v1.0.0", "--json").result["bill"]["statements"][0]["envelope"]
    from lading.client.local import agent_at

    release = run("release", "--json").result["release"]
    production.world.journal.add_statement(release["digest"], _envelope(envelope))
    assert agent_at(f"unix://{production.home}").get(f"/v1/bills/{release['digest']}")["statements"]
    said = run("bill", "v1.0.0", "--on", "production")
    assert "does not count" in said.out
    assert "an unknown key" in said.out


def _envelope(plain: object) -> object:
    import msgspec

    from lading.model.bill import Envelope

    return msgspec.convert(plain, type=Envelope)


def test_a_revoked_bill_stops_a_promotion(project: Path, run: Run, agent: MemoryAgent, production: MemoryAgent) -> None:
    """What stage's agent took back does not enter production, until it is lifted again."""
    run("deploy", "stage")
    home = run("--json", "agent", "status").result["agent"]["home"]
    run("trust", "add", "stage-agent", f"unix://{home}", "--on", "production")
    run("policy", "allow", "production", "no-isolation", "--reason", "one machine")
    assert run("revoke", "stage", "v1.0.0", "--reason", "wrong prices").status == 0
    refused = run("promote", "stage", "production", "--json")
    assert (refused.status, refused.result["error"]["code"]) == (3, "bill")
    for clock in (agent.world.clock, production.world.clock):
        clock.advance(1.0)  # type: ignore[attr-defined]
    assert run("revoke", "stage", "v1.0.0", "--reason", "they were right", "--undo").status == 0
    assert run("promote", "stage", "production").status == 0


def test_an_approval_is_signed_with_an_ssh_key(
    project: Path, run: Run, tmp_path: Path, production: MemoryAgent
) -> None:
    """A listed approver's signature is taken, anybody else's is not."""
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bob", "-f", str(key)], check=True)
    run("deploy", "production")
    refused = run("approve", "production", "v1.0.0", "--key", str(key), "--json")
    assert (refused.status, refused.result["error"]["code"]) == (3, "bill")
    run("trust", "add", "bob", f"{key}.pub", "--approver", "--on", "production")
    said = run("approve", "production", "v1.0.0", "--key", str(key), "--json")
    assert said.status == 0
    assert said.result["approval"]["signer"] == "bob"


def test_an_approval_without_a_key_says_what_to_do(project: Path, run: Run) -> None:
    """A key that is not there is bad usage, and nothing is recorded."""
    run("deploy", "stage")
    assert run("approve", "stage", "v1.0.0", "--key", "/nowhere/key").status == 2


def test_trust_is_shown_listed_added_and_removed(project: Path, run: Run, production: MemoryAgent) -> None:
    """A key is fetched from its agent, shown by fingerprint, and removed by name."""
    own = run("trust", "show", "--on", "production", "--json").result["own"]
    added = run("trust", "add", "other", own["public"], "--json").result["key"]
    assert added["fingerprint"] == own["fingerprint"]
    assert own["fingerprint"] in run("trust", "list").out
    assert run("trust", "remove", "other", "--reason", "gone").status == 0
    assert run("trust", "list", "--json").result["keys"] == []
    assert run("trust", "remove", "other", "--reason", "gone").status == 2


def test_a_key_that_is_none_is_refused(run: Run) -> None:
    """Text that is no public key is bad usage."""
    assert run("trust", "add", "other", "bm8ga2V5").status == 2


def test_an_agent_does_not_take_anothers_key_under_its_own_name(
    project: Path, run: Run, production: MemoryAgent
) -> None:
    """Statements are told apart by names: another's key must not pass for the agent's own."""
    assert run("trust", "add", "own", f"unix://{production.home}").status == 2


@pytest.mark.parametrize("words", [("rotate",), ("recover", "--reason", "lost")])
def test_the_own_key_can_be_replaced(run: Run, words: tuple[str, ...]) -> None:
    """Rotation and recovery give the agent another key and show it."""
    before = run("trust", "show", "--json").result["own"]["fingerprint"]
    after = run("trust", *words, "--json").result["own"]["fingerprint"]
    assert before != after


def test_a_rotated_key_is_believed_by_its_introduction(project: Path, run: Run, production: MemoryAgent) -> None:
    """After a rotation the source's bill still counts: the old key introduces the new one to the receiver."""
    home = run("--json", "agent", "status").result["agent"]["home"]
    run("trust", "add", "stage-agent", f"unix://{home}", "--on", "production")
    run("policy", "allow", "production", "no-isolation", "--reason", "one machine")
    run("trust", "rotate")
    run("deploy", "stage")
    assert run("promote", "stage", "production").status == 0
    names = [key["name"] for key in run("trust", "list", "--on", "production", "--json").result["keys"]]
    assert names == ["stage-agent", "stage-agent"]


def test_a_policy_is_shown_tightened_and_loosened_with_a_reason(
    project: Path, run: Run, production: MemoryAgent
) -> None:
    """Changes name single demands; what is not named stays; every change needs its reason."""
    assert run("policy", "show", "production", "--json").result["policy"]["semantic_version"]
    said = run("policy", "set", "production", "--gate", "tests", "--max-age", "3d", "--reason", "care", "--json")
    assert said.result["policy"]["gates"] == ["tests"]
    assert said.result["policy"]["max_age"] == 3 * 86400
    assert said.result["policy"]["semantic_version"]
    assert run("policy", "allow", "production", "no-isolation").status == 2
    assert (
        "isolation         none is accepted"
        in run("policy", "allow", "production", "no-isolation", "--reason", "test").out
    )
    assert [entry.act for entry in production.world.journal.audits()] == ["policy set", "policy set"]


def test_policy_set_needs_something_to_set(project: Path, run: Run, production: MemoryAgent) -> None:
    """No change, or a duration that is none, is bad usage."""
    assert run("policy", "set", "production", "--reason", "why").status == 2
    assert run("policy", "set", "production", "--max-age", "soon", "--reason", "why").status == 2


def test_a_secret_comes_from_standard_input_and_never_out(
    project: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value goes in by stdin; lists show names and versions; the audit shows neither value."""
    monkeypatch.setattr("sys.stdin", io.StringIO("canary-9\n"))
    assert run("secrets", "set", "local", "KEY").status == 0
    said = run("secrets", "list", "local", "--json")
    assert said.result["secrets"] == {"KEY": 1}
    assert "canary-9" not in said.out
    assert agent.world.secrets.get("shop/local", "KEY", 1).reveal() == "canary-9"
    assert "canary-9" not in repr(agent.world.journal.audits())


def test_an_empty_secret_is_refused(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value would count as missing, so it is not stored."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("secrets", "set", "local", "KEY").status == 2


def test_secrets_are_imported_from_an_env_file(project: Path, run: Run, tmp_path: Path) -> None:
    """Every NAME=VALUE line becomes a secret; a mistake is told by its line, not its value."""
    file = tmp_path / ".env"
    file.write_text("A=1\nexport B='two words'\nEMPTY=\n")
    assert run("secrets", "import", "local", str(file), "--json").result["secrets"] == {"A": 1, "B": 1}
    file.write_text("A=1\ncanary-8 here\n")
    said = run("secrets", "import", "local", str(file))
    assert said.status == 2
    assert "canary-8" not in said.err
