"""Where the values of secrets come from that others keep: secret managers, files, variables."""

from collections.abc import Mapping
from typing import Protocol

from lading.model.environment_table import SecretSource
from lading.model.secret import Secret


class SecretSources(Protocol):
    """Fetches present values; what a manifest may ask for is what the admin of this host allowed, and nothing else."""

    def fetch(self, environment: str, sources: Mapping[str, SecretSource]) -> Mapping[str, Secret]:
        """Return the present value of every secret named, for an environment (``project/name``).

        All come, or ``secret-source`` names each that does not, with the reason and without a value. What is not
        allowed for that environment is not touched: no command runs, no file is opened. One line end at the end of a
        value is left out; an empty value is none. It ends within the sources' own limits of time.
        """
        ...
