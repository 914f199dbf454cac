"""The Secrets port in memory: for tests, and for what needs no secret to survive."""

from collections.abc import Mapping
from threading import Lock

from lading.model.errors import LadingError
from lading.model.secret import Secret


class MemorySecrets:
    """Keep every version of every secret in a dictionary."""

    def __init__(self, values: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._lock = Lock()
        self._kept: dict[str, dict[str, list[Secret]]] = {}
        for environment, pairs in (values or {}).items():
            self.put(environment, {name: Secret(value) for name, value in pairs.items()})

    def versions(self, environment: str) -> Mapping[str, int]:
        """Return the current version of every secret that is there and not empty."""
        with self._lock:
            kept = self._kept.get(environment, {})
            return {name: len(history) for name, history in sorted(kept.items()) if history[-1].reveal()}

    def get(self, environment: str, name: str, version: int) -> Secret:
        """Return one version of a secret; raise ``secret-missing`` when it is not there or empty."""
        with self._lock:
            history = self._kept.get(environment, {}).get(name, [])
            if 1 <= version <= len(history) and history[version - 1].reveal():
                return history[version - 1]
        raise LadingError(
            "secret-missing",
            doing=f"reading secret {name} of {environment}",
            happened=f"version {version} is not there or empty",
            hint=f"lading secrets set {environment.rpartition('/')[2]} {name}",
        )

    def put(self, environment: str, values: Mapping[str, Secret]) -> Mapping[str, int]:
        """Store new values and return their versions; an unchanged value keeps its version."""
        with self._lock:
            kept = self._kept.setdefault(environment, {})
            for name, value in values.items():
                history = kept.setdefault(name, [])
                if not history or history[-1] != value:
                    history.append(value)
            return {name: len(kept[name]) for name in values}

    def all_values(self) -> Mapping[str, Secret]:
        """Return every known value as ``environment/name@version``."""
        with self._lock:
            return {
                f"{environment}/{name}@{number}": value
                for environment, kept in self._kept.items()
                for name, history in kept.items()
                for number, value in enumerate(history, 1)
                if value.reveal()
            }
