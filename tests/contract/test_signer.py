"""The Signer port's promises, on every adapter."""

from pathlib import Path

import pytest

from lading.bill.keys import FileSigner
from lading.ports.signer.conformance import SignerConformance, statement
from lading.ports.signer.memory import MemorySigner


class TestMemorySigner(SignerConformance):
    @pytest.fixture
    def signer(self) -> MemorySigner:
        return MemorySigner("stage-host")


class TestFileSigner(SignerConformance):
    @pytest.fixture
    def signer(self, tmp_path: Path) -> FileSigner:
        return FileSigner(tmp_path / "keys" / "agent.key", "stage-host")


def test_memory_and_file_sign_the_same_payload(tmp_path: Path) -> None:
    """What is signed does not depend on who signs: both signers of one name give the same bytes."""
    ours = FileSigner(tmp_path / "agent.key", "stage-host").sign(statement())
    assert MemorySigner("stage-host").sign(statement()).payload == ours.payload
