"""Bills at this agent: read, received, vouched for, attested, approved, revoked."""

import secrets
from collections.abc import Iterable

import msgspec

from lading.agent.answers import ApprovalDraft, Approved, Nonce, Statements, StatementView
from lading.agent.keys import Keys
from lading.bill.compose import approval, custom_gate, reinstatement, revocation
from lading.bill.gates import APPROVAL, ROTATION
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

    def follow_introductions(self, envelopes: Iterable[Envelope]) -> None:
        """Believe keys that believed keys introduce; whatever else is in a bill is left to be judged."""
        for envelope in envelopes:
            if _gate_of(envelope) == ROTATION:
                self._follow(envelope)

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
        asked = self._asked(release, environment, nonce)
        envelopes = self._journal.statements(release.digest)
        return self._signer.sign(vouch(envelopes, self._keys.believed(), asked, self._clock.now()))

    def attest(self, release: Release, gate: str, *, command: str, exit_status: int, seconds: float) -> Envelope:
        """Sign how a gate of one's own came out; raise ``usage`` for names that are Lading's own."""
        asked = self._asked(release, "")
        now = self._clock.now()
        return self._say(custom_gate(asked, gate, command=command, exit_status=exit_status, seconds=seconds, now=now))

    def revoke(self, release: Release, environment: str, who: str, reason: str) -> Envelope:
        """Take back what this agent said of a release, in one environment or ("") in all."""
        envelope = self._say(revocation(self._asked(release, environment), reason, self._clock.now()))
        self._audit(who, "bill revoke", reason, release, environment)
        return envelope

    def reinstate(self, release: Release, environment: str, who: str, reason: str) -> Envelope:
        """Lift this agent's own revocation of a release."""
        envelope = self._say(reinstatement(self._asked(release, environment), reason, self._clock.now()))
        self._audit(who, "bill reinstate", reason, release, environment)
        return envelope

    def draft_approval(self, release: Release, environment: str, who: str) -> ApprovalDraft:
        """Return the statement of an approval for its approver to sign."""
        statement = approval(self._asked(release, environment), self._clock.now())
        payload = payload_of(msgspec.structs.replace(statement, signer=who))
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
            return StatementView(envelope=envelope, statement=statement, trusted=True, signer=opened.key.name)
        return StatementView(envelope=envelope, statement=statement, trusted=False, problem=opened.text)

    def _follow(self, envelope: Envelope) -> None:
        rotation = accept_rotation(envelope, self._keys.believed(), self._clock.now())
        known = {key.fingerprint for key in self._keys.believed()}
        if isinstance(rotation, Rotation) and rotation.new.fingerprint not in known:
            self._journal.trust(rotation.old)
            self._journal.trust(rotation.new)
            data = {"name": rotation.new.name, "old": rotation.old.fingerprint, "new": rotation.new.fingerprint}
            self._journal.audit(Audit(at=self._clock.now(), who=rotation.new.name, act="trust rotated", data=data))

    def _say(self, statement: Statement) -> Envelope:
        envelope = self._signer.sign(statement)
        self._journal.add_statement(statement.digest, envelope)
        return envelope

    def _asked(self, release: Release, environment: str, nonce: str = "") -> Asked:
        return Asked(
            project=release.project,
            environment=environment,
            version=release.version,
            digest=release.digest,
            manifest=digest_of(release.manifest.frozen()),
            nonce=nonce,
            own=self._signer.fingerprint,
            own_earlier=tuple(key.fingerprint for key in self._keys.own_earlier()),
        )

    def _audit(self, who: str, act: str, reason: str, release: Release, environment: str) -> None:
        data = {"release": release.version, "digest": release.digest, "environment": environment}
        self._journal.audit(Audit(at=self._clock.now(), who=who, act=act, reason=reason, data=data))


def _gate_of(envelope: Envelope) -> str:
    try:
        return statement_in(envelope).gate
    except Malformed:
        return ""


def _refused(reason: str, hint: str) -> LadingError:
    return LadingError(
        "bill", doing="taking a statement into the bill", happened=reason, now="nothing was recorded", hint=hint
    )
