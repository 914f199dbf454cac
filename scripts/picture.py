"""The picture in the README: a promotion of the example application under traffic, as it ran (``make picture``).

Nothing in it is made up. Only what names this machine is kept out, by a name of its own for the agent.
"""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte.graphics
from benchmarks.calm import wait_for_calm
from benchmarks.house import LADING, ROOT, House, cashback
from scripts.terminal_svg import Frame, Row, Run, Window, draw

from tests.support_terminal import Terminal

COLUMNS = 96
COMMAND = ("promote", "stage", "production")
AGENT = "harbour"
RATE = 120  # requests a second put on production while it changes
LOOKS = 0.125  # seconds between two looks at the window
TYPED = 0.8  # seconds that the command stands there before it runs
TARGET = ROOT / "docs" / "promotion.svg"
COLOURS = {"default": "text", "green": "green", "red": "red", "brown": "yellow", "cyan": "cyan"}

# The emulator knows nothing of faint text; a look that is not used otherwise stands for it.
pyte.graphics.TEXT[2] = "+italics"


def record(house: House) -> list[Frame]:
    """Run the command in a window and return what that showed, from the moment the command stood there."""
    began = time.monotonic() - TYPED
    frames = [Frame(0.0, (_prompt(),))]
    with Terminal([LADING, *COMMAND], house.project, COLUMNS, **house.environ) as terminal:
        going = True
        while going:
            going = terminal.running
            with terminal.lock:
                window = (_prompt(), *_window(terminal.screen))
            if window != frames[-1].window:
                frames.append(Frame(time.monotonic() - began, window))
            time.sleep(LOOKS)
        if terminal.wait() != 0:
            sys.exit(f"picture: the promotion did not succeed:\n{terminal.text}")
    frames.append(Frame(time.monotonic() - began, (*frames[-1].window, (Run(0, "$", "dim"), Run(2, "█", "dim")))))
    return frames


def _prompt() -> Row:
    return (Run(0, "$", "dim"), Run(2, f"lading {' '.join(COMMAND)}", "text bold"))


def _window(screen: pyte.Screen) -> Window:
    rows = [tuple(_runs(screen.buffer[number], screen.columns)) for number in range(screen.lines)]
    while rows and not rows[-1]:
        rows.pop()
    return tuple(rows)


def _runs(line: object, columns: int) -> Iterator[Run]:
    """Yield the runs of one look; two spaces end a run, so that columns stay where they are in any font."""
    begun: Run | None = None
    for column in range(columns + 1):
        cell = line[column] if column < columns else None  # type: ignore[index]
        look = _look(cell) if cell is not None else ""
        gap = cell is None or (cell.data == " " and (column + 1 >= columns or line[column + 1].data == " "))  # type: ignore[index]
        if begun is not None and (gap or look != begun.look):
            if begun.text.strip():
                yield begun._replace(text=begun.text.rstrip())
            begun = None
        if not gap and cell is not None and (begun is not None or cell.data != " "):
            begun = Run(column, cell.data, look) if begun is None else begun._replace(text=begun.text + cell.data)


def _look(cell: pyte.screens.Char) -> str:
    colour = "dim" if cell.italics else COLOURS[cell.fg]
    return f"{colour} bold" if cell.bold else colour


@contextmanager
def traffic(url: str) -> Iterator[None]:
    """Put traffic on production from a process of its own while the block runs."""
    command = [sys.executable, "-m", "benchmarks.load", "--base", url, "--rate", str(RATE), "--until-stdin-closes"]
    # Not to /dev/null: the load puts its figures in place by a rename, which as root would replace the device.
    with (
        tempfile.TemporaryDirectory() as unread,
        subprocess.Popen(
            [*command, "--out", f"{unread}/load.json"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as process,
    ):
        try:
            time.sleep(1.0)
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def prepare(house: House) -> None:
    """Bring v1.0.0 into production and v1.1.0 to stage."""
    with (house.home / "agent.toml").open("r+") as settings:
        rest = settings.read()
        settings.seek(0)
        settings.write(f'name = "{AGENT}"\n{rest}')
    cashback(house, "v1.0.0", "v1.1.0")
    for environment in ("stage", "production"):
        for name in ("JWT_KEY", "SMOKE_TOKEN"):
            house.lading("secrets", "set", environment, name, given=secrets.token_hex(16))
    house.lading("policy", "allow", "production", "no-isolation", "--reason", "a picture")
    house.rollout("deploy", "stage", "v1.0.0")
    house.rollout("promote", "stage", "production")
    house.rollout("deploy", "stage", "v1.1.0")


def main() -> int:
    """Record the run and write the picture."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    with House() as house:
        prepare(house)
        url = house.status("production")["url"]
        wait_for_calm(60)
        with traffic(url):
            frames = record(house)
    target.write_text(draw(frames, COLUMNS, f"lading {' '.join(COMMAND)}: a release enters production under traffic"))
    print(f"{target}: {len(frames)} frames of {frames[-1].at:.1f} s, {target.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
