"""The socket holder as a service of systemd's: public ports come from its socket unit, local ones it keeps for us.

Run as ``python -m lading.router.serviced ROOT UNIT`` by the unit itself. Whatever ends this process, the router serves
on and the next one takes both over; only when the unit is stopped does the router end too. Standard library only.
"""

import socket
import sys
from pathlib import Path
from typing import Any

from lading.router.activation import Manager, received
from lading.router.holder import ANOTHER_HOLDS, Holder
from lading.router.identity import read_json
from lading.router.process import claim, log
from lading.router.sockets import take_over

CONFIG_POLL = 0.2  # seconds between looks for a configuration that an agent has not written yet
LOOPBACK = "127.0.0.1"  # the address of every port but the public ones
ASK_TIMEOUT = 5.0  # seconds systemd may take to say why the service is to end


class Serviced(Holder):
    """Hold the sockets of one root for a unit of systemd's."""

    def __init__(self, root: Path, service: str, given: list[socket.socket], manager: Manager) -> None:
        super().__init__(root)
        self.service = service
        self.given = {sock.getsockname()[1]: sock for sock in given}
        self.manager = manager
        self.kept: set[str] = set()

    def start(self) -> None:
        """Bring up sockets and router as soon as an agent has said how."""
        while not self.ending():
            self.config = read_json(self.root / "holder-config.json")
            if self.config:
                super().start()
                self.give_up()
                return
            # Whoever waits for the router must not wait for the agent, which may be ordered after it.
            self.manager.ready()
            self.wait(CONFIG_POLL)

    def give_up(self) -> None:
        """Close what an earlier process kept and nothing wants any more: nobody would answer there.

        What a socket unit holds stays: the settings may name it later, and systemd has it until then in any case.
        """
        for port in [port for port in self.given if self.is_given(LOOPBACK, port)]:
            log(f"gives up port {port}, which nothing wants any more")
            self.given.pop(port).close()
            self.manager.drop(f"p{port}")

    def is_given(self, host: str, port: int) -> bool:
        """Tell whether a socket for this very address was given and is not in use yet."""
        return port in self.given and self.given[port].getsockname()[0] == host

    def taken(self, pid: int, before: dict[str, Any]) -> dict[int, socket.socket]:
        """Take over a router's sockets, but those that were given rather than what it has of them."""
        found = take_over(pid)
        hosts = {at["port"]: at["host"] for at in self.config["public"].values()}
        for port in set(before.get("sockets", {}).values()):
            if not self.is_given(hosts.get(port, LOOPBACK), port):
                continue
            if port in found:
                found[port].close()
            found[port] = self.given.pop(port)
        return found

    def listen(self, name: str, host: str, port: int) -> socket.socket:
        """Listen on an address, by the socket that was given for it where one was."""
        return self.given.pop(port) if self.is_given(host, port) else super().listen(name, host, port)

    def save(self, *, ready: bool) -> None:
        """Write down who holds what, and give what is no socket unit's into systemd's keeping."""
        super().save(ready=ready)
        for name in set(self.sockets) - set(self.config["public"]) - self.kept:
            self.manager.keep(name, self.sockets[name])
            self.kept.add(name)

    def stop(self) -> None:
        """End the router, unless the service is only started anew: then it serves on for the next process."""
        if not self.config or self.being_restarted():
            return
        super().stop()

    def being_restarted(self) -> bool:
        """Tell whether systemd ends this process to start the next one."""
        import subprocess

        words = ["systemctl", "list-jobs", "--no-legend", "--no-pager", "--plain", self.service]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=ASK_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            log(f"cannot ask systemd why this ends: {error}")
            return False
        return any(line.split()[1:3] == [self.service, "restart"] for line in done.stdout.splitlines())


def main(arguments: list[str]) -> int:
    """Hold the sockets of the root given as first argument, for the unit named by the second, until SIGTERM."""
    root = Path(arguments[0]).resolve()
    root.mkdir(parents=True, exist_ok=True)
    if claim(root) is None:
        log("another holder runs")
        return ANOTHER_HOLDS
    manager = Manager()
    Serviced(root, arguments[1], received(), manager).run(manager.ready)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
