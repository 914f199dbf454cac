"""The router's units under systemd, where ``lading host add`` has made them: started, started anew, stopped."""

import subprocess
from pathlib import Path
from typing import NamedTuple

UNITS = Path("/etc/systemd/system")
PASSING = Path("/run/systemd/system")  # what stands here is forgotten at the next boot; it is there where systemd runs
MARK = "service"  # the file in the router's directory that names the service
SYSTEMD_TIMEOUT = 30.0  # seconds systemd may take to start or stop what it is told to

# Both listen on one port for a moment, which systemd then has to allow as the holder did.
BESIDE = "[Socket]\nReusePort=yes\n"


class Units(NamedTuple):
    """The service that holds the ports of one router, and the socket unit that has the public ones, if any."""

    service: str
    socket: str = ""

    def start(self, *, beside: bool) -> None:
        """Start both and return once requests are served. ``beside``: where another process has the ports still.

        Raise OSError or ``subprocess.SubprocessError``, as everything here does.
        """
        draft = PASSING / f"{self.socket}.d" / "beside.conf"
        beside = beside and bool(self.socket)
        try:
            if beside:
                draft.parent.mkdir(parents=True, exist_ok=True)
                draft.write_text(BESIDE)
                _systemctl("daemon-reload")
            if self.socket:
                # A port that somebody else has is not all: the service tells which are missing.
                _systemctl("start", self.socket, check=False)
            _systemctl("start", self.service)
        finally:
            if beside:
                draft.unlink(missing_ok=True)
                _systemctl("daemon-reload")

    def restart(self) -> None:
        """Start the service anew; the router behind it serves on."""
        _systemctl("restart", self.service)

    def stop(self) -> None:
        """Stop both, the router with them."""
        _systemctl("stop", *filter(None, (self.socket, self.service)))


def units_of(root: Path) -> Units | None:
    """Return the units of the router with this root; None where it is a process of its own."""
    try:
        name = (root / MARK).read_text().strip()
    except FileNotFoundError:
        return None
    service, socket = f"{name}.service", f"{name}.socket"
    if not name or not PASSING.is_dir() or not _is_for(UNITS / service, root):
        return None
    return Units(service, socket if (UNITS / socket).is_file() else "")


def _is_for(unit: Path, root: Path) -> bool:
    """Tell whether a service is there and writes to this root: the mark may have come with a copy of another home."""
    try:
        lines = unit.read_text().splitlines()
    except FileNotFoundError:
        return False
    name = "ReadWritePaths="
    return any(Path(line.removeprefix(name)).resolve() == root.resolve() for line in lines if line.startswith(name))


def _systemctl(*words: str, check: bool = True) -> None:
    command = ["systemctl", "--no-ask-password", *words]
    subprocess.run(command, check=check, capture_output=True, text=True, timeout=SYSTEMD_TIMEOUT)
