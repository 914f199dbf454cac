"""The SecretSources port in memory: for tests, and for hosts where nothing is allowed."""

from collections.abc import Collection, Mapping

from lading.model.environment_table import SecretSource
from lading.model.secret import Secret
from lading.ports.sources.refusals import not_allowed, refused


class MemorySources:
    """Give what ``values`` has by place (command, variable or path); ``asked`` counts how often each was asked.

    ``allowed`` are environments (``project/name``) that may ask for everything; all of them, unless given.
    """

    def __init__(self, values: Mapping[str, str] | None = None, allowed: Collection[str] | None = None) -> None:
        self.values = dict(values or {})
        self.asked: dict[str, int] = {}
        self._allowed = allowed

    def fetch(self, environment: str, sources: Mapping[str, SecretSource]) -> Mapping[str, Secret]:
        """Return the present value of every secret named."""
        found: dict[str, Secret] = {}
        wrong: dict[str, tuple[str, ...]] = {}
        for name, source in sources.items():
            if self._allowed is not None and environment not in self._allowed:
                wrong[name] = not_allowed(environment, source)
                continue
            self.asked[source.place] = self.asked.get(source.place, 0) + 1
            value = self.values.get(source.place, "").removesuffix("\n")
            if value:
                found[name] = Secret(value)
            else:
                wrong[name] = (f"the {source.kind} {source.place} gave nothing",)
        if wrong:
            raise refused(environment, wrong)
        return found
