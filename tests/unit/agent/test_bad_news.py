"""What speaks against a release: it stops rollbacks too, and is not forgotten because a request was refused."""

from pathlib import Path

import msgspec
import pytest

from lading.agent.asking import RolloutRequest
from lading.bill.compose import pin
from lading.bill.keys import FileSigner
from lading.bill.statement import statement_in
from lading.model.bill import Envelope, Policy, Statement
from lading.model.canonical import digest_of
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from lading.model.release import Release
from lading.model.rollout import Rollout
from lading.ports.journal import Audit
from tests.recovery.house import ENVIRONMENT, TABLE
from tests.recovery.releases import PROJECT
from tests.support import until
from tests.support_agent import MemoryAgent


class Receiver:
    """An agent that believes another one, called lab."""

    def __init__(self, place: Path) -> None:
        self.agent = MemoryAgent(place / "home")
        self.journal = self.agent.world.journal
        self.lab = FileSigner(place / "lab.key", "lab")
        self.journal.trust(pin(self.lab.public_line, "agent", 0.0))

    def release(self, version: str) -> Release:
        return self.agent.house.release(version)

    def ask(self, kind: str, version: str | None = None, **more: object) -> Rollout:
        more.setdefault("table", TABLE if kind == "deploy" else None)
        request = {"kind": kind, "project": PROJECT, "environment": ENVIRONMENT, "version": version, **more}
        opened = self.agent.rollouts.request(RolloutRequest(requested_by="ada", **request))  # type: ignore[arg-type]
        assert opened is not None
        until(lambda: self._ended(opened.id))
        return self.journal.rollout(opened.id) or opened

    def _ended(self, number: int) -> bool:
        found = self.journal.rollout(number)
        return found is not None and found.outcome is not None

    def demand(self, policy: Policy) -> None:
        self.journal.set_policy(PROJECT, ENVIRONMENT, policy, Audit(at=0.0, who="admin", act="policy set"))

    def said(self, release: Release, gate: str = "rollout", *, passed: bool = True, ago: float = 60.0) -> Envelope:
        return self.lab.sign(
            Statement(
                project=PROJECT,
                environment="lab",
                digest=release.digest,
                version=release.version,
                manifest=digest_of(release.manifest.frozen()),
                gate=gate,
                passed=passed,
                time=self.agent.world.clock.now() - ago,
                facts={"checks": 2},
            )
        )


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    return Receiver(tmp_path)


def test_nobody_goes_back_to_a_revoked_release(receiver: Receiver) -> None:
    """A revocation stops the release, whichever way it would come; lifting it opens the way back."""
    first, _ = receiver.release("v1.0.0"), receiver.release("v1.1.0")
    for version in ("v1.0.0", "v1.1.0"):
        assert receiver.ask("deploy", version).outcome == "succeeded"
    receiver.agent.service.bills.revoke(first, "", "ada", "leaks")
    for to in (None, "v1.0.0"):
        with pytest.raises(LadingError, match="revoked it") as refused:
            receiver.ask("rollback", to=to)
        assert (refused.value.code, refused.value.exit_status) == ("bill", 3)
        assert "leaks" in str(refused.value)
        assert "v1.1.0, untouched" in refused.value.now
    assert receiver.journal.audits()[0].act == "refused"
    receiver.agent.world.clock.advance(1.0)  # type: ignore[attr-defined]
    receiver.agent.service.bills.reinstate(first, "", "ada", "it does not")
    assert receiver.ask("rollback").outcome == "succeeded"


def test_a_rollout_turns_back_to_a_revoked_release(receiver: Receiver) -> None:
    """Old or new: what turns back by itself, or is turned back before it ended, asks no bill."""
    first, _ = receiver.release("v1.0.0"), receiver.release("v1.1.0")
    assert receiver.ask("deploy", "v1.0.0").outcome == "succeeded"
    receiver.agent.service.bills.revoke(first, "", "ada", "leaks")
    receiver.agent.world.checks.fail("/ready")  # type: ignore[attr-defined]
    assert receiver.ask("deploy", "v1.1.0").outcome == "unwound"
    assert receiver.agent.house.record.serving is not None
    assert receiver.agent.house.record.serving.release == first


def test_bad_news_of_a_refused_request_is_remembered(receiver: Receiver) -> None:
    """Who asks again and leaves the revocation out is refused all the same."""
    release = receiver.release("v1.0.0")
    receiver.demand(Policy(passed=("lab",)))
    good, bad = receiver.said(release), receiver.said(release, "revoked", passed=False)
    for bill in ((good, bad), (good,)):
        with pytest.raises(LadingError, match="revoked it"):
            receiver.ask("deploy", "v1.0.0", bill=bill)
    assert receiver.journal.statements(release.digest) == [bad]


def test_what_no_believed_key_signed_is_not_kept(receiver: Receiver, tmp_path: Path) -> None:
    """An admission keeps the genuine statements about this digest, and nothing that could spoil its bill later."""
    release, other = receiver.release("v1.0.0"), receiver.release("v1.1.0")
    receiver.demand(Policy(passed=("lab",)))
    stranger = FileSigner(tmp_path / "stranger.key", "stranger")
    good = receiver.said(release)
    foreign = stranger.sign(msgspec.structs.replace(statement_in(good), signer="stranger"))
    assert receiver.ask("deploy", "v1.0.0", bill=(foreign, receiver.said(other), good)).outcome == "succeeded"
    kept = receiver.journal.statements(release.digest)
    assert good in kept
    assert foreign not in kept
    assert receiver.said(other) not in kept


def test_an_admission_is_written_down(receiver: Receiver) -> None:
    """The audit says on what evidence a release was let in, and whether its source had to confirm it just then."""
    release = receiver.release("v1.0.0")
    receiver.demand(Policy(passed=("lab",)))
    receiver.ask("deploy", "v1.0.0", bill=(receiver.said(release),))
    entry = receiver.journal.audits()[0]
    assert (entry.act, entry.who) == ("admitted", "ada")
    assert entry.data["have"] == ["lab/rollout ✓"]
    assert entry.data["challenged"] is False


def test_an_environment_cannot_be_asked_to_have_passed_itself(receiver: Receiver) -> None:
    """A manifest that demands a pass in the environment itself takes nothing from what its agent demands."""
    release = receiver.release("v1.0.0")
    assert receiver.ask("deploy", "v1.0.0").outcome == "succeeded"
    receiver.demand(Policy(passed=("*",)))
    requires = msgspec.structs.replace(Environment().requires, passed=(ENVIRONMENT,))
    table = msgspec.structs.replace(TABLE, requires=requires)
    with pytest.raises(LadingError, match="no other environment"):
        receiver.ask("deploy", "v1.0.0", table=table)
    assert receiver.ask("deploy", "v1.0.0", table=table, bill=(receiver.said(release),)).outcome == "succeeded"
