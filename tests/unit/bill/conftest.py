"""Agents and people whose keys the bill's tests share."""

import pytest

from lading.bill.keys import FileSigner
from tests.unit.bill.cases import Case, Person


def _signer(factory: pytest.TempPathFactory, name: str) -> FileSigner:
    return FileSigner(factory.mktemp(name) / "agent.key", name)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> FileSigner:
    return _signer(tmp_path_factory, "stage-host")


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> FileSigner:
    return _signer(tmp_path_factory, "production-host")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> FileSigner:
    return _signer(tmp_path_factory, "stranger")


@pytest.fixture
def case(stage: FileSigner, production: FileSigner) -> Case:
    return Case(stage, production)


@pytest.fixture
def ann() -> Person:
    return Person("ann")


@pytest.fixture
def bob() -> Person:
    return Person("bob")


@pytest.fixture
def eve() -> Person:
    return Person("eve")
