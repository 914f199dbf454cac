"""The statements that people ask an agent for: gates of their own, approvals, revocations, and keys to believe."""

import re
from typing import Final

from lading.bill.gates import APPROVAL, REINSTATED, RESERVED, REVOKED
from lading.bill.reading import Asked
from lading.bill.sshkeys import fingerprint, read_public_line
from lading.bill.statement import Malformed, to_base64
from lading.bill.verify import AGENT, APPROVER
from lading.model.bill import Statement, TrustedKey
from lading.model.errors import LadingError

GATE_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


def custom_gate(asked: Asked, gate: str, *, command: str, exit_status: int, seconds: float, now: float) -> Statement:
    """Return the statement of ``lading attest GATE -- COMMAND``: it passed if the command's exit status was 0.

    It is about no environment. Raise ``usage`` for a name that is Lading's own or no name at all.
    """
    if gate in RESERVED or GATE_NAME.fullmatch(gate) is None:
        why = "is signed by Lading itself" if gate in RESERVED else "is no name for a gate"
        raise LadingError(
            "usage",
            doing=f"attesting {asked.version}",
            happened=f"{gate!r} {why}",
            now="nothing was signed",
            hint="choose a name of lower-case letters, digits, '-', '_' or '.', such as tests",
        )
    facts = {"command": command, "exit": exit_status, "seconds": seconds}
    return _about(asked, gate, environment="", passed=exit_status == 0, now=now, facts=facts)


def approval(asked: Asked, now: float, *, consent: bool = True) -> Statement:
    """Return the statement a person signs to let the release into ``asked.environment`` (or to take consent back).

    What is signed is :func:`~lading.bill.statement.pre_authentication_encoding` of its payload.
    """
    return _about(asked, APPROVAL, environment=asked.environment, passed=consent, now=now, facts={})


def revocation(asked: Asked, reason: str, now: float) -> Statement:
    """Return the statement by which an agent takes a release back, for every environment that believes it."""
    return _about(asked, REVOKED, environment=asked.environment, passed=False, now=now, facts={"reason": reason})


def reinstatement(asked: Asked, reason: str, now: float) -> Statement:
    """Return the statement by which an agent lifts its own revocation."""
    return _about(asked, REINSTATED, environment=asked.environment, passed=True, now=now, facts={"reason": reason})


def pin(line: str, role: str, now: float, name: str = "") -> TrustedKey:
    """Read an SSH public key line into a key to believe, named by ``name`` or else by the line's comment.

    ``role`` is ``agent`` or ``approver``. Raise ``usage`` when the line holds no ed25519 key, or nobody is named.
    """
    try:
        public, comment = read_public_line(line)
    except Malformed as error:
        raise _unpinnable(str(error), "show the public key's file: one line, ssh-ed25519 AAAA… name") from error
    if role not in (AGENT, APPROVER):
        raise _unpinnable(f"there is no role {role!r}", f"the roles are {AGENT} and {APPROVER}")
    called = (name or comment).strip()
    if not called:
        raise _unpinnable("the key names nobody", "give a name for its owner")
    return TrustedKey(fingerprint=fingerprint(public), public=to_base64(public), name=called, role=role, added=now)


def _about(
    asked: Asked, gate: str, *, environment: str, passed: bool, now: float, facts: dict[str, object]
) -> Statement:
    return Statement(
        project=asked.project,
        environment=environment,
        digest=asked.digest,
        version=asked.version,
        manifest=asked.manifest,
        gate=gate,
        passed=passed,
        time=now,
        facts=facts,
    )


def _unpinnable(happened: str, hint: str) -> LadingError:
    return LadingError(
        "usage", doing="adding a trusted key", happened=happened, now="the trusted keys are as they were", hint=hint
    )
