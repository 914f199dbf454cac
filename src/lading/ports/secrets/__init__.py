"""Where secrets lie."""

from collections.abc import Mapping
from typing import Protocol

from lading.model.secret import Secret


class Secrets(Protocol):
    """Versioned secrets of environments (``project/name``). No value appears in an error."""

    def versions(self, environment: str) -> Mapping[str, int]:
        """Return the current version of every secret that is there and not empty."""
        ...

    def get(self, environment: str, name: str, version: int) -> Secret:
        """Return one version of a secret; earlier versions stay. Raise ``secret-missing`` when it is not there."""
        ...

    def put(self, environment: str, values: Mapping[str, Secret]) -> Mapping[str, int]:
        """Store new values and return their versions; an unchanged value keeps its version."""
        ...

    def all_values(self) -> Mapping[str, Secret]:
        """Return every known value (all environments, all versions), to redact and to scan artifacts for."""
        ...
