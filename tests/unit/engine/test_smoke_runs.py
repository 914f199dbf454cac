"""What commands and jobs of a smoke suite are started with."""

import msgspec
import pytest

from lading.model.environment import InstanceSpec
from lading.model.environment_table import Environment, Strategy
from lading.model.manifest import Job, Manifest, Service, Size, SmokeStep
from lading.model.value import Resources
from lading.ports.runtime import Run, RunResult
from tests.recovery import releases
from tests.recovery.house import House


def smoked(monkeypatch: pytest.MonkeyPatch, step: SmokeStep, command: str) -> InstanceSpec:
    """Deploy a release whose suite is one step and return what its command was started as."""
    plain = releases.manifest()
    web, worker = plain.services["web"], plain.services["worker"]
    services: dict[str, Service] = {
        "web": msgspec.structs.replace(web, env={"PLACE": "web"}, resources=Resources(cpu=1.0)),
        "worker": msgspec.structs.replace(worker, env={"PLACE": "worker"}),
    }
    made: Manifest = msgspec.structs.replace(
        plain,
        services=services,
        env={"PLACE": "project", "COLOUR": "red", "SIZE": "project"},
        jobs={"settle": Job(command="settle", build="app", size="large", env={"PLACE": "job", "COLOUR": "green"})},
        sizes={"large": Size(resources=Resources(memory=1 << 30))},
        smoke=(step,),
    )
    monkeypatch.setattr(releases, "manifest", lambda: made)
    here = House.build()
    started: list[InstanceSpec] = []

    def result(run: Run) -> RunResult:
        started.append(run.spec)
        return RunResult(exit_status=0, output="", outputs="", seconds=0.0)

    here.world.runtime.script_run(command, result)  # type: ignore[attr-defined]
    table = Environment(strategy=Strategy(watch=0.0), env={"COLOUR": "blue"})
    assert here.carry(here.open_deploy("v1", table)).outcome == "succeeded"
    assert len(started) == 2  # on the candidate and through the router
    return started[0]


def test_a_job_has_its_own_size_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job gets the limits of its size. The environment's variables go before its own, these before the project's."""
    spec = smoked(monkeypatch, SmokeStep(name="settles", job="settle"), "settle")
    assert spec.resources == Resources(memory=1 << 30)
    assert spec.env == {"PLACE": "job", "COLOUR": "blue", "SIZE": "project"}


@pytest.mark.parametrize(("service", "place"), [("worker", "worker"), ("web", "web"), (None, "web")])
def test_a_command_runs_as_the_service_it_names(
    monkeypatch: pytest.MonkeyPatch, service: str | None, place: str
) -> None:
    """A command gets the environment of its step's service, else of the first."""
    spec = smoked(monkeypatch, SmokeStep(name="report", command="report", service=service), "report")
    assert spec.env["PLACE"] == place


def test_a_project_of_jobs_alone_is_checked_and_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release without services is deployed too: its suite runs in the environment of its jobs, and it has a bill."""
    plain = releases.manifest()
    made: Manifest = msgspec.structs.replace(
        plain,
        services={},
        jobs={"settle": Job(command="settle", build="app")},
        smoke=(SmokeStep(name="settles", job="settle"), SmokeStep(name="version", command="version")),
    )
    monkeypatch.setattr(releases, "manifest", lambda: made)
    here = House.build()
    rollout = here.carry(here.open_deploy("v1", Environment(strategy=Strategy(watch=0.0))))
    assert rollout.outcome == "succeeded"
    assert here.record.serving is not None
    facts = [one.facts for one in here.world.signer.signed if one.gate == "rollout"]  # type: ignore[attr-defined]
    assert facts[0]["checks"] == 2
