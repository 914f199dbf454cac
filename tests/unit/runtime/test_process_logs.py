"""Logs stay short while a program writes into them, and lose no line that is kept."""

import os
import threading
from pathlib import Path

import pytest

from lading.runtime.process import logs

LIMIT = 64 << 10


def write(path: Path, first: int, last: int) -> None:
    fd = logs.open_log(path)
    try:
        for number in range(first, last):
            os.write(fd, b"%08d\n" % number)
    finally:
        os.close(fd)


def numbers(path: Path) -> list[int]:
    # The first line may have been cut in two.
    return [int(line) for line in logs.tail(path, 1 << 30).decode().split("\n")[1:-1]]


def without(monkeypatch: pytest.MonkeyPatch, *modes: int) -> None:
    real = logs._fallocate
    monkeypatch.setattr(
        logs, "_fallocate", lambda fd, mode, length: not any(mode & one for one in modes) and real(fd, mode, length)
    )


@pytest.mark.parametrize("missing", [(), (logs.COLLAPSE_RANGE,)], ids=["collapse", "punch"])
def test_trimming_under_writes_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[int, ...]
) -> None:
    """However often the log is cut while it is written to, what stays is an unbroken row up to the last line."""
    without(monkeypatch, *missing)
    path = tmp_path / "x.log"
    count = 60_000
    writer = threading.Thread(target=write, args=(path, 0, count))
    writer.start()
    cuts = 0
    while writer.is_alive():
        cuts += logs.trim(path, LIMIT) > 0
    writer.join()
    logs.trim(path, LIMIT)
    kept = numbers(path)
    assert cuts > 2
    assert kept == list(range(kept[0], count))
    assert path.stat().st_blocks * 512 <= LIMIT + 2 * logs.BLOCK
    assert len(kept) * 9 >= LIMIT // 2 - 2 * 9


@pytest.mark.parametrize("missing", [(), (logs.COLLAPSE_RANGE,)], ids=["collapse", "punch"])
def test_no_half_line_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[int, ...]) -> None:
    """What a cut leaves of a line is blanked, and a tail begins with a line: half a secret cannot be masked."""
    without(monkeypatch, *missing)
    path = tmp_path / "x.log"
    path.write_bytes(b"secret-4711\n" * 20_000)
    assert set(logs.tail(path, 1000).decode().splitlines()) == {"secret-4711"}
    assert logs.trim(path, LIMIT) > 0
    assert {line.strip() for line in logs.last_lines(path, 20_000)} == {"", "secret-4711"}


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    """Nothing is cut below the limit, and a log that is not there is fine."""
    path = tmp_path / "x.log"
    assert logs.trim(path, LIMIT) == 0
    write(path, 0, 100)
    assert logs.trim(path, LIMIT) == 0
    assert logs.last_lines(path, 2) == ("00000098", "00000099")


def test_where_files_cannot_be_cut_the_tail_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without either operation the newest part is kept beside the emptied log, and still read."""
    without(monkeypatch, logs.COLLAPSE_RANGE, logs.PUNCH_HOLE)
    path = tmp_path / "x.log"
    write(path, 0, 10_000)
    assert logs.trim(path, LIMIT) > 0
    assert path.stat().st_size == 0
    write(path, 10_000, 10_003)
    kept = numbers(path)
    assert kept == list(range(kept[0], 10_003))


def test_logs_are_their_owners_alone(tmp_path: Path) -> None:
    """Nobody but its owner reads a log."""
    path = tmp_path / "x.log"
    write(path, 0, 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_bytes_that_are_no_text_are_shown_somehow(tmp_path: Path) -> None:
    """A program may write anything; reading its log never fails."""
    path = tmp_path / "x.log"
    path.write_bytes(b"\xff\xfe\nend without newline")
    assert logs.last_lines(path, 5)[1] == "end without newline"
