"""Which addresses the confined containers may reach directly now: what allowed names led to, not too long ago."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from lading.runtime.docker.egress.confined import Confined, is_outside

REFRESH = 30.0  # seconds between two looks at where the names lead
REMEMBERED = 600.0  # seconds for which an address is kept that a name no longer leads to: programs cache it, too
RESOLVING = 10.0  # seconds a name may take

Resolve = Callable[[str], Awaitable[Sequence[str]]]


async def resolve(host: str) -> Sequence[str]:
    """Return the IPv4 addresses that this host finds for a name, none where it finds none."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(
            loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM), RESOLVING
        )
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_address(host: str) -> bool:
    """Tell whether a host is written as an address."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


class Known:
    """The addresses by container; ``looked`` says where a name leads."""

    def __init__(self, looked: Resolve = resolve, now: Callable[[], float] = time.monotonic) -> None:
        self._resolve = looked
        self._now = now
        self._seen: dict[str, dict[tuple[str, int], float]] = {}

    def direct(self, confined: Iterable[Confined]) -> dict[str, frozenset[tuple[str, int]]]:
        """Return what each container may reach by address, those that are long gone left out."""
        oldest = self._now() - REMEMBERED
        return {
            one.name: frozenset(place for place, seen in self._seen.get(one.name, {}).items() if seen >= oldest)
            for one in confined
        }

    def keep(self, confined: Iterable[Confined]) -> None:
        """Forget the containers that are no longer confined."""
        names = {one.name for one in confined}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}

    async def addresses(self, one: Confined, host: str) -> list[str]:
        """Return where an allowed name leads, as far as that is outside, and remember it."""
        named = not is_address(host)
        found = await self._resolve(host) if named else (host,)
        outside = [address for address in found if is_outside(address, one.pool, named=named)]
        seen = self._seen.setdefault(one.name, {})
        seen.update({(address, port): self._now() for address in outside for port in one.direct_ports(host)})
        return outside

    async def refresh(self, confined: Iterable[Confined]) -> None:
        """Look where all names lead that are written out; patterns are looked at when a program asks for one."""
        wanted = [(one, end.host) for one in confined for end in one.endpoints if not end.is_pattern]
        await asyncio.gather(*(self.addresses(one, host) for one, host in wanted if one.direct_ports(host)))

    async def allows(self, one: Confined, address: str, port: int) -> bool:
        """Tell whether a container may reach an address at a port directly; its names are looked at once more."""
        if (address, port) in self.direct([one])[one.name]:
            return True
        hosts = [end.host for end in one.endpoints if end.port == port and not end.is_pattern]
        for host in hosts:
            if port in one.direct_ports(host) and address in await self.addresses(one, host):
                return True
        return False
