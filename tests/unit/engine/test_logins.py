"""Logins for basic auth are read strictly, hashed before they leave the engine, and named by line, never shown."""

import bcrypt
import pytest

from lading.engine.logins import hashed, logins_of
from lading.model.secret import Secret
from lading.ports.router.rules import LOGIN


def test_each_line_is_a_login_that_the_library_verifies() -> None:
    """Several lines are several users; a password may hold colons and anything else but the line's end."""
    text = "anna:correct: horse {{x}}\n\n  ben:ünïcode-9f \n"
    lines = hashed(Secret(text), "shop/stage")
    passwords = {"anna": "correct: horse {{x}}", "ben": "ünïcode-9f"}
    assert [line.partition(":")[0] for line in lines] == ["anna", "ben"]
    for line in lines:
        user, _, hash_ = line.partition(":")
        assert LOGIN.fullmatch(line)
        assert bcrypt.checkpw(passwords[user].encode(), hash_.encode())
        assert not bcrypt.checkpw(b"another", hash_.encode())


def test_the_same_login_gives_the_same_line_and_no_two_share_a_salt() -> None:
    """Routes are compared with those in force, so hashing again must change nothing; others' hashes tell nothing."""
    secret = Secret("anna:horse\nben:horse")
    lines = hashed(secret, "shop/stage")
    assert hashed(secret, "shop/stage") == lines
    elsewhere = hashed(secret, "shop/demo")
    assert len({line.partition(":")[2] for line in (*lines, *elsewhere)}) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line"),
        ("hunter2-only", "line 1"),
        ("anna:horse\nhunter2", "line 2"),
        ("anna:", "line 1"),
        (":hunter2", "line 1"),
        ("{{anna}}:hunter2", "line 1"),
        ("änna:hunter2", "line 1"),
        ("anna:hunter2\nanna:hunter3", "same user"),
        ("anna:hunter2" + "x" * 72, "longer than 72 bytes"),
    ],
)
def test_what_is_no_login_is_said_by_its_line_and_not_shown(text: str, said: str) -> None:
    """Somebody may have stored the bare password: no message repeats any of it."""
    with pytest.raises(ValueError, match=said) as caught:
        logins_of(Secret(text))
    assert "hunter2" not in str(caught.value)
