"""Real agents for the system tests: what is built once is shared, and nothing is left running."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.agents import RealAgent, copy_of, ended, make_template, traces_since


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a failure what agents and commands said: of a machine far away nothing else is left."""
    report = yield
    if report.failed:
        report.sections += traces_since(call.start)
    return report


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which every version of the small project is built; the workers of a parallel run share it."""
    base = tmp_path_factory.getbasetemp()
    # Beside the directories of a run's workers; above that of a whole run it would outlive the project it was made of.
    return make_template((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "lading-template")


@pytest.fixture(scope="module")
def shared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAgent]:
    """One agent for the tests of a module that leave it as they found it: v1.0.0 or v1.1.0 serves in ``local``."""
    agent = copy_of(template, tmp_path_factory.mktemp("shared"))
    with ended([agent]):
        assert agent.deploy("v1.0.0").exit == 0
        yield agent


@pytest.fixture
def make_agent(template: Path, tmp_path: Path) -> Iterator[Callable[..., RealAgent]]:
    """Make agents with homes of their own in which nothing was deployed yet."""
    agents: list[RealAgent] = []

    def make(name: str = "agent", settings: str = "") -> RealAgent:
        agents.append(copy_of(template, tmp_path / name, settings=settings))
        return agents[-1]

    with ended(agents):
        yield make


@pytest.fixture
def agent(make_agent: Callable[..., RealAgent]) -> RealAgent:
    """An agent in whose home nothing was deployed yet."""
    return make_agent()
