"""The socket holder: binds every port, keeps them open for life, and keeps Traefik running behind them.

Run as ``python -m lading.router.holder ROOT``; it returns once requests are served and goes on in the background.
SIGHUP makes it read its configuration again, SIGTERM end it and Traefik. Standard library only: it must stay small.
"""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lading.router.identity import PROTOCOL, boot_id, is_running, left_running, read_json, start_time, write_whole
from lading.router.pagehost import PageHost
from lading.router.process import address_of, become, claim, detach, log, status_of
from lading.router.sockets import bind, holds, holds_all, open_up, shut, take_over, turn_away, unknown_to

API = "traefik"  # the name Traefik gives the entry point of its own API
LOADED = "/api/http/middlewares/lading-loaded@file"  # stands in every file of routes
LOAD_LIMIT = 8.0  # seconds until waiting clients are let through to a router that has not loaded its routes
OWN_PORT_PATIENCE = 2.0  # seconds an environment's own port may stay taken after a reboot
SETTLED_AFTER = 2.0  # seconds after which a router that dies is started again at once
LETTING_GO = 1.0  # seconds until a router that ends must have closed its copies of the sockets
AGAIN_AFTER = 0.5  # seconds until what the system refused is tried again
BACK_OFF_LIMIT = 1.0  # seconds between starts of a router that keeps dying
ANOTHER_HOLDS = 3  # exit status

Process = tuple[int, int]


