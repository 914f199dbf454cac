"""An agent sends what runs left to the environment's store, and gives it out from there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lading.agent.asking import RunRequest
from lading.agent.outputs import AT_ONCE, read_output
from lading.engine.sending import LAST_PAUSE, Sender
from lading.model.environment import Configuration
from lading.model.environment_table import Environment, ObjectStore
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, Sending
from lading.model.manifest import Job
from lading.model.secret import Secret
from lading.planner.units import unit_of
from lading.ports.objects.memory import MemoryObjects
from lading.runtime.process.outputs import files_in
from tests.recovery.house import ENVIRONMENT, KEY
from tests.recovery.releases import PROJECT
from tests.runs import ended_run
from tests.support import until
from tests.support_agent import MemoryAgent, ShortDirectory

STORE = ObjectStore(store="s3://kept/lading")


@pytest.fixture
def agent() -> Iterator[MemoryAgent]:
    with ShortDirectory() as place:
        agent = MemoryAgent(place / "home")
        access, secret = objects(agent).keys
        agent.world.secrets.put(KEY, {"AWS_ACCESS_KEY_ID": Secret(access), "AWS_SECRET_ACCESS_KEY": Secret(secret)})
        yield agent
        agent.outputs.stop()
        agent.jobs.stop()


def objects(agent: MemoryAgent) -> MemoryObjects:
    return agent.world.objects  # type: ignore[return-value]


def left(agent: MemoryAgent, environment: str = ENVIRONMENT, **more: Any) -> JobRun:
    """Record a run that has ended and left a file."""
    directory = agent.home / "left"
    directory.mkdir(exist_ok=True)
    (directory / "summary.json").write_text("{}")

    def make(number: int) -> JobRun:
        return ended_run(
            number,
            environment=environment,
            outputs=files_in(str(directory)),
            outputs_at=str(directory),
            sending=Sending(store=STORE, place=f"{number}-ab12", **more),
        )

    return agent.world.journal.open_run(make)


def known(agent: MemoryAgent, run: JobRun) -> JobRun:
    found = agent.world.journal.run(run.id)
    assert found is not None
    return found


def content(agent: MemoryAgent, run: JobRun, path: str = "summary.json") -> bytes:
    return b"".join(agent.outputs.open(run, path)[1])


def test_what_is_due_is_sent(agent: MemoryAgent) -> None:
    """The next look after a run's end sends its files."""
    run = left(agent)
    agent.outputs.recover()
    until(lambda: not known(agent, run).is_unsent)
    assert objects(agent).objects == {"s3://kept/lading/shop/stage/settle/1-ab12/summary.json": b"{}"}


def test_what_was_put_off_waits_for_its_moment(agent: MemoryAgent) -> None:
    """Nothing is asked of the store before; somebody may ask for it at once; a clock set back holds up nothing."""
    now = agent.world.clock.now()
    run = left(agent, again=now + 60.0, tries=3, trouble="away")
    agent.outputs.recover()
    assert agent.outputs._carriers.carried() == frozenset()
    agent.outputs.again(run)
    agent.outputs.recover()
    until(lambda: not known(agent, run).is_unsent)
    back = left(agent, again=now + LAST_PAUSE + 3600.0, tries=3)
    agent.outputs.recover()
    until(lambda: not known(agent, back).is_unsent)


def test_asking_for_what_is_sent_changes_nothing(agent: MemoryAgent) -> None:
    """Who asks once too often is told how it stands."""
    run = left(agent, done=True)
    assert agent.outputs.again(run) == run


