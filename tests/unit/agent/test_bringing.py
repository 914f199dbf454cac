"""What backs a local environment without a release: brought up once, the very same that a release finds, kept."""

import json
import stat
from pathlib import Path

import msgspec
import pytest

from lading.agent.asking import BackingAsked, BringRequest
from lading.agent.down import Downs
from lading.agent.logs import InstanceLogs
from lading.agent.status import Status
from lading.agent.supervisor import Supervisor
from lading.engine.context import Locks
from lading.model.environment import EnvironmentRecord
from lading.model.environment_table import Environment, Placement
from lading.model.errors import LadingError
from lading.model.manifest import Build, Database, Manifest, Project, Service
from lading.model.rollout import Rollout
from lading.model.secret import Secret
from lading.ports.runtime import RunResult
from lading.ports.runtime.memory import MemoryRuntime
from tests.support import until
from tests.support_agent import MemoryAgent

PROJECT, LOCAL = "shop", "local"
MAIN, CACHE = "shop.local.main", "shop.local.cache"
MANIFEST = Manifest(
    project=Project(name=PROJECT),
    build={"app": Build(dockerfile="Dockerfile")},
    services={
        "web": Service(build="app", command="serve", port=8000, env={"CACHE_URL": "redis://cache:6379"}),
        "cache": Service(build="", image="redis:7", check="ping", aliases=("redis",)),
    },
    databases={"main": Database(engine="postgres", env="DATABASE_URL", alias="db", env_parts={"DB_HOST": "host"})},
)


@pytest.fixture
def agent(tmp_path: Path) -> MemoryAgent:
    return MemoryAgent(tmp_path / "home")


def runtime(agent: MemoryAgent) -> MemoryRuntime:
    assert isinstance(agent.world.runtime, MemoryRuntime)
    return agent.world.runtime


def bring(agent: MemoryAgent, manifest: Manifest = MANIFEST, table: Environment | None = None) -> Rollout | None:
    """Ask for it as a client does, and wait until it has ended."""
    source = agent.home / "spool" / "source.tar"
    source.write_bytes(bytes(1024))
    asked = BringRequest(
        manifest=manifest, table=table or Environment(), project=PROJECT, environment=LOCAL, requested_by="ada"
    )
    opened = agent.service.bringing.bring(asked, source, lambda _text, _line=None: None)
    return ended(agent, opened.id) if opened is not None else None


def ended(agent: MemoryAgent, number: int) -> Rollout:
    def outcome() -> Rollout | None:
        found = agent.world.journal.rollout(number)
        return found if found is not None and found.outcome is not None else None

    found = until(outcome, within=20)
    assert found is not None
    return found


def record(agent: MemoryAgent) -> EnvironmentRecord:
    found = agent.world.journal.environment(PROJECT, LOCAL)
    assert found is not None
    return found


def provide(agent: MemoryAgent, table: Environment | None = None):  # type: ignore[no-untyped-def]
    services = {"cache": MANIFEST.services["cache"]}
    asked = BackingAsked(databases=MANIFEST.databases, services=services, table=table or Environment())
    return agent.service.backing.provide(PROJECT, LOCAL, asked)


def test_it_is_brought_up_once(agent: MemoryAgent) -> None:
    """By the steps of a rollout, with nothing of a release in them; a second time there is nothing to do."""
    first = bring(agent)
    assert first is not None
    assert (first.outcome, first.kind) == ("succeeded", "dev"), first.error
    assert [step.kind for step in first.plan.steps] == ["preflight", "fetch", "database", "backing"]
    assert set(record(agent).backing) == {"main", "cache"}
    assert record(agent).serving is None
    assert bring(agent) is None
    assert sorted(runtime(agent).recorded.starts) == [CACHE, MAIN]
    assert agent.world.journal.releases() == []


def test_a_release_finds_the_very_same(agent: MemoryAgent) -> None:
    """``lading up`` starts neither of them anew, and what it started is used: there is one of each."""
    bring(agent)
    before = record(agent).backing
    release(agent)
    assert record(agent).backing == before
    assert bring(agent) is None
    assert sorted(runtime(agent).recorded.starts)[-2:] == [CACHE, MAIN]


