"""Servers that are a few facts each, and fail when a test says so."""

import dataclasses

from lading.model.errors import LadingError
from lading.model.secret import Secret


@dataclasses.dataclass
class Served:
    """What one server has: the revision that was noted, its size, and why it does not answer (empty: it does).

    ``busy`` keeps it from being handed over.
    """

    revision: tuple[str, ...] = ()
    size: int = 0
    trouble: str = ""
    busy: str = ""
    handed_over: bool = False


class MemoryServers:
    """Keeps what each URL's server has, and which dumps were kept; ``left`` are outputs that hold a dump."""

    def __init__(self) -> None:
        self.served: dict[str, Served] = {}
        self.kept: dict[tuple[str, str, str, int], str] = {}
        self.left: set[str] = set()

    def at(self, url: Secret) -> Served:
        """Return what is at a URL, which is made where nothing is."""
        return self.served.setdefault(url.reveal(), Served())

    def trouble(self, url: Secret) -> str:
        """Return what a test said."""
        return self.at(url).trouble

    def hand_over(self, url: Secret, admin: Secret) -> str:  # noqa: ARG002
        """Note that programs may no longer do everything, unless a test says that this cannot be now."""
        served = self._answering(url)
        if served.busy:
            return served.busy
        served.handed_over = True
        return ""

    def revision(self, url: Secret) -> tuple[str, ...]:
        """Return the revision, sorted; raise while it does not answer."""
        return tuple(sorted(self._answering(url).revision))

    def size(self, url: Secret) -> int:
        """Return the size; raise while it does not answer."""
        return self._answering(url).size

    def keep(self, project: str, environment: str, name: str, rollout: int, outputs: str) -> str:
        """Note a dump; raise when there is none."""
        key = (project, environment, name, rollout)
        if outputs in self.left:
            self.left.discard(outputs)
            self.kept[key] = f"/dumps/{project}/{environment}/{name}/r{rollout}.dump"
        if key not in self.kept:
            raise LadingError("database-failed", doing=f"keeping a dump of {name}", happened=f"{outputs} holds none")
        return self.kept[key]

    def _answering(self, url: Secret) -> Served:
        served = self.at(url)
        if served.trouble:
            raise LadingError("database-failed", doing="asking a database's server", happened=served.trouble)
        return served
