"""What an agent finds when it looks at itself."""

import dataclasses
import os
import sqlite3
from collections.abc import Iterator

import msgspec
import pytest

from lading.agent.doctoring import OWN, Clinic
from lading.docker import no_engine
from lading.doctor.engine import EngineSeen
from lading.doctor.registry import examine
from lading.journal.sqlite import SqliteJournal
from lading.model.certificates import CertificateState
from lading.model.environment_table import Environment, ObjectStore
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, OutputFile, Sending
from lading.model.secret import Secret
from lading.ports.objects.memory import MemoryObjects
from lading.ports.runtime.memory import MemoryRuntime
from tests.recovery.house import ENVIRONMENT, KEY
from tests.recovery.releases import PROJECT
from tests.runs import ended_run
from tests.support_agent import MemoryAgent, ShortDirectory

DAY = 86400.0


@pytest.fixture
def agent() -> Iterator[MemoryAgent]:
    with ShortDirectory() as place:
        yield MemoryAgent(place / "home")


@pytest.fixture
def clinic(agent: MemoryAgent) -> Clinic:
    """The agent's clinic, a release serving, its journal's file beside the one in memory."""
    SqliteJournal(agent.home / "journal.db").environments()
    agent.house.deploy("v1.0.0")
    world = agent.world
    return Clinic(
        home=agent.home,
        journal=world.journal,
        runtime=world.runtime,
        secrets=world.secrets,
        status=agent.service.status,
        clock=world.clock,
        strays=list,
        trouble=str,
        missing=dict,
        objects=world.objects,
    )


def wrong(clinic: Clinic) -> list[tuple[str, str]]:
    return [(one.code, one.remedy) for one in examine(OWN, clinic) if one.level != "ok"]


def test_a_sound_agent_has_nothing_to_tell(clinic: Clinic) -> None:
    """Every check looks, and none finds anything."""
    assert wrong(clinic) == []
    subjects = {one.subject for one in examine(OWN, clinic)}
    assert subjects == {"journal", "alerts", "instances", "left over", "router", "secrets"}


@pytest.mark.parametrize(
    ("state", "codes"),
    [
        (CertificateState(source="ACME", not_after=30 * DAY), []),
        (CertificateState(source="ACME", not_after=19 * DAY), ["certificate-ends"]),
        (CertificateState(source="/a.pem", not_after=19 * DAY), []),
        (CertificateState(source="/a.pem", not_after=13 * DAY), ["certificate-ends"]),
        (CertificateState(source="/a.pem", not_after=-1.0), ["certificate-ended"]),
        (CertificateState(source="/a.pem", not_after=30 * DAY, trouble="no"), ["certificate-refused"]),
        (CertificateState(source="ACME"), ["certificate-missing"]),
    ],
)
def test_certificates_are_looked_at(clinic: Clinic, state: CertificateState, codes: list[str]) -> None:
    """What ends soon, has ended, is missing or was refused is told, each with what helps."""
    ends = state.not_after + clinic.clock.now() if state.not_after is not None else None
    seen = {KEY: msgspec.structs.replace(state, not_after=ends)}
    told = wrong(dataclasses.replace(clinic, certificates=lambda: seen))
    assert [code for code, _ in told] == codes
    assert all(remedy for _, remedy in told)


def test_a_damaged_journal_is_found(clinic: Clinic) -> None:
    """SQLite's own check is asked; a file that is none is damaged too."""
    file = clinic.home / "journal.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(file.read_bytes())
    data[5000:9000] = os.urandom(4000)
    file.write_bytes(data)
    assert [code for code, _ in wrong(clinic)] == ["journal-damaged"]
    file.write_bytes(b"no database at all, but long enough to be looked at as one" * 40)
    assert [code for code, _ in wrong(clinic)] == ["journal-damaged"]


def test_an_engine_is_asked_where_there_is_one(clinic: Clinic) -> None:
    """One that is needed and does not answer is a problem; one whose restart stops everything should be known."""
    seen = EngineSeen("20.10.24", restores=False, swarm=False, root="/var/lib/docker", free=10**11)
    assert [code for code, _ in wrong(dataclasses.replace(clinic, engine=lambda: seen))] == ["engine-stops-all"]

    def silent() -> EngineSeen:
        raise no_engine("/var/run/docker.sock", "nobody answers there")

    ((code, remedy),) = wrong(dataclasses.replace(clinic, engine=silent))
    assert (code, "dockerd" in remedy or "docker" in remedy) == ("engine-down", True)


def test_an_old_copy_is_found(clinic: Clinic) -> None:
    """The copy is made daily: one of three days ago was not."""
    copy = clinic.home / "journal.copy.db"
    copy.touch()
    os.utime(copy, (1.0, 1.0))
    assert [code for code, _ in wrong(clinic)] == ["journal-copy-old"]


def test_an_alert_is_found_with_the_deploy_that_clears_it(clinic: Clinic) -> None:
    """The remedy names the environment and the release that serves."""
    record = clinic.journal.environment(PROJECT, ENVIRONMENT)
    assert record is not None
    clinic.journal.save_environment(msgspec.structs.replace(record, alert="rollout 1 got stuck"))
    assert wrong(clinic) == [("alert", f"lading deploy {ENVIRONMENT} v1.0.0")]


def test_an_instance_that_is_down_is_found(clinic: Clinic, agent: MemoryAgent) -> None:
    """What should serve and does not run is a problem, with the command that shows its last lines."""
    name = next(state.name for state in clinic.runtime.list() if "-web-1" in state.name)
    clinic.runtime.stop(name, grace=0.0)
    assert wrong(clinic) == [("instance-down", f"lading logs {ENVIRONMENT} web")]


