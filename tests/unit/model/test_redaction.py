"""A known secret is masked however it is spelled, and nothing else is."""

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.model.secret import MASK, Secret, redact

CANARY = 'c4n"ary/4711 +<&é'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quoted": quote,
    "wholly quoted": lambda value: quote(value, safe=""),
    "in small letters": lambda value: re.sub("%..", lambda found: found[0].lower(), quote(value, safe="")),
    "in a form": quote_plus,
    "in a query": lambda value: urlencode({"token": value}),
    "in JSON": lambda value: json.dumps({"token": value}),
    "in JSON as it is": lambda value: json.dumps({"token": value}, ensure_ascii=False),
    "in Python": lambda value: repr({"token": value}),
    "in HTML": lambda value: f"<pre>{html.escape(value)}</pre>",
    "in HTML text": lambda value: html.escape(value, quote=False),
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
    "in base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "in hex": lambda value: value.encode().hex(),
    "in capital hex": lambda value: value.encode().hex().upper(),
}


@pytest.mark.parametrize("value", [CANARY, KEY, "/+" * 6], ids=["awkward", "lines", "slashes"])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))
def test_every_spelling_is_masked(spell: Callable[[str], str], value: str) -> None:
    """However a program writes a value, what is shown holds a mask in its place."""
    spelled = spell(value)
    shown = redact(f"before {spelled} after", [Secret(value)])
    assert MASK in shown
    assert spelled not in shown
    assert (shown.split()[0], shown.split()[-1]) == ("before", "after")


@given(st.binary(max_size=12), st.text("abcdefghXYZ0123456789/+-_", min_size=8, max_size=40), st.binary(max_size=12))
def test_base64_of_something_longer_is_masked(before: bytes, value: str, after: bytes) -> None:
    """A value within what was encoded, as in basic credentials, leaves none of its whole bytes readable."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + value.encode() + after).decode()
        shown = redact(text, [Secret(value)])
        assert MASK in shown
        # At its two ends a character may hold some bits of it.
        assert (
            len(shown.replace(MASK, "").rstrip("=")) <= len(encode(before).decode()) + len(encode(after).decode()) + 2
        )


def test_the_lines_of_a_value_are_masked_one_by_one() -> None:
    """A log is shown line by line; no line of a key of several lines is."""
    assert {redact(line, [Secret(KEY)]) for line in KEY.splitlines()} == {MASK}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("postgres://shop:pass%2Fword-1@db/shop", ["pass%2Fword-1", "pass/word-1"]),
        ("smoke:pass:word", ["pass:word"]),
    ],
)
def test_passwords_within_values_are_masked(value: str, told: list[str]) -> None:
    """The password that a URL or ``user:password`` holds is as secret as the whole."""
    for password in told:
        assert redact(f"login with {password} failed", [Secret(value)]) == f"login with {MASK} failed"


def test_of_two_values_the_longer_one_is_masked_whole() -> None:
    """A value that begins with another leaves no rest."""
    assert redact("token-12345", [Secret("token"), Secret("token-12345")]) == MASK


@pytest.mark.parametrize("value", ["", "a", "abc", " "])
def test_short_values_are_left(value: str) -> None:
    """What occurs in ordinary text by chance is not masked."""
    assert redact("abc a b c", [Secret(value)]) == "abc a b c"


def test_half_a_character_is_no_reason_to_fail() -> None:
    """A value that no encoding can hold is masked as it is."""
    assert redact("x \udcff1234 y", [Secret("\udcff1234")]) == f"x {MASK} y"