def release(agent: MemoryAgent) -> None:
    """Deploy the manifest's release to the local environment."""
    from lading.agent.asking import RolloutRequest

    source = agent.home / "spool" / "source.tar"
    source.write_bytes(bytes(1024))
    agent.service.releases.build(source, MANIFEST, "v1.0.0", "", lambda _text, _line=None: None)
    opened = agent.rollouts.request(
        RolloutRequest(kind="deploy", project=PROJECT, environment=LOCAL, version="v1.0.0", table=Environment())
    )
    assert opened is not None
    assert ended(agent, opened.id).outcome == "succeeded", ended(agent, opened.id).error


def test_another_version_takes_its_place(agent: MemoryAgent) -> None:
    """As in a rollout of a release: what the manifest says now is what runs."""
    bring(agent)
    newer = msgspec.structs.replace(MANIFEST.services["cache"], image="redis:8")
    changed = msgspec.structs.replace(MANIFEST, services={**MANIFEST.services, "cache": newer})
    told = bring(agent, changed)
    assert told is not None
    assert told.outcome == "succeeded"
    assert runtime(agent).spec_of(CACHE).image == "redis:8"


def test_programs_are_told_where_they_are(agent: MemoryAgent) -> None:
    """Hosts in the answer; what holds a password in a file that its owner alone can read."""
    bring(agent)
    given = provide(agent)
    main, cache = (runtime(agent).look(name) for name in (MAIN, CACHE))
    assert main is not None
    assert cache is not None
    assert given.hosts == {"main.internal": main.host, "db": main.host, "cache": cache.host, "redis": cache.host}
    password = agent.world.secrets.get(f"{PROJECT}/{LOCAL}", "database main", 1).reveal()
    assert password not in str(msgspec.to_builtins(given))
    handed = Path(given.handed)
    assert stat.S_IMODE(handed.stat().st_mode) == 0o600
    assert json.loads(handed.read_text()) == {
        "variables": {"DATABASE_URL": f"postgresql://shop:{password}@{main.host}:5432/shop", "DB_HOST": main.host},
        "secrets": [password],
    }
    assert password not in str(agent.world.journal.rollouts(limit=9))


def test_what_does_not_run_is_said(agent: MemoryAgent) -> None:
    """A program that is told an address where nobody is would say so in its own words, much later."""
    with pytest.raises(LadingError, match="main of local is: it was never started here"):
        provide(agent)
    bring(agent)
    runtime(agent).crash(CACHE)
    with pytest.raises(LadingError, match="cache of local is: it does not run"):
        provide(agent)


def test_a_database_of_somebody_else_is_left_to_them(agent: MemoryAgent) -> None:
    """Nothing is started for it, and nothing told: its URL is the client's own secret."""
    table = Environment(databases={"main": Placement(url="MAIN_URL")})
    told = bring(agent, table=table)
    assert told is not None
    assert [step.kind for step in told.plan.steps] == ["preflight", "fetch", "backing"]
    assert provide(agent, table).handed == ""


def test_one_that_never_works_is_taken_back(agent: MemoryAgent) -> None:
    """What it said last is told, its log can be read, and the next try begins anew."""
    runtime(agent).script_run("ping", RunResult(exit_status=1, output="no answer\n", outputs="", seconds=0.1))
    told = bring(agent)
    assert told is not None
    assert told.outcome == "unwound"
    assert told.error is not None
    assert "its check exit status 1: no answer" in told.error["happened"]
    assert "cache" not in record(agent).backing
    assert runtime(agent).look(CACHE) is None
    logs = InstanceLogs(agent.world.journal, agent.world.runtime, agent.world.secrets)
    assert [one.name for one in logs.read(PROJECT, LOCAL, service="cache", rollout=told.id, lines=9)] == [CACHE]
    runtime(agent).script_run("ping", RunResult(exit_status=0, output="PONG", outputs="", seconds=0.1))
    again = bring(agent)
    assert again is not None
    assert again.outcome == "succeeded"


