"""One confined container: who it is, where it is, and what it may reach. Pure, and kept as one small file each."""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lading.model import typed

PROXY_PORT = 3128  # of the environment's gateway: the address that programs are told; the rules lead it to the gate
WEB_PORTS = (80, 443)  # where the name is in what is sent first, so that it is judged and not the address
_OF_A_RELEASE = re.compile(r"(^|\.)r\d+$")


class Confined(msgspec.Struct, frozen=True, kw_only=True):
    """A container by its ``address`` in the environment's ``subnet``; ``allowed`` are endpoints, ``host:port``.

    ``name`` is the instance's or run's, ``label`` what people call it, ``marker`` the environment. ``pool`` is the
    range that all environments get their subnets from: none of it is outside.
    """

    name: str
    label: str
    marker: str
    address: str
    subnet: str
    gateway: str
    pool: str
    allowed: tuple[str, ...] = ()

    @property
    def endpoints(self) -> tuple["Endpoint", ...]:
        """What it may reach."""
        return tuple(Endpoint.parse(text) for text in self.allowed)

    def allows(self, host: str, port: int) -> bool:
        """Tell whether it may reach a host, by name or address, at a port."""
        return any(endpoint.port == port and endpoint.matches(host) for endpoint in self.endpoints)

    def knows(self, host: str) -> bool:
        """Tell whether it may ask for the address of a name."""
        return any(endpoint.matches(host) for endpoint in self.endpoints)

    def direct_ports(self, host: str) -> tuple[int, ...]:
        """Return the ports of a host that it reaches by address, with no name in what is sent."""
        return tuple(one.port for one in self.endpoints if one.matches(host) and one.port not in WEB_PORTS)


class Endpoint(msgspec.Struct, frozen=True):
    """``api.example.org:443``, ``*.example.org:443`` or ``192.0.2.7:5432``."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read an endpoint as the manifest writes it."""
        host, _, port = text.rpartition(":")
        return cls(host.lower(), int(port))

    def matches(self, host: str) -> bool:
        """Tell whether a name is meant; a star stands for one or more labels."""
        plain = normal(host)
        if self.host.startswith("*."):
            return plain.endswith(self.host[1:]) and len(plain) >= len(self.host)
        return plain == self.host

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for many names."""
        return self.host.startswith("*.")


def normal(host: str) -> str:
    """Return a name as it is compared."""
    return host.lower().removesuffix(".")


def is_peers(name: str) -> bool:
    """Tell whether a name that is asked for is one within the environment: they end in the release's own domain."""
    return _OF_A_RELEASE.search(name) is not None or "." not in name


def is_outside(address: str, pool: str, *, named: bool) -> bool:
    """Tell whether an address is outside of this host and of all environments.

    ``named``: a name led there. Whoever owns a name decides where it leads, so it never leads into this host's own
    networks' special addresses; an address that the manifest itself names may be one of this host.
    """
    found = ipaddress.ip_address(address)
    special = found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified
    if special or found.version != 4 or found in ipaddress.ip_network(pool):
        return False
    return not (named and _is_of_this_host(address))


def _is_of_this_host(address: str) -> bool:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def read_all(directory: Path) -> Iterator[Confined]:
    """Yield every container that is confined now, in the order of names."""
    for file in sorted(directory.glob("*.json")):
        try:
            yield typed.decode(file.read_bytes(), Confined)
        except FileNotFoundError:
            continue  # it was just let go
