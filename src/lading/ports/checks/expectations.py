"""What a check must see, as rules over what was seen: every adapter judges by these.

Each rule gives a reason in one line; the empty string says that nothing is wrong. Reasons may still hold secrets:
:func:`reason_line` makes them fit to be shown.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lading.model.manifest import Expect, Probe
from lading.model.secret import Secret, redact
from lading.ports.checks.containment import difference, pick, show

REASON_LIMIT = 300  # characters of a reason
BODY_LIMIT = 1024 * 1024  # bytes of an answer or output file that are looked at
NOTE_LIMIT = 64 * 1024  # bytes of a body that are searched for secrets, of which REASON_LIMIT characters are shown
ANY_2XX = tuple(range(200, 300))


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer: status, headers by lower-case name, and its body, ``cut`` where it was beyond ``BODY_LIMIT``.

    ``cookies`` holds its ``Set-Cookie`` headers, which cannot be joined into one.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cut: bool = False
    cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", errors="replace")


def probe_reason(probe: Probe, seen: Seen) -> str:
    """Judge a probe's answer."""
    return _status_reason(seen, probe.status) or _json_reason(seen, probe.json)


def request_reason(expect: Expect, seen: Seen) -> str:
    """Judge a smoke request's answer: status (any 2xx unless said), headers (equal), JSON (contained), text."""
    return (
        _status_reason(seen, ANY_2XX if expect.status is None else expect.status)
        or _headers_reason(seen, expect.headers)
        or _json_reason(seen, expect.json)
        or _text_reason(seen, expect.text)
    )


def captured(capture: Mapping[str, str], seen: Seen) -> tuple[dict[str, Secret], str]:
    """Return the values that ``capture`` names in the JSON answer, and the reason why one of them is not there."""
    if not capture:
        return {}, ""
    found: dict[str, Secret] = {}
    reason = ""
    try:
        data = json.loads(seen.body)
    except (ValueError, RecursionError):
        return {}, f"{seen.status}, nothing to capture: the body is not JSON{body_note(seen)}"
    for name, path in capture.items():
        try:
            value = pick(data, path)
        except KeyError:
            reason = reason or f"{seen.status}, nothing to capture as {name}: the answer has no {path}"
            continue
        if value is None or isinstance(value, dict | list):
            reason = reason or f"{seen.status}, nothing to capture as {name}: {path} is no text or number"
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        # JSON can spell half a character, which no later request could send.
        if not text.isascii() and text != text.encode("utf-8", "ignore").decode():
            reason = reason or f"{seen.status}, nothing to capture as {name}: {path} is no whole text"
            continue
        found[name] = Secret(text)
    return found, reason


def run_reason(expect: Expect, exit_status: int | None, output: str) -> str:
    """Judge how a command or job ended and what it wrote to its output."""
    lines = output.strip().splitlines()
    last = f"; its last line: {lines[-1]}" if lines else "; it wrote nothing"
    if exit_status is None:
        return f"stopped at its timeout{last}"
    wanted = 0 if expect.exit is None else expect.exit
    if exit_status != wanted:
        return f"exit status {exit_status}, expected {wanted}{last}"
    if expect.text is not None and expect.text not in output:
        return f"its output does not hold {show(expect.text)}{last}"
    return ""


def file_reason(path: str, wanted: Any, data: bytes, *, cut: bool = False) -> str:
    """Judge an output file: True asks that it is not empty, text must be in it, other JSON contained in its JSON."""
    if not data:
        return f"output file {path} is empty"
    if wanted is True:
        return ""
    if cut:
        return f"output file {path} is larger than {BODY_LIMIT} bytes, too large to judge"
    if isinstance(wanted, str):
        return "" if wanted in data.decode("utf-8", errors="replace") else f"{path} does not hold {show(wanted)}"
    try:
        return difference(wanted, json.loads(data), path)
    except (ValueError, RecursionError):
        return f"output file {path} is not JSON"


def _status_reason(seen: Seen, wanted: tuple[int, ...]) -> str:
    if seen.status in wanted:
        return ""
    to = f" to {seen.headers.get('location', 'nowhere')}" if 300 <= seen.status < 400 else ""
    usual = wanted in ((200,), ANY_2XX)
    expected = "" if usual else ", expected " + " or ".join(map(str, wanted))
    return f"{seen.status}{to}{expected}{body_note(seen)}"


def _headers_reason(seen: Seen, wanted: Mapping[str, str]) -> str:
    for name, value in wanted.items():
        given = seen.headers.get(name.lower())
        if given != value:
            is_what = "is missing" if given is None else f"is {show(given)}, expected {show(value)}"
            return f"{seen.status}, header {name} {is_what}"
    return ""


def _json_reason(seen: Seen, wanted: Any) -> str:
    if wanted is None:
        return ""
    if seen.cut:
        return f"{seen.status}, body is larger than {BODY_LIMIT} bytes, too large to judge"
    try:
        found = difference(wanted, json.loads(seen.body))
    except (ValueError, RecursionError):
        return f"{seen.status}, body is not JSON{body_note(seen)}"
    return f"{seen.status}, {found}{body_note(seen)}" if found else ""


def _text_reason(seen: Seen, wanted: str | None) -> str:
    if wanted is None or wanted in seen.text:
        return ""
    return f"{seen.status}, body does not hold {show(wanted)}{body_note(seen)}"


def body_note(seen: Seen) -> str:
    """Return ``, body: …`` for a reason, nothing where the body is empty."""
    text = seen.body[:NOTE_LIMIT].decode("utf-8", errors="replace")
    return f", body: {text}" if text.strip() else ""


def reason_line(reason: str, secrets: Iterable[Secret]) -> str:
    """Make a reason fit to be shown: no secret in any usual spelling, one line, at most ``REASON_LIMIT`` characters."""
    shown = redact(reason, secrets)
    shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return shown if len(shown) <= REASON_LIMIT else shown[: REASON_LIMIT - 1] + "…"