def test_down_ends_it_and_it_comes_back(agent: MemoryAgent) -> None:
    """Down is down until somebody asks again; then it is looked after again, on the files that it had."""
    bring(agent)
    before = record(agent).backing
    taken = downs(agent).take(PROJECT, LOCAL, "ada")
    assert {one.name for one in taken.stopped} == {"main", "cache"}
    assert record(agent).is_down
    told = bring(agent)
    assert told is not None
    assert told.outcome == "succeeded"
    assert record(agent).backing == before
    assert not record(agent).is_down
    status = Status(agent.world.journal, agent.world.runtime, agent.world.router, agent.world.clock)
    (view,) = [one for one in status.environments() if one.name == LOCAL]
    assert [(one.name, one.running) for one in view.instances] == [("main", True), ("cache", True)]


def test_a_way_up_that_is_turned_back_leaves_it_down(agent: MemoryAgent) -> None:
    """What was started for it again is stopped: an environment that says it is down has nothing running."""
    bring(agent)
    downs(agent).take(PROJECT, LOCAL, "ada")
    runtime(agent).script_run("ping", RunResult(exit_status=1, output="no answer", outputs="", seconds=0.1))
    told = bring(agent)
    assert told is not None
    assert told.outcome == "unwound"
    assert record(agent).is_down
    Supervisor(agent.world, Locks(), agent.rollouts.admission).look()
    assert runtime(agent).running == ()


def test_one_that_lets_nobody_in_yet_is_waited_for(agent: MemoryAgent) -> None:
    """It may have been started again a moment ago: programs would be told an address where nobody answers."""
    bring(agent)
    main = runtime(agent).look(MAIN)
    assert main is not None
    password = agent.world.secrets.get(f"{PROJECT}/{LOCAL}", "database main", 1).reveal()
    served = agent.world.servers.at(  # type: ignore[attr-defined]
        Secret(f"postgresql://shop:{password}@{main.host}:5432/shop")
    )
    served.trouble = "the database system is starting up"
    told = bring(agent)
    assert told is not None
    assert told.outcome == "unwound"
    assert told.error is not None
    assert "the database system is starting up" in told.error["happened"]
    assert MAIN in runtime(agent).running


def downs(agent: MemoryAgent) -> Downs:
    return agent.service.downs


def test_without_an_engine_nothing_is_begun(agent: MemoryAgent) -> None:
    """Refused with what installs one, before anything is fetched."""
    runtime(agent).lacking.add("image")
    with pytest.raises(LadingError, match="main, cache of local would run in containers") as raised:
        bring(agent)
    assert (raised.value.code, raised.value.hint) == ("no-engine", "apt-get install docker.io")
    assert (agent.built, agent.world.journal.rollouts(limit=9)) == ([], [])


def test_other_tiers_are_not_worked_on(agent: MemoryAgent) -> None:
    """Whatever a manifest calls what this host holds as a stage, or what is named production."""
    stage = EnvironmentRecord(project=PROJECT, name=LOCAL, tier="stage")
    agent.world.journal.save_environment(stage)
    with pytest.raises(LadingError, match="local is of tier stage"):
        bring(agent, table=Environment(tier="local"))
    asked = BringRequest(manifest=MANIFEST, table=Environment(tier="local"), project=PROJECT, environment="production")
    with pytest.raises(LadingError, match="production is of tier production"):
        agent.service.bringing.bring(asked, agent.home / "none", lambda _text, _line=None: None)


def test_names_become_parts_of_paths(agent: MemoryAgent) -> None:
    """What is no name is refused, whoever sends it."""
    asked = BringRequest(manifest=MANIFEST, project="other", environment="../local")
    with pytest.raises(LadingError, match="is no name of a environment") as raised:
        agent.service.bringing.bring(asked, agent.home / "none", lambda _text, _line=None: None)
    assert "the manifest is of shop" in raised.value.happened


def test_a_rollout_under_way_comes_first(agent: MemoryAgent) -> None:
    """Busy where there is something to do; where all is up already, work may begin meanwhile."""
    bring(agent)
    journal = agent.world.journal
    other = journal.begin(
        project=PROJECT,
        environment=LOCAL,
        kind="deploy",
        requested_by="ada",
        at=agent.world.clock.now(),
        plan=lambda number: msgspec.structs.replace(journal.rollouts(limit=1)[0].plan, release=f"v{number}"),
    )
    assert bring(agent) is None
    runtime(agent).crash(CACHE)
    with pytest.raises(LadingError, match="ada started a deploy of v2") as raised:
        bring(agent)
    assert raised.value.code == "busy"
    assert other.outcome is None
