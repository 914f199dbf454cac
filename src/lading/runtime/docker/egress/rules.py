"""The rules for all confined containers, as the input of ``iptables-restore``. Pure.

Each table's chains are replaced in one act, so that there is no moment without rules. They stand in three chains of
the agent's own: one for what passes through this host, one for what is for this host, one for where connections lead.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lading.runtime.docker.egress.confined import Confined

Direct = Mapping[str, Collection[tuple[str, int]]]  # addresses and ports by the confined container's name


class Chains(NamedTuple):
    """The names of one agent's chains."""

    forward: str
    input: str
    nat: str

    @classmethod
    def of(cls, agent: str) -> "Chains":
        """Return the chains of an agent."""
        return cls(f"LADING-FWD-{agent}", f"LADING-IN-{agent}", f"LADING-NAT-{agent}")


class Ports(NamedTuple):
    """Where the gate listens on every environment's gateway; 0: it does not yet."""

    tcp: int
    dns: int


class Jump(NamedTuple):
    """The one rule in a chain of somebody else that leads into ours; it stands first."""

    table: str
    chain: str
    to: str

    @property
    def rule(self) -> tuple[str, ...]:
        """The rule's words."""
        return ("-j", self.to)


def jumps(chains: Chains) -> tuple[Jump, ...]:
    """Return the jumps into an agent's chains."""
    return (
        Jump("filter", "DOCKER-USER", chains.forward),
        Jump("filter", "INPUT", chains.input),
        Jump("nat", "PREROUTING", chains.nat),
    )


def restore(chains: Chains, confined: Sequence[Confined], direct: Direct, ports: Ports) -> str:
    """Return what replaces the contents of the chains; what forbids comes before what leads elsewhere."""
    lines = ["*filter", f":{chains.forward} - [0:0]", f":{chains.input} - [0:0]"]
    for one in confined:
        lines += _forward(chains.forward, one, direct.get(one.name, ()))
        lines += _input(chains.input, one, direct.get(one.name, ()), ports)
    lines += ["COMMIT", "*nat", f":{chains.nat} - [0:0]"]
    for one in confined:
        lines += _nat(chains.nat, one, direct.get(one.name, ()), ports)
    return "\n".join([*lines, "COMMIT", ""])


def _forward(chain: str, one: Confined, direct: Collection[tuple[str, int]]) -> Iterator[str]:
    yield f"-A {chain} -s {one.address}/32 -d {one.subnet} -j RETURN"
    yield f"-A {chain} -s {one.address}/32 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    yield from (f"-A {chain} {_to(one, address, port)} -j RETURN" for address, port in sorted(direct))
    yield f"-A {chain} -s {one.address}/32 -j DROP"


def _input(chain: str, one: Confined, direct: Collection[tuple[str, int]], ports: Ports) -> Iterator[str]:
    yield f"-A {chain} -s {one.address}/32 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    if ports.tcp:
        # Accepted, not just returned: the host's own rules know nothing of the gate.
        yield f"-A {chain} -s {one.address}/32 -d {one.gateway}/32 -p tcp -m tcp --dport {ports.tcp} -j ACCEPT"
        yield f"-A {chain} -s {one.address}/32 -d {one.gateway}/32 -p udp -m udp --dport {ports.dns} -j ACCEPT"
    yield from (f"-A {chain} {_to(one, address, port)} -j RETURN" for address, port in sorted(direct))
    yield f"-A {chain} -s {one.address}/32 -j DROP"


def _nat(chain: str, one: Confined, direct: Collection[tuple[str, int]], ports: Ports) -> Iterator[str]:
    if not ports.tcp:
        return
    source = f"-A {chain} -s {one.address}/32"
    yield f"{source} -d {one.gateway}/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports {ports.dns}"
    yield f"{source} -d {one.gateway}/32 -p tcp -j REDIRECT --to-ports {ports.tcp}"
    yield f"{source} -d {one.subnet} -j RETURN"
    yield from (f"-A {chain} {_to(one, address, port)} -j RETURN" for address, port in sorted(direct))
    yield f"{source} -p tcp -j REDIRECT --to-ports {ports.tcp}"


def _to(one: Confined, address: str, port: int) -> str:
    return f"-s {one.address}/32 -d {address}/32 -p tcp -m tcp --dport {port}"
