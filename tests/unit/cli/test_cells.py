"""Text on its way to a terminal: nothing of it acts, and its width is counted in cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.cli.cells import fit, harmless, one_line, pad, width, wrap

TEXTS = st.text(max_size=60)


@pytest.mark.parametrize(
    ("wrote", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jgone", "gone"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x1b(0b", "ab"),
        ("a\x1b]never ended", "anever ended"),
        ("a\x1b", "a\ufffd"),
        ("a\x08b\x00", "a\ufffdb\ufffd"),
        ("safe \u202egnp.exe", "safe \ufffdgnp.exe"),
        ("naïve – 日本", "naïve – 日本"),
    ],
)
def test_what_a_program_wrote_gives_no_orders(wrote: str, shown: str) -> None:
    """Escape sequences are left out; what is left of controls shows as a strange sign."""
    assert harmless(wrote) == shown
    assert one_line(wrote) == shown


def test_an_unended_sequence_hides_no_further_lines() -> None:
    """Who opens a sequence and never ends it cannot swallow the lines that follow."""
    assert harmless("a\x1b]0;\nb\nc\x07") == "a0;\nb\nc\ufffd"


def test_lines_and_tabs_stay_where_lines_are_shown() -> None:
    """A text of several lines stays one; on one line they become spaces."""
    assert harmless("a\tb\nc") == "a\tb\nc"
    assert one_line("a\tb\nc") == "a b c"


def test_of_a_progress_bar_the_last_state_is_shown() -> None:
    """What overwrote itself with carriage returns shows as it stands at the end."""
    assert one_line("10 %\r50 %\r100 %\r\n") == "100 %"


@given(TEXTS)
def test_nothing_that_acts_is_ever_left(text: str) -> None:
    """Whatever a program writes, no control but line ends and tabs is left, and on one line not even those."""
    assert all(sign.isprintable() or sign in "\n\t" or not sign.isascii() for sign in harmless(text))
    assert not set(one_line(text)) & {chr(number) for number in (*range(32), *range(127, 160))}


@given(TEXTS.map(one_line), st.integers(1, 40))
def test_what_is_cut_fits(text: str, room: int) -> None:
    """A cut line takes no more cells than there are, and one that fits is left alone."""
    assert width(fit(text, room)) <= room
    assert width(text) > room or fit(text, room) == text
    assert width(pad(fit(text, room), room)) == room


@given(TEXTS.map(one_line), st.integers(2, 40))
def test_what_is_wrapped_fits_and_loses_nothing(text: str, room: int) -> None:
    """Wrapped lines fit, and hold every sign of the text but spaces at their ends."""
    lines = wrap(text, room)
    assert max(map(width, lines)) <= room
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wide_signs_take_two_cells_and_joining_ones_none() -> None:
    """Cells, not characters, decide what fits."""
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert fit("日本語", 5) == "日本…"
    assert fit("日本語", 4) == "日…"
    assert fit("ab", 0) == ""
