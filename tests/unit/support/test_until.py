import pytest

from tests.support import until


def test_until_gives_what_the_condition_gave() -> None:
    """Waiting ends with the first true value, which is returned."""
    values = iter([0, "", None, "here"])
    assert until(lambda: next(values)) == "here"


def test_until_names_what_it_waited_for() -> None:
    """A failure names what was waited for, by words or by its source."""
    with pytest.raises(AssertionError, match="the moon"):
        until(lambda: False, within=0.02, what="the moon")
    with pytest.raises(AssertionError, match="1 == 2"):
        until(lambda: 1 == 2, within=0.02)
