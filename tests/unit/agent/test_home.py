"""The agent's home: one agent at a time, a name that stays, a socket for its owner, news for streamers."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from lading.agent.changes import Changes
from lading.agent.door import listen
from lading.agent.home import Card, Home


def test_only_one_process_has_a_home(tmp_path: Path) -> None:
    """A second process is refused while the first lives; the kernel frees the home when it dies, however it dies."""
    program = (
        "import sys, os\nfrom pathlib import Path\nfrom lading.agent.home import Home\n"
        "home = Home(Path(sys.argv[1]))\nprint(home.acquire(), flush=True)\nsys.stdin.read()\nos.kill(os.getpid(), 9)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    home = Home(tmp_path)
    assert not home.acquire()
    holder.communicate()
    assert home.acquire()


def test_the_name_is_chosen_once(tmp_path: Path) -> None:
    """Two homes of one host get different names; a home keeps its own until it is given another."""
    one, two = Home(tmp_path / "one"), Home(tmp_path / "two")
    assert one.name() != two.name()
    assert one.name() == Home(tmp_path / "one").name()
    assert one.name("stage") == Home(tmp_path / "one").name() == "stage"


def test_the_card_and_the_spool_are_the_owners(tmp_path: Path) -> None:
    """Files are 0600, the home itself may be passed through; what a dead agent spooled is swept."""
    home = Home(tmp_path / "home")
    home.write_card(Card(pid=1, started=2.0, version="3", socket="4"))
    assert json.loads((home.root / "agent.json").read_text())["pid"] == 1
    assert (home.root / "agent.json").stat().st_mode & 0o777 == 0o600
    assert home.root.stat().st_mode & 0o777 == 0o711
    assert home.spool.stat().st_mode & 0o777 == 0o700
    (home.spool / "left").write_text("")
    home.sweep()
    assert not list(home.spool.iterdir())
    home.remove_card()
    home.remove_card()


def test_the_socket_replaces_a_left_over_one_however_long_its_path(tmp_path: Path) -> None:
    """A stale socket is no obstacle, nor is a path beyond the kernel's limit; only the owner may connect."""
    home = tmp_path / ("d" * 120)
    home.mkdir()
    listen(home).close()
    mask = os.umask(0)
    os.umask(mask)
    with listen(home):
        assert (home / "agent.sock").stat().st_mode & 0o777 == 0o600
    assert os.umask(mask) == mask


def test_a_streamer_is_woken_from_another_thread() -> None:
    """Publishing wakes who subscribed to that rollout, and nobody else."""
    changes = Changes()

    async def stream() -> list[bool]:
        with changes.subscribe(1) as one, changes.subscribe(2) as two:
            threading.Thread(target=changes.publish, args=(1,)).start()
            return [await one.wait(5.0), await two.wait(0.01), await one.wait(0.01)]

    assert asyncio.run(stream()) == [True, False, False]


def test_publishing_to_a_loop_that_has_ended_is_quiet() -> None:
    """A streamer that went away with its loop does not fail the rollout that publishes."""
    changes = Changes()

    async def subscribe() -> object:
        subscription = changes.subscribe(1)
        subscription.__enter__()
        return subscription

    asyncio.run(subscribe())
    changes.publish(1)


def test_closing_wakes_every_streamer() -> None:
    """An agent that is about to go ends its streams at once."""
    changes = Changes()

    async def stream() -> bool:
        with changes.subscribe(1) as one:
            changes.close()
            return await one.wait(5.0)

    assert asyncio.run(stream())
    assert changes.closed
