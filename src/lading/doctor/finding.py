"""One finding, as checks make it and as it travels from the agent to whoever asked."""

import msgspec

from lading.doctor.kinds import KINDS


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about a subject: a row of :data:`KINDS`, what it is here, and the remedy here.

    ``level`` is ``ok``, ``warning`` or ``problem``. Nothing here may hold a secret.
    """

    code: str
    level: str
    subject: str
    text: str
    remedy: str = ""


def well(subject: str, text: str) -> Finding:
    """Say that a subject was looked at and is well."""
    return Finding(code="ok", level="ok", subject=subject, text=text)


def found(code: str, subject: str, text: str, remedy: str = "") -> Finding:
    """Report a finding; without a remedy of its own it has that of its kind. KeyError for a code without a row."""
    kind = KINDS[code]
    return Finding(code=code, level=kind.level, subject=subject, text=text, remedy=remedy or kind.remedy)
