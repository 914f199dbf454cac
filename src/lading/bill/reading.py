"""Which statements of a bill count, and why each other one does not."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from lading.bill.gates import APPROVAL, REINSTATED, REVOKED, ROLLOUT, ROTATION, SUITES, VERDICT
from lading.bill.verify import AGENT, APPROVER, Opened, Problem, open_envelope
from lading.bill.words import span, when
from lading.model.bill import Envelope, Statement, TrustedKey

SKEW: Final = 300.0  # seconds that another agent's clock may be ahead


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a bill is held against: a release that is to enter ``environment`` of ``project``.

    ``manifest`` is the digest of the frozen manifest, ``requester`` who asks (``user@host``), ``nonce`` the challenge
    that the receiving agent gave for this promotion (empty: none), ``own`` the fingerprint of its own key and
    ``own_earlier`` those of its replaced ones; the trusted keys must hold them too.
    """

    project: str
    environment: str
    version: str
    digest: str
    manifest: str
    requester: str = ""
    nonce: str = ""
    own: str = ""
    own_earlier: tuple[str, ...] = ()

    def is_own(self, key: TrustedKey) -> bool:
        """Tell whether a key is or was the agent's own; by fingerprint, for two agents may share a name."""
        return key.fingerprint == self.own or key.fingerprint in self.own_earlier


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that does not count: what it claims to be about, and why, as a clause for people.

    ``kind`` is a problem's, or ``foreign`` ``unbelievable`` ``too-old`` ``withdrawn`` ``replayed``.
    """

    environment: str
    gate: str
    kind: str
    reason: str


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A bill, read: what counts, what does not, and what speaks against the release whatever else counts.

    ``revoked`` are those of the alarms that are revocations. ``denials`` are answers to the challenge by agents that do
    not stand by the release now. ``unconfirmed`` names the environments of other agents whose statements count by their
    age alone.
    """

    counted: tuple[Opened, ...]
    aside: tuple[SetAside, ...]
    alarms: tuple[str, ...]
    revoked: tuple[str, ...]
    denials: tuple[str, ...]
    unconfirmed: tuple[str, ...]

    def newest(self, environment: str, gate: str) -> Opened | None:
        """Return the newest word on a gate in an environment; of two at the same time, the one that failed."""
        words = (one for one in self.counted if one.statement.environment == environment and one.statement.gate == gate)
        return max(words, key=order, default=None)

    def environments(self) -> tuple[str, ...]:
        """Return the environments in which a rollout was judged."""
        found = (one.statement.environment for one in self.counted if one.statement.gate == ROLLOUT)
        return tuple(dict.fromkeys(found))

    def why_not(self, fits: Callable[[SetAside], bool]) -> SetAside | None:
        """Return the last statement that ``fits`` and does not count, of the rollout itself if there is one."""
        found = [one for one in self.aside if fits(one)]
        return max(found, key=lambda one: one.gate == ROLLOUT, default=None)


def read_bill(
    envelopes: Iterable[Envelope], trusted: Iterable[TrustedKey], asked: Asked, max_age: float, now: float
) -> Bill:
    """Verify every envelope and sort out what counts. ``max_age`` and ``now`` in seconds."""
    reader = _Reader(tuple(trusted), asked, max_age, now)
    for envelope in envelopes:
        reader.open(envelope)
    return reader.bill()


def is_pass(statement: Statement) -> bool:
    """Tell whether a statement speaks for the release; a revocation never does, whatever it says in ``passed``."""
    return statement.passed and statement.gate != REVOKED


def newer(one: Opened, other: Opened) -> bool:
    """Tell whether ``one`` was said after ``other``; at the same time, the failed one was."""
    return order(one) > order(other)


def order(one: Opened) -> tuple[float, bool]:
    """Return the key that sorts statements by time, failures after passes."""
    return one.statement.time, not is_pass(one.statement)


def label(environment: str, gate: str) -> str:
    """Return the name of a gate in an environment, as a source's verdict lists it."""
    return f"{environment}/{gate}"


