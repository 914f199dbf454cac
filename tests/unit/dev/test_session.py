"""Programs as somebody works on them: real ones, small, each started by a session of its own."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.dev.programs import Program
from lading.dev.session import Prepared, Session
from lading.dev.watching import Watching
from lading.model.errors import LadingError
from tests.support import until

STAYS = "import os, time\nprint('up', os.getpid(), flush=True)\ntime.sleep(60)\n"


class Heard:
    """Keeps what a session tells."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.troubles: list[LadingError] = []

    def line(self, name: str, text: str) -> None:
        self.lines.append((name, text))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def trouble(self, error: LadingError) -> None:
        self.troubles.append(error)

    def pids(self) -> list[int]:
        """The processes that said they are up, oldest first."""
        return [int(text.split()[1]) for _, text in self.lines if text.startswith("up ")]


class Desk:
    """A directory with programs, and a session that runs them in a thread until the test interrupts it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.heard = Heard()
        self.first: tuple[Program, ...] = ()
        self.programs: tuple[Program, ...] = ()
        self.refuses: LadingError | None = None
        self.session = Session(root, self._prepare, self.heard)
        self._ended = threading.Event()

    def program(self, name: str, text: str, **more: object) -> Program:
        path = self.root / f"{name}.py"
        path.write_text(text)
        words = (sys.executable, str(path))
        return Program(name=name, words=words, env=dict(os.environ), directory=self.root, **more)  # type: ignore[arg-type]

    def start(self) -> None:
        threading.Thread(target=self._run).start()

    def interrupt(self) -> None:
        """End the session as Ctrl-C does, and wait until it has."""
        self.session._changes.put(_Interrupt())  # type: ignore[arg-type]
        until(self._ended.is_set, within=10)

    def changed(self, *names: str) -> None:
        self.session.changed(frozenset(self.root / name for name in names))

    def _run(self) -> None:
        try:
            self.session.run(Prepared(self.first, self.programs))
        except KeyboardInterrupt:
            pass
        finally:
            self._ended.set()

    def _prepare(self) -> Prepared:
        if self.refuses is not None:
            raise self.refuses
        return Prepared(self.first, self.programs)


class _Interrupt:
    """Stands for Ctrl-C in a thread that gets no signals: whoever looks at it is interrupted."""

    def __iter__(self) -> Iterator[Path]:
        raise KeyboardInterrupt


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    if not desk._ended.is_set():
        desk.interrupt()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _up(desk: Desk, count: int) -> list[int]:
    until(lambda: len(desk.heard.pids()) >= count, within=10)
    return desk.heard.pids()


def test_all_run_and_end_together(desk: Desk) -> None:
    """Every line has its program's name; at the end nothing is left."""
    desk.programs = (desk.program("web", STAYS), desk.program("worker", STAYS))
    desk.start()
    pids = _up(desk, 2)
    assert {name for name, _ in desk.heard.lines} == {"web", "worker"}
    desk.interrupt()
    assert not any(map(_runs, pids))


def test_what_a_program_started_ends_with_it(desk: Desk) -> None:
    """A server's own workers are of its group, and end also when it does not care for them."""
    text = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {STAYS!r}])\n" + STAYS
    desk.programs = (desk.program("web", text),)
    desk.start()
    pids = _up(desk, 2)
    desk.interrupt()
    until(lambda: not any(map(_runs, pids)), within=5)


def test_one_that_does_not_want_to_end_is_killed(desk: Desk) -> None:
    """After its grace."""
    text = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAYS
    desk.programs = (desk.program("web", text, grace=0.2),)
    desk.start()
    (pid,) = _up(desk, 1)
    desk.interrupt()
    assert not _runs(pid)


def test_a_change_starts_them_again(desk: Desk) -> None:
    """The old process is gone before the new one runs."""
    desk.programs = (desk.program("web", STAYS),)
    desk.start()
    (old,) = _up(desk, 1)
    desk.changed("web.py")
    _, new = _up(desk, 2)
    assert not _runs(old)
    assert _runs(new)
    assert "web.py changed, starting again" in desk.heard.notes


