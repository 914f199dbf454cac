"""Who signs what an agent has seen."""

from typing import Protocol

from lading.model.bill import Envelope, Statement


class Signer(Protocol):
    """Signs statements with the agent's own key. Errors: ``LadingError("bill")``."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key: ``SHA256:…``."""
        ...

    @property
    def name(self) -> str:
        """The signer's name as it stands in statements."""
        ...

    def sign(self, statement: Statement) -> Envelope:
        """Sign a statement; the same statement gives the same payload."""
        ...