class _Reader:
    """Sorts the statements of one bill; a new one for each bill."""

    def __init__(self, trusted: tuple[TrustedKey, ...], asked: Asked, max_age: float, now: float) -> None:
        self._trusted = trusted
        self._asked = asked
        self._max_age = max_age
        self._now = now
        self._kept: list[Opened] = []
        self._vouchers: dict[str, Statement] = {}
        self._aside: list[SetAside] = []
        self._alarms: list[str] = []

    def open(self, envelope: Envelope) -> None:
        """Verify one envelope and keep its statement if it is about this release."""
        opened = open_envelope(envelope, self._trusted, self._now)
        if isinstance(opened, Problem):
            self._aside.append(
                SetAside(environment=opened.environment, gate=opened.gate, kind=opened.kind, reason=opened.text)
            )
            if opened.kind == "bad-signature":
                self._alarms.append(f"a statement in its bill was tampered with: {opened.text}")
            return
        if reason := self._foreign(opened):
            self._set_aside(opened, "foreign", reason)
        elif reason := self._unbelievable(opened):
            self._set_aside(opened, "unbelievable", reason)
        elif opened.statement.gate == VERDICT:
            self._hear(opened)
        else:
            self._kept.append(opened)

    def bill(self) -> Bill:
        """Return the bill as far as it counts."""
        standing = [one for one in self._kept if self._stands(one)]
        revoked = tuple(_revocations(standing))
        return Bill(
            counted=tuple(one for one in standing if one.statement.gate not in (REVOKED, REINSTATED)),
            aside=tuple(self._aside),
            alarms=(*self._alarms, *revoked),
            revoked=revoked,
            denials=tuple(
                f"{signer} does not stand by it in {word.environment} now"
                for signer, word in self._vouchers.items()
                if not word.passed
            ),
            unconfirmed=tuple(dict.fromkeys(self._unconfirmed(standing))),
        )

    def _set_aside(self, opened: Opened, kind: str, reason: str) -> None:
        statement = opened.statement
        aside = SetAside(environment=statement.environment, gate=statement.gate, kind=kind, reason=reason)
        self._aside.append(aside)

    def _foreign(self, opened: Opened) -> str:
        """Say why a statement is not about this release, or not the signer's to make."""
        statement, asked = opened.statement, self._asked
        if statement.gate == ROTATION:
            return "it introduces a key"
        if statement.project != asked.project:
            return f"it is about another project ({statement.project})"
        if statement.digest != asked.digest:
            return f"it is about another digest ({statement.digest[:19]}…)"
        if statement.manifest != asked.manifest:
            return "it is about another manifest"
        if (opened.key.role == APPROVER) != (statement.gate == APPROVAL):
            return f"it is signed by {opened.key.name}, whose key is not trusted for {statement.gate}"
        return ""

    def _unbelievable(self, opened: Opened) -> str:
        """Say why a pass proves nothing. What speaks against a release counts whenever it was said."""
        statement = opened.statement
        if not is_pass(statement):
            return ""
        if statement.time > self._now + SKEW:
            return f"it is dated {when(statement.time)}, which is still to come: compare the clocks of both hosts"
        if statement.gate in SUITES and not _checks(statement):
            return "its smoke suite had no check, and an empty suite passes nothing"
        return ""

    def _hear(self, opened: Opened) -> None:
        """Take a source's present word, if it answers this promotion's challenge."""
        statement, signer = opened.statement, opened.key.name
        if not self._asked.nonce or statement.nonce != self._asked.nonce:
            self._set_aside(opened, "replayed", f"{signer}'s word answers another challenge, so it may be out of date")
            return
        before = self._vouchers.get(signer)
        # Of two answers the later one holds; of two at the same time, the denial.
        if before is None or (statement.time, not statement.passed) > (before.time, not before.passed):
            self._vouchers[signer] = statement

    def _stands(self, opened: Opened) -> bool:
        """Tell whether a statement is confirmed, young enough, or one that needs neither."""
        statement, signer = opened.statement, opened.key.name
        if not is_pass(statement) or statement.gate == REINSTATED or self._asked.is_own(opened.key):
            return True
        voucher = self._vouchers.get(signer) if opened.key.role == AGENT else None
        if voucher is not None:
            gates = voucher.facts.get("gates", {})
            confirmed = isinstance(gates, dict) and gates.get(label(statement.environment, statement.gate)) is True
            if not confirmed:
                self._set_aside(opened, "withdrawn", f"{signer} no longer stands by it")
            return confirmed
        age = self._now - statement.time
        if age > self._max_age:
            self._set_aside(
                opened, "too-old", f"it is {span(age)} old, and the policy takes none older than {span(self._max_age)}"
            )
        return age <= self._max_age

    def _unconfirmed(self, standing: list[Opened]) -> Iterator[str]:
        for one in standing:
            trusted_by_age = not self._asked.is_own(one.key) and one.key.name not in self._vouchers
            if trusted_by_age and is_pass(one.statement) and one.key.role != APPROVER:
                yield one.statement.environment or one.key.name


def _checks(statement: Statement) -> bool:
    checks = statement.facts.get("checks", 0)
    return isinstance(checks, int) and checks > 0


def _revocations(standing: list[Opened]) -> Iterator[str]:
    """Yield the revocations that their own signer has not lifted since."""
    words: dict[str, Opened] = {}
    for one in standing:
        if one.statement.gate in (REVOKED, REINSTATED):
            before = words.get(one.key.name)
            words[one.key.name] = one if before is None or newer(one, before) else before
    for one in words.values():
        if one.statement.gate == REVOKED or not one.statement.passed:
            reason = one.statement.facts.get("reason", "")
            why = f": {reason}" if isinstance(reason, str) and reason else ""
            yield f"{one.key.name} revoked it at {when(one.statement.time)}{why}"