def test_a_crash_is_told_and_mended_by_a_change(desk: Desk) -> None:
    """With its last line; the others run on, and the next change starts all of them."""
    desk.programs = (desk.program("web", "print('no module named x')\nraise SystemExit(3)\n"),)
    desk.start()
    until(lambda: any("exit status 3" in note for note in desk.heard.notes), within=10)
    assert "web ended with exit status 3; its last line: no module named x" in desk.heard.notes
    (desk.root / "web.py").write_text(STAYS)
    desk.changed("web.py")
    _up(desk, 1)


def test_a_killed_program_is_told(desk: Desk) -> None:
    """By the signal."""
    desk.programs = (desk.program("web", STAYS),)
    desk.start()
    (pid,) = _up(desk, 1)
    os.kill(pid, signal.SIGKILL)
    until(lambda: any("killed by signal 9" in note for note in desk.heard.notes), within=5)


def test_one_with_a_reloader_of_its_own_is_left_alone(desk: Desk) -> None:
    """As long as it runs."""
    desk.programs = (desk.program("web", STAYS, own_reload=True), desk.program("other", STAYS, own_reload=True))
    desk.start()
    pids = _up(desk, 2)
    desk.changed("web.py")
    # What comes after it in turn: once that is told, the change was heard.
    desk.refuses = LadingError("usage", happened="broken")
    desk.changed("lading.toml")
    until(lambda: desk.heard.troubles, within=5)
    assert desk.heard.pids() == pids
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: any("killed by" in note for note in desk.heard.notes), within=5)
    desk.changed("web.py")
    _up(desk, 4)


def test_what_failed_is_prepared_anew(desk: Desk) -> None:
    """What backs it may have been taken away: who is started again after a failure is given what is there now."""
    desk.programs = (desk.program("web", "raise SystemExit(3)"),)
    desk.start()
    until(lambda: any("exit status 3" in note for note in desk.heard.notes), within=5)
    desk.programs = (desk.program("web", STAYS),)
    desk.changed("web.py")
    _up(desk, 1)


def test_what_comes_first_comes_first(desk: Desk) -> None:
    """Nothing is started beside a migration, nor after one that failed; a change tries again."""
    desk.first = (desk.program("migrate", "print('broken')\nraise SystemExit(1)\n"),)
    desk.programs = (desk.program("web", STAYS),)
    desk.start()
    until(lambda: desk.heard.troubles, within=10)
    assert "exit status 1: broken" in desk.heard.troubles[0].happened
    assert desk.heard.pids() == []
    (desk.root / "migrate.py").write_text("print('migrated')\n")
    desk.changed("migrate.py")
    _up(desk, 1)
    desk.changed("web.py")
    _up(desk, 2)
    assert desk.heard.lines.count(("migrate", "migrated")) == 1
    desk.changed("migrations/0002.py")
    _up(desk, 3)
    assert desk.heard.lines.count(("migrate", "migrated")) == 2


def test_a_changed_configuration_is_read_again(desk: Desk) -> None:
    """A broken one is told, and what ran goes on."""
    desk.programs = (desk.program("web", STAYS),)
    desk.start()
    (pid,) = _up(desk, 1)
    desk.refuses = LadingError("usage", happened="line 3 is broken")
    desk.changed("lading.toml")
    until(lambda: desk.heard.troubles, within=5)
    assert _runs(pid)
    desk.refuses = None
    desk.programs = (desk.program("web", STAYS), desk.program("worker", STAYS))
    desk.changed(".env")
    _up(desk, 3)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[[], set[str]]]:
    seen: set[str] = set()
    watching = Watching(tmp_path, tmp_path / ".venv", lambda paths: seen.update(path.name for path in paths))
    watching.start()

    def settled() -> set[str]:
        """Touch a file until the watching has told of it: what came before was told then too."""
        seen.discard("last.py")

        def told() -> bool:
            (tmp_path / "last.py").write_text("")
            return "last.py" in seen

        until(told, within=10)
        return seen - {"last.py"}

    settled()
    yield settled
    watching.close()


def test_only_what_programs_are_made_of_counts(tmp_path: Path, watched: Callable[[], set[str]]) -> None:
    """Code, templates, configuration; not what a program writes itself, or it would be started again for ever."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / "__pycache__").mkdir()
    for name in ("app.py", "page.html", "lading.toml", ".env", "shop.db", "web.log", "upload.json", ".venv/in.py"):
        (tmp_path / name).write_text("x")
    (tmp_path / "__pycache__" / "app.pyc").write_text("x")
    until(lambda: watched() == {"app.py", "page.html", "lading.toml", ".env"}, within=10)
