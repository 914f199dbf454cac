"""One network per environment, each with a subnet of its own, and the addresses that instances get from it.

The lower part of a subnet is given out here, instance by instance and in turn, so that an address comes again as late
as possible; the upper quarter is the engine's, for runs. Which addresses are taken, the containers themselves say.
"""

import ipaddress
import threading
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.errors import LadingError
from lading.runtime.docker import names
from lading.runtime.docker.names import Names

POOL = "10.217.0.0/16"  # a corner of the private range that other tools leave alone
PREFIX = 24  # bits of one environment's subnet
ROUTES = Path("/proc/net/route")

Subnet = ipaddress.IPv4Network


class Network:
    """An environment's network: its name, subnet and the host's own address in it."""

    def __init__(self, name: str, subnet: Subnet) -> None:
        self.name = name
        self.subnet = subnet

    @property
    def gateway(self) -> str:
        """The host's address, from which the router's requests come."""
        return str(self.subnet[1])

    @property
    def for_runs(self) -> Subnet:
        """The part that the engine gives addresses from."""
        return list(self.subnet.subnets(prefixlen_diff=2))[-1]

    @property
    def for_instances(self) -> tuple[str, ...]:
        """The addresses that are given out here."""
        most = int(self.for_runs.network_address)
        return tuple(str(address) for address in self.subnet.hosts() if int(address) < most)[1:]


class Networks:
    """The networks of one agent; ``cursors`` is a directory that remembers the address given out last."""

    def __init__(self, engine: Engine, known: Names, cursors: Path, pool: str = POOL) -> None:
        self._engine = engine
        self._names = known
        self._cursors = cursors
        self._pool = Subnet(pool)
        self._lock = threading.Lock()

    def provide(self, project: str, environment: str) -> Network:
        """Return the environment's network, made when it is not there."""
        name = self._names.network(project, environment)
        with self._lock:
            found = self._find(name)
            return found if found is not None else self._make(name, f"{project}/{environment}")

    def _find(self, name: str) -> Network | None:
        try:
            found = self._engine.get(f"/networks/{segment(name)}")
        except EngineRefused as error:
            if error.status == 404:
                return None
            raise
        return Network(name, Subnet(found["IPAM"]["Config"][0]["Subnet"]))

    def _make(self, name: str, marker: str) -> Network:
        reason = "its pool of subnets is too small"
        for subnet in self._candidates(name):
            network = Network(name, subnet)
            try:
                self._engine.post("/networks/create", _request(network, self._names.agent, marker))
            except EngineRefused as error:
                # Somebody took that subnet since it was looked for.
                if "overlap" not in error.message:
                    raise
                reason = error.message
                continue
            return network
        raise LadingError(
            "start-failed",
            doing=f"making a network for {marker}",
            happened=f"no subnet of {self._pool} is free: {reason}",
            hint="docker network ls; name another range as subnets in [docker] of agent.toml",
        )

    def _candidates(self, name: str) -> Iterator[Subnet]:
        """Yield the free subnets, beginning at a place that differs from environment to environment."""
        subnets = list(self._pool.subnets(new_prefix=max(PREFIX, self._pool.prefixlen)))
        taken = [*_routes(), *self._others()]
        first = zlib.crc32(name.encode()) % len(subnets)
        for subnet in [*subnets[first:], *subnets[:first]]:
            if not any(subnet.overlaps(other) for other in taken):
                yield subnet

    def _others(self) -> Iterator[Subnet]:
        for network in self._engine.get("/networks"):
            for part in network["IPAM"]["Config"] or ():
                if ":" not in part.get("Subnet", ":"):
                    yield Subnet(part["Subnet"], strict=False)

    def choose(self, network: Network, previous: str, taken: Collection[str]) -> str:
        """Return the address for an instance: its previous one, else the next that nobody known has."""
        addresses = network.for_instances
        if previous in addresses and previous not in taken:
            return previous
        cursor = self._cursors / network.name
        last = cursor.read_text() if cursor.exists() else ""
        begin = addresses.index(last) + 1 if last in addresses else 0
        for address in [*addresses[begin:], *addresses[:begin]]:
            if address not in taken:
                self._cursors.mkdir(mode=0o700, exist_ok=True)
                cursor.write_text(address)
                return address
        raise LadingError(
            "start-failed",
            doing="looking for a free address",
            happened=f"all {len(addresses)} of {network.subnet} are in use",
            hint="docker ps --all, and remove what is no longer needed",
        )

    def join(self, network: Network, container: str, endpoint: Mapping[str, Any]) -> None:
        """Put a container that runs into a network, at a place there."""
        self._engine.post(
            f"/networks/{segment(network.name)}/connect", {"Container": container, "EndpointConfig": endpoint}
        )

    def drop(self, project: str, environment: str) -> None:
        """Remove the environment's network if nothing is in it any more."""
        with self._lock:
            try:
                self._engine.delete(f"/networks/{segment(self._names.network(project, environment))}")
            except EngineRefused as error:
                if error.status not in (403, 404):  # in use; gone
                    raise


def _request(network: Network, agent: str, marker: str) -> dict[str, Any]:
    return {
        "Name": network.name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "IPAM": {
            "Config": [{"Subnet": str(network.subnet), "Gateway": network.gateway, "IPRange": str(network.for_runs)}]
        },
        "Labels": {names.AGENT: agent, names.ENVIRONMENT: marker},
    }


def _routes() -> Iterator[Subnet]:
    """Yield the networks that this host has routes to."""
    for line in ROUTES.read_text().splitlines()[1:]:
        words = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(word)[::-1], "big") for word in (words[1], words[7]))
        if mask:
            yield Subnet((address, mask.bit_count()))
