"""The bill of a release: signed statements about a digest, as in-toto statements in DSSE envelopes."""

from typing import Any

import msgspec

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://lading.dev/gate/v1"


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That ``gate`` came out ``passed`` (or not) on ``digest`` at ``time`` in ``environment`` of ``project``.

    ``manifest`` is the digest of the frozen manifest, ``time`` seconds since the epoch, ``signer`` the name of the
    agent or person, ``nonce`` the receiver's challenge where one was given, ``revokes`` the id of an earlier
    statement. ``facts`` holds what the gate measured (checks, lost requests, seconds, …), never a secret value.
    """

    project: str
    environment: str
    digest: str
    version: str
    manifest: str
    gate: str
    passed: bool
    time: float
    signer: str = ""
    rollout: int | None = None
    nonce: str = ""
    facts: dict[str, Any] = {}


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature of an envelope: the key's fingerprint and the signature in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename={"payload_type": "payloadType"}):
    """A DSSE envelope: base64 payload and the signatures over its pre-authentication encoding."""

    payload_type: str
    payload: str
    signatures: tuple[Signature, ...]


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key that an agent believes: raw ed25519 key in base64, its fingerprint, who it is and since when.

    ``role`` is ``agent`` (its statements count as gates) or ``approver`` (its statements count as approvals).
    ``until`` ends the overlap after a rotation, seconds since the epoch.
    """

    fingerprint: str
    public: str
    name: str
    role: str = "agent"
    added: float = 0.0
    until: float | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent demands of a release before an environment takes it. Held by the receiving agent.

    ``passed``: each named environment must have passed the whole suite on this digest (``*``: any one other
    environment). ``gates``: further gates that must have passed. ``semantic_version``: only such versions.
    ``max_age``: seconds a statement may be old. ``accept_no_isolation``: takes the process runtime.
    """

    passed: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    approvals: int = 0
    semantic_version: bool = False
    smoke_required: bool = False
    max_age: float = 7 * 86400.0
    accept_no_isolation: bool = True


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of holding a bill against a policy: ``problems`` is empty when the release is taken.

    ``have`` lists what counted, one ``environment/gate ✓`` or ``✗`` each, for the refusal's second line. ``hint`` is
    the next step towards the first problem's end.
    """

    problems: tuple[str, ...] = ()
    have: tuple[str, ...] = ()
    code: str = "policy"
    hint: str = ""

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against the release."""
        return not self.problems


def production_policy() -> Policy:
    """Return what production demands unless an admin loosened it."""
    return Policy(passed=("*",), semantic_version=True, smoke_required=True, accept_no_isolation=False)
