"""The agent's socket and who may open it."""

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.agent.door import listen
from lading.model.errors import LadingError
from lading.model.interface import SOCKET
from tests.support_agent import ShortDirectory


@pytest.fixture
def home() -> Iterator[Path]:
    with ShortDirectory() as directory:
        yield directory


def test_without_a_group_it_is_its_owners_alone(home: Path) -> None:
    """Nobody else may open it, whatever the umask; a left-over socket is replaced."""
    for _ in range(2):
        with listen(home):
            assert stat.S_IMODE((home / SOCKET).stat().st_mode) == 0o600


def test_a_group_may_open_it_too(home: Path) -> None:
    """The group of agent.toml gets in, others do not."""
    group = grp.getgrgid(os.getgid())
    with listen(home, group.gr_name):
        status = (home / SOCKET).stat()
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, group.gr_gid)


def test_a_group_that_is_not_there_is_refused(home: Path) -> None:
    """The agent does not start with a socket for nobody."""
    with pytest.raises(LadingError, match="groupadd no-such-group-here") as refused:
        listen(home, "no-such-group-here")
    assert refused.value.code == "usage"
