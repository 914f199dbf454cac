"""A process is its number and its start time, never its number alone."""

import os
import subprocess
from pathlib import Path

import pytest

from lading.runtime.process.identity import Process, is_alive, parse_stat, stat_of, wait_end
from tests.support import until

LINE = "{pid} ({name}) {state} 1 40 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {start} 1000 10 18446744073709551615\n"


def fake(proc: Path, *, pid: int = 77, name: str = "python", state: str = "S", start: int = 5000) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(LINE.format(pid=pid, name=name, state=state, start=start))


@pytest.mark.parametrize("name", ["python", "a b", "x) S 1 2 3", "((", "))"])
def test_a_program_may_name_itself_as_it_likes(name: str) -> None:
    """Fields are counted from the last parenthesis, so that no name shifts them."""
    stat = parse_stat(LINE.format(pid=77, name=name, state="R", start=5000))
    assert stat is not None
    assert (stat.process, stat.state, stat.group, stat.session) == (Process(77, 5000), "R", 40, 41)


@pytest.mark.parametrize("text", ["", "77", "77 (py", "77 (py) S 1 2", "x (py) " + "1 " * 30])
def test_half_a_line_is_no_process(text: str) -> None:
    """A note that was cut off names nobody."""
    assert parse_stat(text) is None


def test_a_reused_number_is_another_process(tmp_path: Path) -> None:
    """The same number with another start time is not the process that was recorded."""
    fake(tmp_path, start=5000)
    assert is_alive(Process(77, 5000), tmp_path)
    assert not is_alive(Process(77, 4999), tmp_path)
    assert not is_alive(Process(78, 5000), tmp_path)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_zombie_is_dead(tmp_path: Path, state: str) -> None:
    """A process that only waits to be reaped does not run."""
    fake(tmp_path, state=state)
    assert not is_alive(Process(77, 5000), tmp_path)


def test_a_real_zombie_is_dead_at_once() -> None:
    """A killed child that nobody has reaped yet counts as ended."""
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        stat = stat_of(child.pid)
        assert stat is not None
        assert is_alive(stat.process)
        assert not wait_end(stat.process, 0.0)
        os.kill(child.pid, 9)
        assert wait_end(stat.process, 5.0)
        until(lambda: not is_alive(stat.process))
        assert stat_of(child.pid) is not None
    finally:
        child.kill()
        child.wait()
