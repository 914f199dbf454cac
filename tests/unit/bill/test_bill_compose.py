"""The statements that people ask for, and the keys they pin."""

import pytest

from lading.bill import approval, custom_gate, pin, reinstatement, revocation
from lading.bill.gates import RESERVED
from lading.model.errors import LadingError
from tests.unit.bill.cases import NOW, Case, Person


@pytest.mark.parametrize(("exit_status", "passed"), [(0, True), (1, False), (-9, False)])
def test_a_gate_passes_by_its_commands_exit_status(case: Case, exit_status: int, passed: bool) -> None:
    """A gate of one's own says what was run and how it ended, about the digest and no environment."""
    statement = custom_gate(case.asked, "tests", command="pytest", exit_status=exit_status, seconds=4.2, now=NOW)
    assert statement.passed is passed
    assert statement.environment == ""
    assert statement.digest == case.asked.digest
    assert statement.facts == {"command": "pytest", "exit": exit_status, "seconds": 4.2}


@pytest.mark.parametrize("gate", sorted(RESERVED))
def test_ladings_own_gates_are_not_attested_by_command(case: Case, gate: str) -> None:
    """No command can pass for a rollout, a smoke suite, an approval or a revocation."""
    with pytest.raises(LadingError, match="is signed by Lading itself") as caught:
        custom_gate(case.asked, gate, command="true", exit_status=0, seconds=0, now=NOW)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("gate", ["", "Tests", "a b", "stage/rollout", "-x", "a" * 64, "tests\n"])
def test_a_gate_has_a_plain_name(case: Case, gate: str) -> None:
    """A name that would read like something else in a bill is refused."""
    with pytest.raises(LadingError, match="is no name for a gate"):
        custom_gate(case.asked, gate, command="true", exit_status=0, seconds=0, now=NOW)


def test_what_people_sign_is_about_the_release_asked_about(case: Case) -> None:
    """Approvals and revocations name project, environment, digest and manifest of what was asked."""
    for statement in (
        approval(case.asked, NOW),
        revocation(case.asked, "why", NOW),
        reinstatement(case.asked, "", NOW),
    ):
        assert (statement.project, statement.environment) == ("cashback", "production")
        assert (statement.digest, statement.manifest) == (case.asked.digest, case.asked.manifest)


def test_a_pinned_key_is_named_by_hand_or_by_its_comment(bob: Person) -> None:
    """A given name goes before the line's comment."""
    from lading.bill.sshkeys import public_line

    line = public_line(bob.public, "bob@laptop")
    assert pin(line, "approver", NOW).name == "bob@laptop"
    assert pin(line, "agent", NOW, "stage-host").name == "stage-host"
    assert pin(line, "agent", NOW).fingerprint == bob.trusted.fingerprint


@pytest.mark.parametrize(
    ("line", "role", "reason"),
    [("junk", "agent", "ssh-ed25519"), ("LINE", "admin", "no role 'admin'"), ("LINE", "agent", "names nobody")],
)
def test_what_cannot_be_pinned_is_refused(bob: Person, line: str, role: str, reason: str) -> None:
    """A damaged key, an unknown role and a nameless key are refused before anything is believed."""
    from lading.bill.sshkeys import public_line

    with pytest.raises(LadingError, match=reason) as caught:
        pin(line.replace("LINE", public_line(bob.public)), role, NOW)
    assert caught.value.code == "usage"
