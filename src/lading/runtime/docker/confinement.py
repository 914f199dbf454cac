"""The containers of one agent that may not reach everything: held before they start, let go when they are gone."""

from collections.abc import Sequence
from pathlib import Path

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.environment import InstanceSpec
from lading.runtime.docker import names, states
from lading.runtime.docker.egress.confined import Confined
from lading.runtime.docker.egress.keeper import Keeper, unenforced
from lading.runtime.docker.launch import Making
from lading.runtime.docker.names import INSTANCE, Names


class Confinement:
    """``root`` is a directory for who is confined, ``pool`` the range that all environments get their subnets from."""

    def __init__(self, engine: Engine, known: Names, root: Path, pool: str) -> None:
        self._engine = engine
        self._names = known
        self._keeper = Keeper(root, lambda: known.agent)
        self._pool = pool
        self.gone = self._keeper.free
        self.require = self._keeper.require

    def hold(self, making: Making) -> None:
        """See that the rules for a container stand before it starts, or that none stand for one that is free."""
        spec, network = making.spec, making.network
        if spec.egress is None:
            self._keeper.free_address(making.address)
            return
        self._check_address(making)
        self._keeper.confine(
            Confined(
                name=self._names.container(making.kind, making.name),
                label=spec.label if making.kind == INSTANCE else spec.service,
                marker=f"{spec.project}/{spec.environment}",
                address=making.address,
                subnet=str(network.subnet),
                gateway=network.gateway,
                pool=self._pool,
                allowed=spec.egress,
            )
        )

    def _check_address(self, making: Making) -> None:
        """Raise ``egress`` unless the container has the address that the rules are for."""
        name = self._names.container(making.kind, making.name)
        found = self._engine.get(f"/containers/{segment(name)}/json")
        ends = found["NetworkSettings"]["Networks"]
        fixed = [(end.get("IPAMConfig") or {}).get("IPv4Address") for end in ends.values()]
        if fixed != [making.address]:
            raise unenforced(f"{making.name} would not have the address {making.address} that its rules are for")

    def peers(self, spec: InstanceSpec) -> tuple[str, ...]:
        """Return the names within its environment that a confined program needs no proxy for, stacks included."""
        marker = f"{names.ENVIRONMENT}={spec.project}/{spec.environment}"
        filters = {"label": [*self._names.filters(names.STACK)["label"], marker]}
        found = [one["Labels"].get(names.ALIASES, "") for one in self._engine.get("/containers/json", filters=filters)]
        return (*spec.peers, *sorted({alias for text in found for alias in text.split(",") if alias}))

    def refused(self, marker: str, lines: int) -> Sequence[str]:
        """Return the last attempts that were refused in an environment."""
        return self._keeper.refused(marker, lines)

    def maintain(self) -> None:
        """Keep who is confined so; to be called now and then."""
        self._keeper.keep(self._is_there)

    def rest(self) -> None:
        """End what is there for running containers only; to be called when none is to run any more."""
        self._keeper.rest(lambda container: self._is_there(container, running=True))

    def _is_there(self, container: str, *, running: bool = False) -> bool:
        try:
            found = self._engine.get(f"/containers/{segment(container)}/json")
        except EngineRefused as error:
            if error.status != 404:
                raise
            return False
        return states.is_running(found) or not running
