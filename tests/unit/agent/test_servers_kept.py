"""A database's server beside rollouts: brought up by the first, kept by the supervisor, stopped by down alone."""

from pathlib import Path

import msgspec
import pytest

from lading.agent.down import Downs
from lading.agent.logs import InstanceLogs
from lading.agent.secret_values import SecretValues
from lading.agent.status import Status
from lading.engine.acts import UNDOS
from lading.model.data_steps import StartDatabase
from lading.model.environment_table import Placement
from lading.model.errors import LadingError
from lading.model.rollout import Rollout
from lading.model.secret import Secret
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ENVIRONMENT, KEY, SERVER, TABLE
from tests.recovery.releases import NEW, OLD, OTHER_MAJOR, PROJECT

FIRST, SECOND = "v7.0.0", "v7.1.0"


@pytest.fixture
def agent() -> MemoryAgent:
    """An agent whose environment serves a release that has a database with a server."""
    agent = MemoryAgent()
    migrates_to(agent, OLD)
    assert agent.deploy(FIRST).outcome == "succeeded"
    migrates_to(agent, NEW)
    return agent


def migrates_to(agent: MemoryAgent, revision: tuple[str, ...]) -> None:
    def migrate(served) -> int:  # type: ignore[no-untyped-def]
        served.revision = revision
        return 0

    agent.house.served_migrations(migrate)


def running(agent: MemoryAgent) -> bool:
    return SERVER in agent.world.runtime.running  # type: ignore[attr-defined]


def test_it_is_started_once(agent: MemoryAgent) -> None:
    """A second rollout finds it up; a rollback leaves it and its schema alone."""
    assert agent.deploy(SECOND).outcome == "succeeded"
    assert agent.house.served.revision == NEW
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    assert agent.house.served.revision == NEW
    starts = [name for name in agent.world.runtime.recorded.starts if name == SERVER]  # type: ignore[attr-defined]
    assert starts == [SERVER]


def test_one_that_dies_is_started_again(agent: MemoryAgent) -> None:
    """With the secrets that it needs, whether a release serves or not."""
    agent.world.runtime.crash(SERVER)  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert running(agent)
    agent.world.clock.advance(100.0)  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert running(agent)


def test_one_that_lets_nobody_in_turns_the_rollout_back(agent: MemoryAgent) -> None:
    """What serves goes on serving; the error says what the server said."""
    agent.house.served.trouble = "the database system is in recovery mode"
    ended = agent.deploy(SECOND)
    assert (ended.outcome, agent.house.served.revision) == ("unwound", OLD)
    assert "recovery mode" in str(told(agent, ended))
    assert agent.house.record.serving is not None
    assert agent.house.record.serving.release.version == FIRST


@pytest.mark.parametrize("stuck", [False, True])
def test_the_first_one_that_lets_nobody_in_is_not_kept(monkeypatch: pytest.MonkeyPatch, *, stuck: bool) -> None:
    """The next rollout makes its files elsewhere: what runs then is what the record will start again.

    Also where the way back was not gone to its end.
    """
    agent = MemoryAgent()
    migrates_to(agent, OLD)
    with monkeypatch.context() as slow:
        slow.setattr(agent.world.servers, "trouble", lambda _url: "the database system is starting up")
        if stuck:
            slow.delitem(UNDOS, StartDatabase)
        assert agent.deploy(FIRST).outcome == "unwound"
    assert running(agent) == stuck
    assert agent.deploy(SECOND).outcome == "succeeded"
    assert agent.world.runtime.spec_of(SERVER) == agent.house.record.backing["main"]  # type: ignore[attr-defined]


def test_data_of_another_version_is_not_touched(agent: MemoryAgent) -> None:
    """A release that asks for another major version is turned back before anything is started."""
    ended = agent.deploy(OTHER_MAJOR)
    assert ended.outcome == "unwound"
    assert "postgres:16 cannot read that" in str(told(agent, ended))
    assert running(agent)


def test_down_stops_it_last_and_up_goes_on_with_it(agent: MemoryAgent, tmp_path: Path) -> None:
    """Nothing starts it again while the environment is down; its files are those it had."""
    before = agent.house.record.backing["main"]
    agent.world.journal.save_environment(msgspec.structs.replace(agent.house.record, tier="local"))
    taken = downs(agent, tmp_path).take(PROJECT, ENVIRONMENT, "test")
    assert taken.stopped[-1].name == "main"
    agent.world.clock.advance(100.0)  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert not running(agent)
    assert status(agent).instances == ()
    local = msgspec.structs.replace(TABLE, tier="local")
    assert agent.deploy(FIRST, table=local).outcome == "succeeded"
    assert running(agent)
    assert agent.house.record.backing["main"] == before


def test_it_is_shown_and_its_password_is_not(agent: MemoryAgent) -> None:
    """Status and logs name it; among the secrets that people may set it does not stand, and none can be called so."""
    assert [one.name for one in status(agent).instances][-1] == "main"
    logs = InstanceLogs(agent.world.journal, agent.world.runtime, agent.world.secrets)
    read = logs.read(PROJECT, ENVIRONMENT, service="main", rollout=None, lines=10)
    assert [one.name for one in read] == [SERVER]
    values = SecretValues(agent.world.journal, agent.world.secrets, agent.world.clock)
    assert [entry.name for entry in values.entries(PROJECT, ENVIRONMENT)] == ["TOKEN"]
    assert "database main" in agent.world.secrets.versions(KEY)
    password = agent.world.secrets.get(KEY, "database main", 1).reveal()
    assert password not in str(agent.world.journal.rollouts(limit=9))


def test_without_an_engine_a_deploy_is_refused(agent: MemoryAgent) -> None:
    """Before a rollout is opened, with what installs an engine; also where programs are bundles."""
    agent.house.release(SECOND)
    agent.world.runtime.lacking.add("image")  # type: ignore[attr-defined]
    with pytest.raises(LadingError, match="wants a container for its database main") as raised:
        agent.request("deploy", SECOND)
    assert raised.value.code == "no-engine"
    assert agent.world.journal.unfinished() == []


def status(agent: MemoryAgent):  # type: ignore[no-untyped-def]
    (view,) = Status(agent.world.journal, agent.world.runtime, agent.world.router, agent.world.clock).environments()
    return view


def downs(agent: MemoryAgent, tmp_path: Path) -> Downs:
    return Downs(
        agent.world,
        agent.rollouts.admission,
        agent.locks,
        lambda project, name: tmp_path / project / name,
        lambda _key, _who: None,
    )


def told(agent: MemoryAgent, rollout: Rollout) -> list[str]:
    return [f"{event.text} {event.data}" for event in agent.world.journal.events(rollout.id)]


@pytest.mark.parametrize(("value", "reason"), [(None, "it is missing"), ("db.example.org", "it is no URL")])
def test_a_url_of_ones_own_is_looked_at_before(agent: MemoryAgent, value: str | None, reason: str) -> None:
    """Missing or no URL, the deploy is refused with the command that mends it."""
    if value is not None:
        agent.world.secrets.put(KEY, {"MAIN_URL": Secret(value)})
    agent.house.release(SECOND)
    table = msgspec.structs.replace(TABLE, databases={"main": Placement(url="MAIN_URL")})
    with pytest.raises(LadingError, match=reason) as raised:
        agent.request("deploy", SECOND, table=table)
    assert (raised.value.code, raised.value.hint) == ("secret-missing", "lading secrets set stage MAIN_URL")
