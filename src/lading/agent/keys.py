"""The agent's own key and the keys it believes; every change is audited."""

from lading.agent.answers import Trust
from lading.bill.compose import pin
from lading.bill.keys import KeyRing
from lading.bill.sshkeys import public_line
from lading.bill.statement import Malformed, unbase64
from lading.model.bill import Envelope, Statement, TrustedKey
from lading.model.errors import LadingError
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal


class CurrentSigner:
    """Signs with whatever key is in force: a rotation changes the key under those who hold this."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key in force."""
        return self._ring.signer.fingerprint

    @property
    def name(self) -> str:
        """The agent's name as it stands in statements."""
        return self._ring.signer.name

    def sign(self, statement: Statement) -> Envelope:
        """Sign a statement in the agent's name."""
        return self._ring.signer.sign(statement)


class Keys:
    """Trust, as the agent keeps it."""

    def __init__(self, journal: Journal, ring: KeyRing, clock: Clock) -> None:
        self._journal = journal
        self._ring = ring
        self._clock = clock

    def own(self) -> TrustedKey:
        """Return the agent's own key."""
        return self._ring.signer.trusted_key(self._clock.now())

    def trust(self) -> Trust:
        """Return the own key and the keys believed besides."""
        return Trust(own=self.own(), keys=tuple(self._journal.trusted()))

    def own_earlier(self) -> tuple[TrustedKey, ...]:
        """Return the agent's own replaced keys: what they signed goes on counting."""
        return tuple(self._ring.earlier())

    def believed(self) -> tuple[TrustedKey, ...]:
        """Return every key whose statements count, the agent's own (present and replaced) included."""
        return (self.own(), *self.own_earlier(), *self._journal.trusted())

    def introductions(self) -> tuple[Envelope, ...]:
        """Return the words of the agent's earlier keys about its later ones."""
        return self._ring.introductions()

    def add(self, name: str, public: str, role: str, who: str, reason: str) -> TrustedKey:
        """Believe a public key, raw in base64 or as a line of SSH; raise ``usage`` when it is none."""
        key = pin(_line(name, public), role, self._clock.now(), name)
        if key.name == self._ring.signer.name:
            raise _own_name(key.name)
        if any(other.name == key.name and other.fingerprint != key.fingerprint for other in self._journal.trusted()):
            raise _taken_name(key.name)
        self._journal.trust(key)
        self._audit(who, "trust add", reason, name=name, fingerprint=key.fingerprint, role=role)
        return key

    def remove(self, name_or_fingerprint: str, who: str, reason: str) -> tuple[TrustedKey, ...]:
        """Stop believing the keys of that name or fingerprint; raise ``usage`` when there is none."""
        found = tuple(key for key in self._journal.trusted() if name_or_fingerprint in (key.name, key.fingerprint))
        if not found:
            raise LadingError(
                "usage",
                doing="removing a trusted key",
                happened=f"no believed key has the name or fingerprint {name_or_fingerprint}",
                now="nothing was changed",
                hint="lading trust list",
            )
        for key in found:
            self._journal.distrust(key.fingerprint)
            self._audit(who, "trust remove", reason, name=key.name, fingerprint=key.fingerprint)
        return found

    def rotate(self, who: str, reason: str) -> TrustedKey:
        """Replace the own key by one that the old key introduces."""
        old = self.own().fingerprint
        self._ring.rotate(self._clock.now())
        self._audit(who, "trust rotate", reason, old=old, new=self.own().fingerprint)
        return self.own()

    def recover(self, who: str, reason: str) -> TrustedKey:
        """Replace the own key without the old one."""
        self._ring.recover()
        self._audit(who, "trust recover", reason, new=self.own().fingerprint)
        return self.own()

    def _audit(self, who: str, act: str, reason: str, **data: str) -> None:
        self._journal.audit(Audit(at=self._clock.now(), who=who, act=act, reason=reason, data=data))


def _line(name: str, public: str) -> str:
    if public.startswith("ssh-"):
        return public
    try:
        return public_line(unbase64(public), name)
    except Malformed as error:
        raise LadingError(
            "usage",
            doing=f"adding the key of {name}",
            happened=f"it is neither a public key in base64 nor a line of SSH: {error}",
            now="the trusted keys are as they were",
            hint="the other agent shows its key: lading trust show; a person's is in ~/.ssh/id_ed25519.pub",
        ) from error


def _own_name(name: str) -> LadingError:
    # Statements are told apart by their signers' names: another's must never pass for the agent's own.
    return LadingError(
        "usage",
        doing=f"adding the key of {name}",
        happened="that is this agent's own name",
        now="the trusted keys are as they were",
        hint="give the other agent another name: lading trust add NAME KEY",
    )


def _taken_name(name: str) -> LadingError:
    return LadingError(
        "usage",
        doing="trusting a key",
        happened=f"another key is believed under the name {name}, and statements are told apart by name",
        now="nothing was changed",
        hint=f"choose another name, or first: lading trust remove {name}",
    )
