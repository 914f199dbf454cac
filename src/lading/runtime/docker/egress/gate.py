"""The gate: ``python -m lading.runtime.docker.egress.gate DIRECTORY AGENT``. It reads who is confined, and sees to it.

DIRECTORY holds ``confined/`` (one file a container, written by the agent), ``gate.pid`` (locked as long as it runs),
``applied.json`` (for whom the rules stand), ``refused/`` (what was tried). It ends, and takes its rules with it, once
nobody has been confined for a while. Killed, it leaves the rules: nothing gets out until it is there again.
"""

import asyncio
import fcntl
import hashlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from lading import __version__
from lading.runtime.docker.egress import dns
from lading.runtime.docker.egress.confined import Confined, read_all
from lading.runtime.docker.egress.firewall import Firewall, NoFirewall
from lading.runtime.docker.egress.known import REFRESH, Known
from lading.runtime.docker.egress.passing import NOT_ALLOWED, Passing, is_worth_telling
from lading.runtime.docker.egress.refused import Refused
from lading.runtime.docker.egress.rules import Ports

LOOK_EVERY = 1.0  # seconds between two looks for whether anything changed, besides being told
AGAIN = 5.0  # seconds after which rules are set anew although nothing changed: somebody else may have removed them
IDLE = 15.0  # seconds without anybody confined after which it ends
IP_FREEBIND = 15  # lets it listen before the network is up


def state_of(one: Confined) -> str:
    """Return what stands for a container and all that it may reach."""
    return hashlib.sha256(msgspec.json.encode(one)).hexdigest()[:16]


class Gate:
    """Everything of one agent's gate."""

    def __init__(self, directory: Path, agent: str) -> None:
        self._directory = directory
        self._firewall = Firewall(agent)
        self._known = Known()
        self._refused = Refused(directory / "refused")
        self._passing = Passing(self._known, self._refused)
        self._confined: dict[str, Confined] = {}
        self._ports = Ports(0, 0)
        self._open: dict[str, tuple[asyncio.Server, asyncio.DatagramTransport]] = {}
        self._told = asyncio.Event()
        self._applying = asyncio.Lock()
        self._in_force: object = None
        self._ending = False
        self._looking_up: asyncio.Task[None] | None = None
        self._applied_at = 0.0

    async def run(self) -> None:
        """Work until nobody is confined any more, or until it is told to end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._told.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        refreshing = asyncio.create_task(self._refresh())
        try:
            await self._work()
        finally:
            refreshing.cancel()
            # Also where its directory was taken away under it: rules for nobody must not be left.
            if not list(read_all(self._directory / "confined")):
                self._firewall.clear()
                (self._directory / "applied.json").unlink(missing_ok=True)

    async def _work(self) -> None:
        busy = time.monotonic()
        while not self._ending and time.monotonic() - busy < IDLE:
            await self._look()
            if self._confined:
                busy = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), LOOK_EVERY)
            self._told.clear()

    def _end(self) -> None:
        self._ending = True
        self._told.set()

    async def _look(self) -> None:
        found = list(read_all(self._directory / "confined"))
        changed = {one.name: one for one in found} != {one.name: one for one in self._confined.values()}
        if changed or time.monotonic() - self._applied_at > AGAIN:
            self._confined = {one.address: one for one in found}
            self._known.keep(found)
            await self._apply(again=True)
            if changed:
                # Names may take their time, and nothing that starts needs to wait: until then the gate passes it on.
                self._looking_up = asyncio.create_task(self._refresh_once())

    async def _apply(self, *, again: bool = False) -> None:
        async with self._applying:
            confined = sorted(self._confined.values(), key=lambda one: one.name)
            await self._listen({one.gateway for one in confined})
            direct = self._known.direct(confined)
            wanted = (confined, direct, self._ports)
            if wanted == self._in_force and not again:
                return
            try:
                await asyncio.to_thread(self._firewall.apply, confined, direct, self._ports)
            except NoFirewall as error:
                self._say(f"the rules cannot be set: {error}")
                return
            self._in_force, self._applied_at = wanted, time.monotonic()
            _write(self._directory / "applied.json", msgspec.json.encode({one.name: state_of(one) for one in confined}))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            await self._refresh_once()

    async def _refresh_once(self) -> None:
        await self._known.refresh(list(self._confined.values()))
        await self._apply()

    async def _listen(self, gateways: set[str]) -> None:
        for gone in self._open.keys() - gateways:
            server, transport = self._open.pop(gone)
            server.close()
            transport.close()
        for gateway in sorted(gateways - self._open.keys()):
            loop = asyncio.get_running_loop()
            sock = _bound(gateway, self._ports.tcp, socket.SOCK_STREAM)
            server = await asyncio.start_server(self._connected, sock=sock)
            packets = _bound(gateway, self._ports.dns, socket.SOCK_DGRAM)
            # The ports are the same on every gateway, so that the rules are.
            self._ports = Ports(sock.getsockname()[1], packets.getsockname()[1])
            transport, _ = await loop.create_datagram_endpoint(lambda: _Questions(self._asked), sock=packets)
            self._open[gateway] = (server, transport)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = self._confined.get(writer.get_extra_info("peername")[0])
        try:
            if one is not None:
                await self._passing.take(one, reader, writer)
        except OSError as error:
            self._say(f"a connection of {one and one.label} broke off: {error}")
        finally:
            writer.close()

    async def _asked(self, packet: bytes, source: tuple[str, int], transport: asyncio.DatagramTransport) -> None:
        one, asked = self._confined.get(source[0]), dns.question(packet)
        if one is None or asked is None:
            return
        if not one.knows(asked.name):
            if is_worth_telling(asked.name) and asked.kind == dns.A:
                self._refused.tell(one, f"name {asked.name}", NOT_ALLOWED)
            transport.sendto(dns.answer(asked, code=dns.NO_SUCH_NAME), source)
            return
        addresses: Sequence[str] = ()
        if asked.kind == dns.A:
            addresses = await self._known.addresses(one, asked.name)
            # What is answered can be reached: the rules come first.
            await self._apply()
        code = dns.NO_ERROR if addresses or asked.kind != dns.A else dns.SERVER_FAILURE
        transport.sendto(dns.answer(asked, addresses, code), source)

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
        sys.stderr.flush()


class _Questions(asyncio.DatagramProtocol):
    """Hands every packet on."""

    def __init__(self, asked: object) -> None:
        self._asked = asked
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._asked(data, addr, self._transport))  # type: ignore[operator]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
    sock.setblocking(False)
    sock.bind((address, port))
    return sock


def _write(file: Path, content: bytes) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(file)


def main(directory: Path, agent: str) -> int:
    """Become the gate of a directory, in the background; 1 when there is one already."""
    descriptor = os.open(directory / "gate.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 1
    # Whoever started it waits for this and knows then that it is there; the lock goes on with the child.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {__version__}\n".encode(), 0)
    asyncio.run(Gate(directory, agent).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