class Holder:
    """Hold the sockets of one root and the Traefik process behind them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.service = ""  # the unit that this process is the service of
        self.config: dict[str, Any] = {}
        self.sockets: dict[str, socket.socket] = {}
        self.missing: dict[str, str] = {}
        self.router: Process | None = None
        self.template = ""
        self.api: socket.socket | None = None
        self.api_port = 0
        self.unsaved = False
        self.spawned_at = 0.0
        self.pause = 0.0
        self.wake, wake_in = socket.socketpair()
        self.wake.setblocking(False)
        wake_in.setblocking(False)
        self._wake_in = wake_in
        self.asked: set[int] = set()
        self.pages = PageHost(root)
        self.shared: set[str] = set()  # names of ports that a router still holds whose sockets could not be taken over

    # life

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM; call ``ready`` once requests are served."""
        signal.set_wakeup_fd(self._wake_in.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self.start()
        ready()
        while not self.ending():
            try:
                self.act()
            except OSError as error:  # disk, memory or process table is full: what runs goes on, try again
                log(f"cannot go on just now: {error}")
                self.wait(AGAIN_AFTER)
        self.stop()

    def act(self) -> None:
        """Do what is to be done now, or sleep until something happens."""
        if signal.SIGHUP in self.asked:
            self.asked.discard(signal.SIGHUP)
            self.reload()
        elif not self.router_runs():
            self.revive()
        elif self.unsaved:
            self.save(ready=True)
            self.wait(AGAIN_AFTER if self.unsaved else 0.0)
        elif not self.pages.settled:
            self.pages.settle()
            self.save(ready=True)
            self.wait(AGAIN_AFTER if self.pages.wanted else 0.0)
        else:
            self.wait(None)

    def ending(self) -> bool:
        """Tell whether somebody asked the holder to end."""
        return bool(self.asked & {signal.SIGTERM, signal.SIGINT})

    def start(self) -> None:
        """Bring up sockets and router, taking over what an earlier holder left running."""
        self.config = read_json(self.root / "holder-config.json")
        before = read_json(self.root / "holder.json")
        left = left_running(before, "router")
        if left is not None:
            self.adopt(left, before)
            self.shared = set(before.get("sockets", {})) - set(self.sockets)
        self.bind_all(patience=OWN_PORT_PATIENCE)
        self.shared.clear()
        self.pages.open(before.get("pages", 0), left_running(before, "pager"))
        self.pages.wanted = bool(self.config["pages"])
        self.pages.adopt()
        if left is not None and self.router == left and self.template == self.wanted_template():
            open_up(self.sockets.values())
            self.save(ready=True)
        else:
            self.replace(old=left)

    def adopt(self, left: Process, before: dict[str, Any]) -> None:
        """Take over the sockets of a running Traefik; when all came along, Traefik itself stays."""
        found = self.taken(left[0], before)
        for name, port in before.get("sockets", {}).items():
            if port in found:
                self.sockets[name] = found.pop(port)
        self.api = found.pop(before.get("api", 0), None)
        for other in found.values():
            other.close()
        complete = self.sockets and set(self.sockets) == set(before.get("sockets", {}))
        if complete and holds_all(left[0], self.sockets.values()):
            self.router, self.api_port, self.template = left, before["api"], before["template"]

    def taken(self, pid: int, before: dict[str, Any]) -> dict[int, socket.socket]:  # noqa: ARG002  (for who has more)
        """Return the listening sockets that can be had of a running router, by port."""
        return take_over(pid)

    def reload(self) -> None:
        """Read the configuration again and start a new router beside the old one if anything changed."""
        self.config = read_json(self.root / "holder-config.json") or self.config
        self.bind_all(patience=0.0)
        self.pages.wanted = bool(self.config["pages"])
        self.pages.settle()
        if self.template == self.wanted_template() and self.router_runs():
            self.save(ready=True)
        else:
            self.replace(old=self.router)

    def stop(self) -> None:
        """End Traefik within its grace, then forget the state."""
        if self.router is not None:
            self.end(self.router, patience=float(self.config["grace"]) + 2.0)
        self.pages.end()
        (self.root / "holder.json").unlink(missing_ok=True)

    # sockets

    def bind_all(self, *, patience: float) -> None:
        """Bind what the configuration wants and is not held yet; note what cannot be had.

        ``patience``: seconds an environment's own port may stay taken before it counts as missing.
        """
        self.missing = {}
        deadline = time.monotonic() + patience
        # All domains before any single environment, should both want one port.
        own = {name: (at["host"], at["port"]) for name, at in self.config["public"].items()}
        own |= {f"p{port}": ("127.0.0.1", port) for port in self.config["keep"]}
        for name, (host, port) in own.items():
            why = self.hold(name, host, port, deadline)
            if why:
                self.missing[name] = why
        pool = self.config["pool"]
        for port in range(pool["first"], pool["last"] + 1):
            if sum(name.startswith("p") for name in self.sockets) >= pool["size"]:
                break
            if f"p{port}" not in self.missing:
                self.hold(f"p{port}", "127.0.0.1", port, deadline=0.0)

    def hold(self, name: str, host: str, port: int, deadline: float) -> str:
        """Bind one port, trying until the deadline while another program has it; return why it cannot be had."""
        while name not in self.sockets:
            try:
                self.sockets[name] = self.listen(name, host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    return error.strerror or str(error)
                time.sleep(0.05)
        return ""

    def listen(self, name: str, host: str, port: int) -> socket.socket:
        """Listen on an address; raise OSError when it cannot be had."""
        return bind(host, port, beside=name in self.shared)

    # the router process

    def wanted_template(self) -> str:
        """Return Traefik's configuration but for its API's port, to see whether a new process is needed."""
        points = {
            name: {"address": address_of(sock), **self.config["entry_point"]}
            for name, sock in sorted(self.sockets.items())
        }
        return json.dumps({**self.config["static"], "entryPoints": points, "binary": self.config["binary"]})

    def replace(self, old: Process | None) -> None:
        """Start a router; once it has loaded the routes, end ``old``. New connections wait meanwhile."""
        before = self.router, self.api, self.api_port, self.template
        shut(self.sockets.values())
        turn_away(unknown_to(old[0] if old else 0, self.sockets.values()))
        self.spawn(beside=old is not None)
        loaded = self.await_loaded()
        if old is not None and old == before[0] and not loaded and is_running(*old):
            self.end(self.router or old, patience=1.0)
            self.router, self.api, self.api_port, self.template = before
            log("the router that runs goes on")
        elif old is not None:
            self.end(old, patience=0.0)
            # Waiting clients must not be accepted by the one that is leaving.
            deadline = time.monotonic() + LETTING_GO
            while holds(old[0], self.sockets.values()) and time.monotonic() < deadline:
                self.wait(0.002)
        open_up(self.sockets.values())
        self.save(ready=True)

    def revive(self) -> None:
        """Start the router again after it died, with growing pauses when it keeps dying."""
        shut(self.sockets.values())
        turn_away(self.sockets.values())
        if time.monotonic() - self.spawned_at > SETTLED_AFTER:
            self.pause = 0.0
        self.wait(self.pause)
        self.pause = min(BACK_OFF_LIMIT, max(0.05, self.pause * 2))
        if not self.ending():
            self.replace(old=None)

    def spawn(self, *, beside: bool) -> None:
        """Start Traefik on the held sockets; ``beside`` a running one it gets a fresh port for its API."""
        if self.api is None or beside:
            self.api = bind("127.0.0.1", 0)
            self.api_port = self.api.getsockname()[1]
        self.template = self.wanted_template()
        static = json.loads(self.template)
        binary = static.pop("binary")
        static["entryPoints"][API] = {"address": address_of(self.api), "http": self.config["entry_point"]["http"]}
        file, data = self.root / "traefik.yml", json.dumps(static, indent=1).encode()
        # Unchanged after a crash, so that a full disk does not keep the router from coming back.
        if not file.exists() or file.read_bytes() != data:
            write_whole(file, data)
        pid = os.fork()
        if pid == 0:
            become(binary, file, {API: self.api, **self.sockets})
        self.router = (pid, start_time(pid) or 0)
        self.spawned_at = time.monotonic()
        self.save(ready=False)

    def await_loaded(self) -> bool:
        """Wait until the router has loaded the routes; False when it has died or taken too long."""
        deadline = time.monotonic() + LOAD_LIMIT
        while time.monotonic() < deadline and self.router_runs():
            # A service that is only started anew must not leave a router to its successor that knows no routes yet.
            if (self.ending() and not self.service) or status_of(self.api_port, LOADED) == 200:
                return True
            self.wait(0.005)
        log(f"Traefik did not load its routes {'in time' if self.router_runs() else 'and ended'}")
        return False

    def router_runs(self) -> bool:
        """Tell whether the router process lives."""
        return self.router is not None and is_running(*self.router)

    def end(self, router: Process, *, patience: float) -> None:
        """Ask a router to end; with patience, see to it that it has."""
        deadline = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError):
            os.kill(router[0], signal.SIGTERM)
            while patience and is_running(*router):
                if time.monotonic() > deadline:
                    os.kill(router[0], signal.SIGKILL)
                self.wait(0.02)

    # waiting and telling

    def wait(self, seconds: float | None) -> None:
        """Sleep until a signal, the router's death, or the end of ``seconds``; collect dead children."""
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        watched = -1
        if seconds is None and self.router is not None:
            with contextlib.suppress(OSError):  # it died just now: no need to sleep
                watched = os.pidfd_open(self.router[0])
            if watched < 0:
                return
            poll.register(watched, select.POLLIN)
        poll.poll(None if seconds is None else max(0.0, seconds * 1000))
        if watched >= 0:
            os.close(watched)
        with contextlib.suppress(BlockingIOError):
            self.asked |= set(self.wake.recv(64))
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def save(self, *, ready: bool) -> None:
        """Write down who holds what, for the agent and for the next holder."""
        state = {
            "boot": boot_id(),
            "protocol": PROTOCOL,
            "service": self.service,
            "holder": (os.getpid(), start_time(os.getpid())),
            "router": self.router,
            "api": self.api_port,
            "pages": self.pages.port,
            "pager": self.pages.process,
            "sockets": {name: sock.getsockname()[1] for name, sock in self.sockets.items()},
            "missing": self.missing,
            "template": self.template,
            "config": self.config["serial"],
            "ready": ready,
        }
        try:
            write_whole(self.root / "holder.json", json.dumps(state).encode())
            self.unsaved = False
        except OSError as error:
            log(f"cannot write the state: {error}")
            self.unsaved = True


def main(arguments: list[str]) -> int:
    """Start the holder of the root given as only argument; return once it serves."""
    root = Path(arguments[0]).resolve()
    if claim(root) is None:
        return ANOTHER_HOLDS
    told, ready = os.pipe()
    if os.fork():
        os.close(ready)
        return 0 if os.read(told, 1) else 1
    os.close(told)
    detach(root / "holder.log")

    def tell() -> None:
        os.write(ready, b"1")
        os.close(ready)

    Holder(root).run(tell)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
