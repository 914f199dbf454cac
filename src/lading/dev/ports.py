"""Ports of this machine: which are free, and who has one that is not."""

import contextlib
import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from lading.dev.programs import LOOPBACK
from lading.model.errors import LadingError
from lading.model.manifest import Manifest

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENING = "0A"
LAST_PORT = 65535


def choose(manifest: Manifest, wanted: int | None, own: Collection[int] = ()) -> dict[str, int]:
    """Return where each web service listens: the first at ``wanted``, else each at the port the manifest gives it.

    Two services of one port get the next ones. ``own`` are ports that the project's programs have already. Raise
    ``port-taken``, naming who has it.
    """
    chosen: dict[str, int] = {}
    for name, service in manifest.services.items():
        if service.port is None or service.static is not None:
            continue
        port = wanted if wanted is not None and not chosen else service.port
        while port in chosen.values():
            port += 1
        if port not in own:
            _require_free(name, port)
        chosen[name] = port
    return chosen


def _require_free(name: str, port: int) -> None:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: what lingers of closed connections keeps no port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            probe.listen(1)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise LadingError(
            "port-taken",
            doing=f"choosing a port for {name}",
            happened=f"port {port} is taken{_by(port)}" if taken else f"port {port}: {error.strerror}",
            now="nothing was started",
            hint=f"lading dev --port {min(port + 1, LAST_PORT) if taken else 8000}",
        ) from error


def _by(port: int) -> str:
    try:
        found = holder(port)
    except OSError:
        return ""
    if found is None:
        return ", by a program of another user"
    pid, command = found
    return f" by process {pid}: {command}" if command else f" by process {pid}"


def holder(port: int) -> tuple[int, str] | None:
    """Return the process that listens at a port, and its command (empty where unknown); None when it is not seen."""
    if TABLES[0].exists():
        inodes = set(_inodes(port))
        return next((found for found in _processes() if inodes & set(_sockets(found[0]))), None) if inodes else None
    return _by_lsof(port)


def _inodes(port: int) -> Iterator[str]:
    for table in TABLES:
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6 has no second table
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(f":{port:04X}") and fields[3] == LISTENING:
                    yield fields[9]


def _processes() -> Iterator[tuple[int, str]]:
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                # The words of a command may hold what nobody should see; its program and first word say enough.
                yield int(entry), b" ".join(words[:3]).decode(errors="replace").strip()


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{entry}")
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]


def _by_lsof(port: int) -> tuple[int, str] | None:
    if shutil.which("lsof") is None:
        return None
    done = subprocess.run(
        ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    fields = {line[:1]: line[1:] for line in reversed(done.stdout.splitlines())}
    return (int(fields["p"]), fields.get("c", "")) if fields.get("p", "").isdecimal() else None
