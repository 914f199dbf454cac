"""Reading ``.env`` texts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.model.errors import LadingError
from lading.secrets.dotenv import parse


def plain(text: str) -> dict[str, str]:
    """Return what a text holds, in the clear."""
    return {name: value.reveal() for name, value in parse(text).items()}


def refusal(text: str) -> LadingError:
    """Return the error that reading must raise."""
    with pytest.raises(LadingError) as caught:
        parse(text, "stage.env")
    assert caught.value.code == "usage"
    return caught.value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("\n  \n# comment\n  # another\n", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("  export  A = 1  ", {"A": "1"}),
        ("export=1", {"export": "1"}),
        ("A=", {"A": ""}),
        ("A=''\nB=\"\"", {"A": "", "B": ""}),
        ("A=a=b==", {"A": "a=b=="}),
        ("A=x # comment", {"A": "x"}),
        ("A=x#y", {"A": "x#y"}),
        ("A=# comment", {"A": ""}),
        ("A='x # y' # comment", {"A": "x # y"}),
        ('A="x # y"# comment', {"A": "x # y"}),
        ("A=two words", {"A": "two words"}),
        ("A='it is \\n so $HOME'", {"A": "it is \\n so $HOME"}),
        (r'A="a\nb\tc\"d\\e\$f\r"', {"A": 'a\nb\tc"d\\e$f\r'}),
        (r'A="\d+"', {"A": r"\d+"}),
        ('A="continued\\\nhere"', {"A": "continuedhere"}),
        ("A=$HOME/${B}", {"A": "$HOME/${B}"}),
        ('A="one\ntwo"\nB=3', {"A": "one\ntwo", "B": "3"}),
        ("A='one\r\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
        ('A="-----BEGIN X-----\nk==\n-----END X-----"', {"A": "-----BEGIN X-----\nk==\n-----END X-----"}),
        ("A=it's", {"A": "it's"}),
        ("KEY=ключ🔑", {"KEY": "ключ🔑"}),
    ],
)
def test_what_is_understood(text: str, found: dict[str, str]) -> None:
    """Names, quotes, comments, escapes and values of several lines are read as people write them."""
    assert plain(text) == found


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("A=1\nhunter2\n", 2, "should read NAME=value"),
        ("A=1\n\n2A=hunter2\n", 3, "should read NAME=value"),
        ("A-B=hunter2", 1, "should read NAME=value"),
        ("=hunter2", 1, "should read NAME=value"),
        ("A='hunter2\nB=1", 1, "A opens a ' that is never closed"),
        ('A="hunter2\\"', 1, 'A opens a " that is never closed'),
        ("A='hunter2'hunter2", 1, "A has more text after its closing '"),
        ("A=hunter2\nA=hunter2", 2, "sets A again; line 1 set it first"),
        ('A="x\ny"\nB=2\nA=hunter2', 4, "sets A again; line 1 set it first"),
    ],
)
def test_a_mistake_is_told_by_its_line(text: str, line: int, reason: str) -> None:
    """An error names file and line, says what is wrong, and shows no value."""
    error = refusal(text)
    assert error.details == (f"stage.env:{line}  {reason}",) or reason in error.details[0]
    assert error.details[0].startswith(f"stage.env:{line}  ")
    assert "hunter2" not in str(error)
    assert "nothing was stored" in str(error)


def test_all_mistakes_are_told_at_once() -> None:
    """Every line that cannot be read is in one error."""
    error = refusal("one\nA=1\ntwo\nA=2\n")
    assert [detail.split()[0] for detail in error.details] == ["stage.env:1", "stage.env:3", "stage.env:4"]
    assert "3 lines cannot be read" in str(error)


def test_a_key_without_quotes_is_not_taken_for_names() -> None:
    """A private key pasted without quotes is refused as one mistake; none of its lines is shown or stored as a name."""
    body = "MIIEvQIBADANBgkq=\nhkiG9w0BAQEFAASC==\n"
    error = refusal(f"A=1\nKEY=-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\nB=2\n")
    assert len(error.details) == 1
    assert "KEY begins a key of several lines" in error.details[0]
    assert "MIIE" not in str(error)


def test_values_are_not_shown() -> None:
    """What is read prints as a mask."""
    assert "hunter2" not in repr(parse("A=hunter2"))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=40))
def test_a_quoted_value_survives(value: str) -> None:
    """Any value comes through double quotes when quotes and backslashes in it are escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    assert plain(f'A="{escaped}"\nB=1') == {"A": value, "B": "1"}


@given(st.text(st.sampled_from("A=b'\"\\\n# $\r-B"), max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is either read or refused with lines; nothing else escapes, and reading always ends."""
    with contextlib.suppress(LadingError):
        parse(text)
