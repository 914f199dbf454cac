"""Becoming Traefik, going into the background, asking the API one thing: standard library only, for the holder."""

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from lading.router.sockets import allow_take_over, pass_on

ANSWER_TIMEOUT = 1.0  # seconds


def become(binary: str, file: Path, named: Mapping[str, socket.socket]) -> NoReturn:
    """Turn this freshly forked child into Traefik with the sockets activated by name."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program inherits that
        os.setsid()
        allow_take_over()
        lay_rights_down()
        count = pass_on(named.values())
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(count),
            "LISTEN_FDNAMES": ":".join(named),
        }
        os.execve(binary, [binary, f"--configFile={file}"], environment)
    except OSError as error:
        log(f"cannot start {binary}: {error}")
    finally:
        os._exit(127)


def lay_rights_down() -> None:
    """Give up every capability, where no program can get it back: as a service, whose sockets were opened by others."""
    import ctypes

    get_no_new_privileges, version_3 = 39, 0x20080522
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(get_no_new_privileges, 0, 0, 0, 0) != 1:
        return
    head, none = (ctypes.c_uint32 * 2)(version_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(head, none):
        raise OSError(ctypes.get_errno(), "cannot give up capabilities")


def status_of(port: int, path: str) -> int:
    """Ask the router's API and return the answer's status, 0 without an answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            words = sock.recv(64).split(b" ", 2)
    except OSError:
        return 0
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def address_of(sock: socket.socket) -> str:
    """Return ``host:port`` of a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def log(text: str) -> None:
    """Write a line to the holder's log."""
    with contextlib.suppress(OSError):  # a full disk must not end the holder
        os.write(sys.stderr.fileno(), f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n".encode())


def detach(out: Path) -> None:
    """Leave the caller's session, with output to a file."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for target, source in ((0, nothing), (1, file), (2, file)):
        os.dup2(source, target)
    os.chdir("/")


def claim(root: Path) -> int | None:
    """Become the one holder of a root while this process lives; None when another one is."""
    lock = os.open(root / "holder.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return lock
