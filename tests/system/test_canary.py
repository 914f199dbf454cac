"""Secrets are seen nowhere: a program that tells them to everybody goes the whole road, failing in every way."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.model.secret import MASK
from tests.agents import LADING, RealAgent
from tests.canary import Arguments, files_below, make_teller, seen_in
from tests.canary_road import Road
from tests.projects import NAME

pytestmark = pytest.mark.system


@pytest.fixture
def road(make_agent: Callable[..., RealAgent]) -> Road:
    agent = make_agent()
    make_teller(agent.project)
    return Road(agent)


def test_secrets_are_seen_nowhere(road: Road) -> None:
    """No file of the agent's, no temporary file, no answer, no output of a command, and no process's arguments or
    environment as others see it hold a secret, however it is spelled, though the program tells all of them in every
    answer and every line it writes. A value that the agent made is seen nowhere either, and nothing may leave a core.
    """
    with Arguments() as arguments:
        road.travel()
    assert road.outcomes.pop("v2.0.0") == "succeeded"
    assert set(road.outcomes.values()) == {"unwound"}
    searched = road.search(arguments)
    assert searched.found == {}
    assert arguments.looks > 20
    assert len(road.cores) > 5
    logs = dict(road.answers())[f"/v1/logs/{NAME}/local?lines=10000"]
    assert json.dumps(logs, ensure_ascii=False).count(MASK) > 20
    files = list(files_below(road.agent.home))
    assert {file.name for file in files} > {"journal.db", "agent.log", "routes.yml", "traefik.log", "record.json"}
    assert list(road.agent.home.joinpath("spool").iterdir()) == []
    # Else nothing would have been proved: this is where the program did tell.
    told = b"".join(log.read_bytes() for log in road.agent.home.glob("process/logs/*.log"))
    assert len(seen_in(told)) > 60
    assert road.made().encode() in told


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_private_is_private_under_any_umask(make_agent: Callable[..., RealAgent], umask: int) -> None:
    """Nothing below the home can be listed, written or read by others, but the layers that instances run from."""
    agent = make_agent(f"mask-{umask}")
    home = agent.home.rename(agent.home.with_name("seed"))
    agent.home.parent.chmod(0o755)
    before = os.umask(umask)
    try:
        assert subprocess.run([LADING, "agent", "start"], cwd=agent.project, env=_at(agent.home)).returncode == 0
    finally:
        os.umask(before)
    assert agent.home.stat().st_mode & 0o777 == 0o711
    found = {path.name: oct(path.stat().st_mode) for path in _reachable(agent.home) if path.stat().st_mode & 0o026}
    # The store's table of contents, and a number.
    assert set(found) <= {"index.json", "oci-layout", ".index.lock", "last-port"}, found
    assert home.exists()


def _at(home: Path) -> dict[str, str]:
    return {**os.environ, "LADING_HOME": str(home)}


def _reachable(home: Path) -> Iterator[Path]:
    """Yield what other users can get to below the home, knowing every name."""
    for directory, folders, names in os.walk(home):
        yield from (Path(directory, name) for name in (*folders, *names))
        folders[:] = [name for name in folders if Path(directory, name).stat().st_mode & 0o001]
