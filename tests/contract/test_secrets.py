"""The Secrets port's promises, on every adapter."""

import pytest

from lading.ports.secrets.conformance import SecretsConformance
from lading.ports.secrets.memory import MemorySecrets


class TestMemorySecrets(SecretsConformance):
    @pytest.fixture
    def secrets(self) -> MemorySecrets:
        return MemorySecrets()
