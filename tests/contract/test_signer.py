"""The Signer port's promises, on every adapter."""

import pytest

from lading.ports.signer.conformance import SignerConformance
from lading.ports.signer.memory import MemorySigner


class TestMemorySigner(SignerConformance):
    @pytest.fixture
    def signer(self) -> MemorySigner:
        return MemorySigner("stage-host")
