"""Listening sockets that outlive the router: bound once, passed on, taken over, held shut while nobody can answer.

Standard library only, because the socket holder must stay small.
"""

import array
import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterable

from lading.router.activation import listens

BACKLOG = 4096
SYS_PIDFD_GETFD = 438
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# A socket filter that lets a connection begin (SYN) and drops whatever would complete it. The client is neither
# refused nor answered; its kernel repeats the segment after 0.2 s, so it goes on by itself once the filter is gone.
_ONLY_SYN = (
    (0x30, 0, 0, 13),  # load the byte of TCP flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
    (0x06, 0, 0, 0),  # drop
)


def bind(host: str, port: int, *, beside: bool = False) -> socket.socket:
    """Listen on an address, or raise OSError when another program does.

    ``beside`` joins a socket of an earlier holder of the same user that still listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if beside:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        # Only now: set before the bind it would let two routers of one user take the same port unnoticed.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def shut(sockets: Iterable[socket.socket]) -> None:
    """Keep new connections waiting in the clients' kernels."""
    code = array.array("B", b"".join(struct.pack("HBBI", *instruction) for instruction in _ONLY_SYN))
    program = struct.pack("HL", len(_ONLY_SYN), code.buffer_info()[0])
    for sock in sockets:
        # A kernel without socket filters costs some early answers "404", nothing else.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def turn_away(sockets: Iterable[socket.socket]) -> None:
    """Answer "503, come back in a second" to those who connected just before the door was shut.

    The next router would accept them before it knows its routes and answer 404, which a client may believe.
    """
    for sock in sockets:
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # raised once nobody waits any more
            while True:
                _say_busy(sock.accept()[0])


def _say_busy(client: socket.socket) -> None:
    with client, contextlib.suppress(OSError):  # the client left
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.recv(65536)  # closing with unread bytes would reset the connection before the answer arrives
        client.send(BUSY)
        client.shutdown(socket.SHUT_WR)


def open_up(sockets: Iterable[socket.socket]) -> None:
    """Let connections through again."""
    for sock in sockets:
        with contextlib.suppress(OSError):  # raised where no filter was attached
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def allow_take_over() -> None:
    """Let processes of the same user take over this one's sockets even where the kernel confines that to parents."""
    import ctypes

    pr_set_ptracer, anybody = 0x59616D61, -1
    ctypes.CDLL(None).prctl(pr_set_ptracer, ctypes.c_ulong(anybody), 0, 0, 0)


def holds(pid: int, sockets: Iterable[socket.socket]) -> bool:
    """Tell whether a process still has one of these sockets open."""
    return bool(_links(sockets) & _open_in(pid))


def holds_all(pid: int, sockets: Iterable[socket.socket]) -> bool:
    """Tell whether a process has every one of these sockets open."""
    return _links(sockets) <= _open_in(pid)


def unknown_to(pid: int, sockets: Iterable[socket.socket]) -> list[socket.socket]:
    """Return those of the sockets that a process does not have open."""
    known = _open_in(pid)
    return [sock for sock in sockets if not _links([sock]) <= known]


def _links(sockets: Iterable[socket.socket]) -> set[str]:
    return {f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in sockets}


def _open_in(pid: int) -> set[str]:
    """Return what a process has open; nothing of one that has ended, or that cannot be looked into."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed while we looked
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def take_over(pid: int) -> dict[int, socket.socket]:
    """Return the listening sockets of a running process by port; empty where the kernel does not allow it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    found: dict[int, socket.socket] = {}
    try:
        process = os.pidfd_open(pid)
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for name in names:
        try:
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
        except OSError:  # closed meanwhile
            continue
        number = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
        if number >= 0:
            _keep_if_listening(number, found)
    os.close(process)
    return found


def _keep_if_listening(number: int, found: dict[int, socket.socket]) -> None:
    sock = socket.socket(fileno=number)
    if listens(sock):
        os.set_inheritable(number, False)
        found[sock.getsockname()[1]] = sock
    else:
        sock.close()


def pass_on(sockets: Iterable[socket.socket]) -> int:
    """Lay the sockets out as file descriptors 3, 4, …, inherited by the next program; return how many.

    Call it in a freshly forked child only: it overwrites whatever was there.
    """
    numbers = [sock.fileno() for sock in sockets]
    above = max(numbers) + len(numbers) + 3  # so that no final number is one still to be copied
    copies = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for number in numbers]
    for target, copy in enumerate(copies, start=3):
        os.dup2(copy, target, inheritable=True)
    return len(copies)
