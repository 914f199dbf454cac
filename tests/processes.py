"""A process runtime over releases made up by tests: a program that does what it is told over its socket."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lading.runtime.process import ProcessRuntime
from tests.specs import Programs
from tests.support import until

PROGRAM = """
import os, signal, socket, sys, time

def serve():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((os.environ["HOST"], int(os.environ["PORT"])))
    listener.listen()
    waiting = []
    while True:
        connection, _ = listener.accept()
        words = connection.makefile().readline().split(" ", 1)
        if words[0].strip() == "hold":
            waiting.append(connection)
            while connection.recv(1):
                pass
        elif words[0].strip() == "say":
            print(words[1].rstrip(chr(10)), flush=True)
        connection.close()

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()

def work():
    while True:
        time.sleep(60)

def family():
    "A child in a session of its own, and its child, both deaf to SIGTERM."
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        os.fork()
        print("child", os.getpid(), flush=True)
        work()
    serve()

def chatter():
    for number in range(int(sys.argv[2])):
        print("%08d" % number + "." * 91)
    print("done", flush=True)
    work()

def eat():
    block = bytearray(int(sys.argv[2]))
    for place in range(0, len(block), 4096):
        block[place] = 1
    print("ate", flush=True)
    work()

def leave():
    sys.exit(int(sys.argv[2]))

def say():
    print(" ".join(sys.argv[3:]))
    sys.exit(int(sys.argv[2]))

globals()[sys.argv[1]]()
"""


class Processes(Programs):
    """A runtime in a directory that other users may enter, and releases for it."""

    runtime: ProcessRuntime

    def __init__(self, home: Path, **options: Any) -> None:
        self.home = home
        self.options = options
        (home / "layers" / "env" / "bin").mkdir(parents=True)
        (home / "layers" / "source").mkdir()
        (home / "layers" / "env" / "bin" / "python").symlink_to(_python())
        (home / "layers" / "source" / "app.py").write_text(PROGRAM)
        self.runtime = self.reopen()

    def reopen(self) -> ProcessRuntime:
        self.runtime = ProcessRuntime(
            self.home / "runtime", lambda diff_id: self.home / "layers" / diff_id, ports=_ports(), **self.options
        )
        return self.runtime

    def given(self) -> dict[str, Any]:
        return {"kind": "bundle", "layers": {"environment": "env", "source": "source"}}

    def pid(self, name: str) -> int:
        state = self.runtime.look(name)
        assert state is not None
        return state.pid

    def send(self, name: str, line: str) -> socket.socket:
        connection = socket.create_connection(self.address(name), timeout=5)
        connection.sendall(line.encode() + b"\n")
        return connection

    def say(self, name: str, line: str) -> None:
        with self.send(name, f"say {line}") as connection:
            assert connection.recv(1) == b""

    def up(self, name: str) -> None:
        def takes_connections() -> bool:
            try:
                self.send(name, "nothing").close()
            except OSError:
                return False
            return True

        until(takes_connections)

    def crash(self, name: str) -> None:
        os.kill(self.pid(name), 9)

    @contextmanager
    def connect(self, name: str) -> Iterator[None]:
        with self.send(name, "hold"):
            yield

    def until(self, condition: Callable[[], object]) -> None:
        until(condition)

    def lines(self, name: str) -> tuple[str, ...]:
        return tuple(self.runtime.logs(name, lines=1000))

    def end(self) -> None:
        for state in self.runtime.list():
            self.runtime.remove(state.name)


@contextmanager
def processes(**options: Any) -> Iterator[Processes]:
    """Give a world of processes and end all of it."""
    # pytest's own directories are closed to other users, and instances may run as one.
    home = Path(tempfile.mkdtemp(prefix="lading-test-"))
    home.chmod(0o755)
    world = Processes(home, **options)
    try:
        yield world
    finally:
        world.end()
        shutil.rmtree(home)


def _python() -> str:
    system = Path("/usr/bin/python3")
    return str(system) if system.exists() else os.path.realpath(shutil.which("python3") or "")


def _ports() -> range:
    # Tests that run beside each other, each in a process of its own, must not race for one port.
    first = 21_000 + os.getpid() % 80 * 100
    return range(first, first + 100)