def test_few_are_sent_side_by_side(agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of an environment, and a few of an agent: what is slow or away holds up little and takes little memory."""
    carried: list[int] = []
    monkeypatch.setattr(agent.outputs._carriers, "carry", carried.append)
    runs = [left(agent), left(agent), *(left(agent, f"other-{number}") for number in range(AT_ONCE))]
    agent.outputs.recover()
    assert carried == [runs[0].id, *(run.id for run in runs[2 : AT_ONCE + 1])]


def test_files_come_from_the_host_and_then_from_the_store(agent: MemoryAgent) -> None:
    """While the host keeps them nobody else is asked; afterwards the store gives them, and says why when it cannot."""
    run = left(agent)
    agent.outputs.recover()
    until(lambda: not known(agent, run).is_unsent)
    run = known(agent, run)
    objects(agent).trouble = "away"
    assert content(agent, run) == b"{}"
    dropped = msgspec.structs.replace(run, kept=False)
    with pytest.raises(LadingError, match="away"):
        content(agent, dropped)
    objects(agent).trouble = ""
    assert content(agent, dropped) == b"{}"
    with pytest.raises(LadingError, match="no output file other"):
        content(agent, dropped, "other")


def test_what_was_never_sent_is_gone_with_the_host(agent: MemoryAgent) -> None:
    """A file that is on no host and in no store is unknown, as it always was."""
    dropped = msgspec.structs.replace(left(agent), kept=False)
    with pytest.raises(LadingError) as raised:
        content(agent, dropped)
    assert raised.value.code == "unknown-output"


def test_a_file_that_cannot_be_read_now_is_no_loss(agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files is another thing than a file that is not there."""

    def full(*_args: object, **_more: object) -> int:
        raise OSError(24, "Too many open files")

    run = left(agent)
    monkeypatch.setattr("os.open", full)
    with pytest.raises(LadingError) as raised:
        read_output(run, "summary.json")
    assert raised.value.code == "unexpected"


def test_files_whose_directory_is_away_are_sent_once_it_is_back(agent: MemoryAgent) -> None:
    """A disk that is not mounted yet is no loss of what lies on it."""
    run = left(agent)
    directory, away = Path(run.outputs_at), agent.home / "away"
    directory.rename(away)
    put_off = Sender(agent.world, read_output, lambda: False).carry(run.id)
    assert put_off.sending is not None
    assert "is not there" in put_off.sending.trouble
    assert [file.path for file in put_off.unsent] == ["summary.json"]
    away.rename(directory)
    agent.outputs.again(run)
    agent.outputs.recover()
    until(lambda: not known(agent, run).is_unsent)
    assert content(agent, known(agent, run)) == b"{}"


def serve(agent: MemoryAgent, table: Environment) -> None:
    """Let the environment serve a release with a job, under a configuration."""
    agent.house.deploy("v1.0.0")
    record = agent.house.record
    assert record.serving is not None
    release = record.serving.release
    manifest = msgspec.structs.replace(release.manifest, jobs={"settle": Job(command="settle")})
    versions = agent.world.secrets.versions(KEY)
    unit = unit_of(
        record.serving.rollout,
        msgspec.structs.replace(release, manifest=manifest),
        Configuration(environment=ENVIRONMENT, tier="stage", table=table, secret_versions=dict(versions)),
        {},
    )
    agent.world.journal.save_environment(msgspec.structs.replace(record, serving=unit))


def test_a_run_is_pinned_to_its_store_and_not_told_of_it(agent: MemoryAgent) -> None:
    """A run knows where its files go, under a name that no other run has; its program gets none of the keys."""
    serve(agent, Environment(outputs=STORE))
    request = RunRequest(project=PROJECT, environment=ENVIRONMENT, job="settle", requested_by="ada")
    first, second = agent.jobs.request(request), agent.jobs.request(request)
    assert first.sending is not None
    assert second.sending is not None
    assert first.sending.store == STORE
    assert first.sending.place.startswith("1-")
    assert len({first.sending.place.partition("-")[2], second.sending.place.partition("-")[2]}) == 2
    assert first.spec is not None
    assert first.spec.secrets.keys() == {"TOKEN"}


def test_without_the_keys_a_run_is_refused_by_name(agent: MemoryAgent) -> None:
    """Nobody finds out after an hour of work that the keys were never set."""
    serve(agent, Environment(outputs=msgspec.structs.replace(STORE, secret_key="OUTPUTS_KEY")))
    request = RunRequest(project=PROJECT, environment=ENVIRONMENT, job="settle", requested_by="ada")
    with pytest.raises(LadingError) as raised:
        agent.jobs.request(request)
    assert raised.value.code == "secret-missing"
    assert raised.value.hint == "lading secrets set stage OUTPUTS_KEY"
    assert not agent.world.journal.runs()


def test_without_a_store_files_stay(agent: MemoryAgent, tmp_path: Path) -> None:
    """An environment that names none sends nothing."""
    serve(agent, Environment())
    request = RunRequest(project=PROJECT, environment=ENVIRONMENT, job="settle", requested_by="ada")
    assert agent.jobs.request(request).sending is None


def test_a_try_that_fails_leaves_no_file_open(agent: MemoryAgent) -> None:
    """A store that is away for weeks is tried again and again, and reads nothing."""
    objects(agent).trouble = "it cannot be reached: Connection refused"
    run, opened = left(agent), []

    def reading(run: JobRun, path: str) -> tuple[int, Iterator[bytes]]:
        size, pieces = read_output(run, path)
        opened.append(pieces)
        return size, pieces

    assert Sender(agent.world, reading, lambda: False).carry(run.id).is_unsent
    assert [pieces._file.closed for pieces in opened] == [True]  # type: ignore[attr-defined]
