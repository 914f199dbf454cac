"""A cable with a delay: carries what ssh says to a host and back, each byte later by some milliseconds.

``ProxyCommand python benchmarks/delay.py %h %p MILLISECONDS`` makes every round trip take twice as long.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

CHUNK = 1 << 16
MOST = 256  # chunks that are under way at a time


async def carry(read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]], delay: float) -> None:
    """Pass on what is read, ``delay`` seconds later and in order, until its end."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST)
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        while True:
            at, data = await under_way.get()
            await asyncio.sleep(at - clock())
            if not data:
                return
            await write(data)

    delivering = asyncio.create_task(deliver())
    while True:
        data = await read()
        await under_way.put((clock() + delay, data))
        if not data:
            break
    await delivering


async def main(host: str, port: int, delay: float) -> None:
    """Carry standard input to the host and its answers to standard output."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(host, port)
    typed = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(typed), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    shown = asyncio.StreamWriter(transport, protocol, None, loop)

    async def to_host(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    async def from_host(data: bytes) -> None:
        shown.write(data)
        await shown.drain()

    there = asyncio.create_task(carry(lambda: typed.read(CHUNK), to_host, delay))
    back = asyncio.create_task(carry(lambda: reader.read(CHUNK), from_host, delay))
    await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
