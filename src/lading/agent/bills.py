"""Bills at this agent: read, received, vouched for, attested, approved, revoked."""

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec

from lading.agent.answers import ApprovalDraft, Approved, Nonce, Statements, StatementView
from lading.agent.keys import Keys
from lading.bill.gates import APPROVAL, RESERVED, REVOKED, ROTATION
from lading.bill.reading import Asked
from lading.bill.rotation import Rotation, accept_rotation
from lading.bill.statement import (
    Malformed,
    payload_of,
    pre_authentication_encoding,
    statement_in,
    to_base64,
    unbase64,
)
from lading.bill.verdict import vouch
from lading.bill.verify import APPROVER, Opened, approval_envelope, open_envelope
from lading.model.bill import PAYLOAD_TYPE, Envelope, Statement
from lading.model.canonical import digest_of
from lading.model.errors import LadingError
from lading.model.release import Release
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal
from lading.ports.signer import Signer

NONCE_LIFE = 600.0  # seconds a challenge may take to be answered


class Bills:
    """The signed statements this agent has about releases."""

    def __init__(self, journal: Journal, signer: Signer, keys: Keys, clock: Clock) -> None:
        self._journal = journal
        self._signer = signer
        self._keys = keys
        self._clock = clock

    def statements(self, digest: str) -> Statements:
        """Return a digest's bill, with whether each signer is believed."""
        views = tuple(self._view(envelope) for envelope in self._journal.statements(digest))
        return Statements(statements=views, introductions=self._keys.introductions())

    def receive(self, envelopes: Iterable[Envelope]) -> None:
        """Keep what a believed key signed, and follow introductions of new keys; whatever else is left aside."""
        for envelope in envelopes:
            opened = open_envelope(envelope, self._keys.believed(), self._clock.now())
            if not isinstance(opened, Opened):
                continue
            if opened.statement.gate == ROTATION:
                self._follow(envelope)
            else:
                self._journal.add_statement(opened.statement.digest, envelope)

    def add(self, digest: str, envelope: Envelope) -> StatementView:
        """Keep one envelope about a digest; raise ``bill`` when its signer is not believed or it is about another."""
        opened = open_envelope(envelope, self._keys.believed(), self._clock.now())
        if not isinstance(opened, Opened):
            raise _refused(opened.text, "lading trust list; lading trust add NAME KEY")
        if opened.statement.digest != digest:
            raise _refused(f"it is about {opened.statement.digest}, not {digest}", "send it to that release's bill")
        self._journal.add_statement(digest, envelope)
        return self._view(envelope)

    def nonce(self) -> Nonce:
        """Give out a challenge for one promotion."""
        expires = self._clock.now() + NONCE_LIFE
        nonce = secrets.token_urlsafe(24)
        self._journal.add_nonce(nonce, expires)
        return Nonce(nonce=nonce, expires=expires)

    def verdict(self, release: Release, environment: str, nonce: str) -> Envelope:
        """Sign this agent's present word on a release in one of its environments, over another agent's challenge."""
        now = self._clock.now()
        asked = Asked(
            project=release.project,
            environment=environment,
            version=release.version,
            digest=release.digest,
            manifest=_manifest_of(release),
            nonce=nonce,
            own=self._signer.fingerprint,
        )
        envelopes = self._journal.statements(release.digest)
        return self._signer.sign(vouch(envelopes, self._keys.believed(), asked, now))

    def attest(self, release: Release, gate: str, passed: bool, facts: dict[str, Any]) -> Envelope:
        """Sign how a gate of one's own came out; raise ``usage`` for names that are Lading's own."""
        if gate in RESERVED or not gate.strip():
            raise LadingError(
                "usage",
                doing=f"attesting {gate!r} of {release.version}",
                happened="that name is kept for what Lading itself finds"
                if gate in RESERVED
                else "a gate needs a name",
                now="nothing was recorded",
                hint="choose another name, such as tests",
            )
        return self._say(release, gate, "", passed=passed, facts=facts)

    def revoke(self, release: Release, environment: str, who: str, reason: str) -> Envelope:
        """Take back what this agent said of a release, in one environment or ("") in all."""
        envelope = self._say(release, REVOKED, environment, passed=False, facts={"reason": reason})
        data = {"release": release.version, "digest": release.digest, "environment": environment}
        self._journal.audit(Audit(at=self._clock.now(), who=who, act="bill revoke", reason=reason, data=data))
        return envelope

    def draft_approval(self, release: Release, environment: str, who: str) -> ApprovalDraft:
        """Return the statement of an approval for its approver to sign."""
        statement = self._statement(release, APPROVAL, environment, passed=True, facts={})
        payload = payload_of(_signed_by(statement, who))
        return ApprovalDraft(
            payload=to_base64(payload), message=to_base64(pre_authentication_encoding(PAYLOAD_TYPE, payload))
        )

    def approve(self, payload: str, signature: str) -> Approved:
        """Keep an approval that one of the agent's approvers signed; raise ``bill`` otherwise."""
        try:
            envelope = approval_envelope(unbase64(payload), signature)
        except Malformed as error:
            raise _refused(str(error), "sign it anew: lading approve ENVIRONMENT VERSION") from error
        opened = open_envelope(envelope, self._keys.believed(), self._clock.now())
        if not isinstance(opened, Opened):
            raise _refused(opened.text, "an admin adds your key: lading trust add NAME KEY --approver")
        if opened.key.role != APPROVER or opened.statement.gate != APPROVAL:
            raise _refused(f"{opened.key.name}'s key is no approver's", "lading trust add NAME KEY --approver")
        self._journal.add_statement(opened.statement.digest, envelope)
        return Approved(signer=opened.key.name, fingerprint=opened.key.fingerprint)

    def _view(self, envelope: Envelope) -> StatementView:
        try:
            statement = statement_in(envelope)
        except Malformed as error:
            return StatementView(envelope=envelope, statement=None, trusted=False, problem=str(error))
        opened = open_envelope(envelope, self._keys.believed(), self._clock.now())
        if isinstance(opened, Opened):
            return StatementView(envelope=envelope, statement=statement, trusted=True)
        return StatementView(envelope=envelope, statement=statement, trusted=False, problem=opened.text)

    def _follow(self, envelope: Envelope) -> None:
        rotation = accept_rotation(envelope, self._keys.believed(), self._clock.now())
        known = {key.fingerprint for key in self._keys.believed()}
        if isinstance(rotation, Rotation) and rotation.new.fingerprint not in known:
            self._journal.trust(rotation.old)
            self._journal.trust(rotation.new)
            data = {"name": rotation.new.name, "old": rotation.old.fingerprint, "new": rotation.new.fingerprint}
            self._journal.audit(Audit(at=self._clock.now(), who=rotation.new.name, act="trust rotated", data=data))

    def _say(self, release: Release, gate: str, environment: str, *, passed: bool, facts: dict[str, Any]) -> Envelope:
        statement = self._statement(release, gate, environment, passed=passed, facts=facts)
        envelope = self._signer.sign(_signed_by(statement, self._signer.name))
        self._journal.add_statement(release.digest, envelope)
        return envelope

    def _statement(
        self, release: Release, gate: str, environment: str, *, passed: bool, facts: dict[str, Any]
    ) -> Statement:
        return Statement(
            project=release.project,
            environment=environment,
            digest=release.digest,
            version=release.version,
            manifest=_manifest_of(release),
            gate=gate,
            passed=passed,
            time=self._clock.now(),
            facts=facts,
        )


def _signed_by(statement: Statement, signer: str) -> Statement:
    return msgspec.structs.replace(statement, signer=signer)


def _manifest_of(release: Release) -> str:
    return digest_of(release.manifest.frozen())


def _refused(reason: str, hint: str) -> LadingError:
    return LadingError(
        "bill", doing="taking a statement into the bill", happened=reason, now="nothing was recorded", hint=hint
    )