def test_a_crash_loop_is_told_with_its_last_line(clinic: Clinic) -> None:
    """How often it was started again and what it last said, without the secrets that it may have said."""
    runtime = clinic.runtime
    assert isinstance(runtime, MemoryRuntime)
    clinic.secrets.put(KEY, {"TOKEN": Secret("t0k3n-of-the-shop")})
    record = clinic.journal.environment(PROJECT, ENVIRONMENT)
    assert record is not None
    assert record.serving is not None
    spec = record.serving.instances[0]
    for _ in range(4):
        runtime.crash(spec.name)
        runtime.start(spec, {})
    runtime.write(spec.name, "cannot log in with t0k3n-of-the-shop")
    (one,) = (one for one in examine(OWN, clinic) if one.code == "instance-restarts")
    assert one.text.startswith("4 restarts; its last line: cannot log in with ")
    assert "t0k3n" not in one.text


def test_what_nobody_knows_is_found(clinic: Clinic) -> None:
    """An instance without an environment, a process or group without a record."""
    record = clinic.journal.environment(PROJECT, ENVIRONMENT)
    assert record is not None
    assert record.serving is not None
    lost = msgspec.structs.replace(record.serving.web[0], name="shop-stage-r99-web-1")
    clinic.runtime.start(lost, {})
    stray = dataclasses.replace(clinic, strays=lambda: ["process 4711 of shop-stage-r98-web-1"])
    assert [code for code, _ in wrong(stray)] == ["orphan-instance", "orphan-process"]


def test_a_router_that_does_not_answer_is_found(clinic: Clinic) -> None:
    """So is a port that another program holds; before anything serves the router need not run."""
    sick = dataclasses.replace(clinic, trouble=lambda: "Traefik does not run", missing=lambda: {KEY: "port 7300 taken"})
    assert [code for code, _ in wrong(sick)] == ["router-down", "port-taken"]
    record = clinic.journal.environment(PROJECT, ENVIRONMENT)
    assert record is not None
    clinic.journal.save_environment(msgspec.structs.replace(record, serving=None, standby=None))
    assert "router-down" not in [code for code, _ in wrong(dataclasses.replace(sick, missing=dict))]


def test_secrets_are_held_against_what_a_deploy_would_refuse(clinic: Clinic) -> None:
    """A placeholder, a removed and an unreadable secret are found, and no value is told."""
    clinic.secrets.put(KEY, {"TOKEN": Secret("changeme")})
    assert wrong(clinic) == [("secrets-lacking", f"lading secrets set {ENVIRONMENT} TOKEN")]
    clinic.secrets.put(KEY, {"TOKEN": Secret("")})
    assert [code for code, _ in wrong(clinic)] == ["secrets-lacking"]

    class Lost:
        def versions(self, environment: str) -> None:
            raise LadingError("secrets-unusable", happened="the key is gone", hint="restore it")

    assert wrong(dataclasses.replace(clinic, secrets=Lost())) == [("secrets-unreadable", "restore it")]  # type: ignore[arg-type]


def test_a_rollout_that_takes_very_long_is_found(clinic: Clinic, agent: MemoryAgent) -> None:
    """What has been under way for more than an hour is worth a look."""
    agent.house.open_deploy("v1.1.0")
    assert wrong(clinic) == []
    clinic.clock.advance(7200.0)  # type: ignore[attr-defined]
    assert [code for code, _ in wrong(clinic)] == ["rollout-waits"]


def test_files_that_are_not_in_their_store_are_found(clinic: Clinic, agent: MemoryAgent) -> None:
    """What could not be sent is said, with the last reason and how to try again; what is on its way is well."""

    def make(number: int) -> JobRun:
        sending = Sending(store=ObjectStore(store="s3://kept"), place="p", tries=2 * (number - 1), trouble="it is away")
        files = (OutputFile(path="a", size=1), OutputFile(path="b", size=1, url="s3://kept/b"))
        return ended_run(number, environment=ENVIRONMENT, outputs=files, sending=sending)

    agent.world.journal.open_run(make)
    assert wrong(clinic) == []
    agent.world.journal.open_run(make)
    assert wrong(clinic) == [("outputs-unsent", f"lading outputs {ENVIRONMENT} 2 --send")]
    (found,) = [one for one in examine(OWN, clinic) if one.code == "outputs-unsent"]
    assert found.text == "1 file of run 2 not in s3://kept after 2 tries: it is away"


def test_a_store_of_outputs_is_looked_at(clinic: Clinic, agent: MemoryAgent) -> None:
    """Secrets that are not set and stores that do not answer are found before a run has anything to send."""
    objects: MemoryObjects = agent.world.objects  # type: ignore[assignment]
    access, secret = objects.keys
    agent.world.secrets.put(KEY, {"AWS_ACCESS_KEY_ID": Secret(access), "AWS_SECRET_ACCESS_KEY": Secret(secret)})
    agent.house.deploy("v1.1.0", Environment(outputs=ObjectStore(store="s3://kept")))
    assert wrong(clinic) == []
    assert f"s3://kept of {KEY} answers" in {one.text for one in examine(OWN, clinic)}
    objects.trouble = "it cannot be reached"
    (found,) = [one for one in examine(OWN, clinic) if one.level != "ok"]
    assert (found.code, found.text) == ("outputs-store", "s3://kept: it cannot be reached")
    agent.world.secrets.put(KEY, {"AWS_SECRET_ACCESS_KEY": Secret("")})
    assert wrong(clinic) == [("outputs-store", f"lading secrets set {ENVIRONMENT} AWS_SECRET_ACCESS_KEY")]
