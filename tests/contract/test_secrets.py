"""The Secrets port's promises, on every adapter."""

from pathlib import Path

import pytest

from lading.ports.secrets.conformance import SecretsConformance
from lading.ports.secrets.memory import MemorySecrets
from lading.secrets.age_file import AgeSecrets


class TestMemorySecrets(SecretsConformance):
    @pytest.fixture
    def secrets(self) -> MemorySecrets:
        return MemorySecrets()


class TestAgeSecrets(SecretsConformance):
    @pytest.fixture
    def secrets(self, tmp_path: Path) -> AgeSecrets:
        return AgeSecrets(tmp_path / "secrets")
