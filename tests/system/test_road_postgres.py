"""Cashback on a PostgreSQL that Lading runs: local → stage → production → a bad release → back; no row is ever lost."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.make_repository import make_repository

from lading.docker import Engine
from lading.docker.engine import segment
from lading.engine.faults import Fault
from lading.runtime.docker.names import Names
from tests.agents import ended, release_at
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.strikes import ROLLOUTS, record, strike
from tests.support import until
from tests.support_agent import commit, git
from tests.visitors import Ask, visitors

# Three images are built first, and each environment has a server of its own.
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

IMAGE = "postgres:17"
ENVIRONMENTS = ("local", "stage", "production")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent with the three releases of the example, none of them deployed."""
    home = tmp_path_factory.mktemp("cashback")
    versions = make_repository("cashback/postgres", home / "project")
    for version in versions:
        watch_shortly(home / "project", version)
    agent = ContainerAgent(home / "home", home / "project", name="cashback")
    with engine_shared(), ended([agent]):
        Engine().get(f"/images/{segment(IMAGE)}/json")  # make base-images
        for environment in ENVIRONMENTS:
            agent.secret(environment, "JWT_KEY", "a key of at least 16 characters")
            agent.secret(environment, "SMOKE_TOKEN", "smoke-token-8c1f")
        for version in versions:
            agent.checkout(version)
            told = agent.lading("release")
            assert told.exit == 0, told
        yield agent


def watch_shortly(project: Path, version: str) -> None:
    """Let every environment be watched for a moment only; the version's tag moves."""
    git(project, "checkout", "-q", "--detach", version)
    manifest = (project / "lading.toml").read_text()
    for seconds in ("2s", "5s"):
        manifest = manifest.replace(f'watch = "{seconds}"', 'watch = "300ms"')
    (project / "lading.toml").write_text(manifest)
    git(project, "tag", "--delete", version)
    commit(project, f"{version}, watched shortly", tag=version)


def read(ask: Ask) -> str:
    answer = ask("GET", "/api/v1/offers")
    assert answer.status == 200
    return "ok"


def write(ask: Ask, number: int) -> bool:
    body = json.dumps({"reference": f"r{number}", "amount_cents": 1999, "owner": f"o{number % 7}"})
    answer = ask("POST", "/api/v1/purchases", body, {"content-type": "application/json"})
    return answer.status == 201


def psql(agent: ContainerAgent, environment: str, query: str) -> str:
    """Ask an environment's database within its server's container."""
    name = Names(agent.home / "docker").container("instance", f"cashback.{environment}.main")
    done = subprocess.run(
        ["docker", "exec", name, "psql", "-AtU", "cashback", "-c", query], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def purchases(agent: ContainerAgent, environment: str) -> set[str]:
    return set(psql(agent, environment, "SELECT reference FROM purchases").split())


def server(agent: ContainerAgent, environment: str) -> dict[str, Any]:
    """Return the line of ``lading status`` about an environment's server."""
    return next(one for one in agent.environment(environment)["instances"] if one["service"] == "main")


@with_engine
def test_local_stage_production_and_back(agent: ContainerAgent) -> None:
    """Under requests with writes: two good releases, a migration that fails, and the way back; nothing is lost."""
    assert agent.deploy("v1.0.0").exit == 0
    assert agent.deploy("v1.0.0", "stage").exit == 0
    first = agent.lading("promote", "stage", "production", "v1.0.0")
    assert (first.exit, first.said("migrate")) == (0, "nothing → 3f2a"), first
    with visitors(agent.url("production"), read, write, 40) as crowd:
        assert agent.deploy("v1.1.0", "stage").exit == 0
        second = agent.lading("promote", "stage", "production", "v1.1.0")
        assert (second.exit, second.rollout["lost_requests"]) == (0, 0), second
        assert (second.said("dump"), second.said("migrate")) == ("r5.dump kept, at 3f2a", "3f2a → 9c41")
        back = agent.rollback("production")
        assert (back.exit, back.rollout["lost_requests"]) == (0, 0), back
        until(lambda: release_at(agent.url("production")) == "v1.0.0", within=20)
    assert crowd.lost == []
    assert {f"r{number}" for number in crowd.written} <= purchases(agent, "production")
    assert psql(agent, "production", "SELECT version_num FROM alembic_version") == "9c41"
    assert psql(agent, "production", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f"

    # Each goes on where the one before ended, and so they are one test.
    then_a_migration_that_fails(agent)
    then_an_agent_killed_while_it_migrates(agent)
    then_the_server_is_kept(agent)
    then_its_password_is_seen_nowhere(agent)


def then_a_migration_that_fails(agent: ContainerAgent) -> None:
    """The release before goes on serving; it is said where the database is, and where its dump from before lies."""
    psql(agent, "stage", "INSERT INTO merchants (name) VALUES ('Bakery')")
    bad = agent.deploy("v1.2.0", "stage")
    assert (bad.exit, bad.outcome) == (4, "unwound")
    assert bad.error["happened"] == "alembic upgrade head ended with status 1"
    assert "database main is at 9c41, as before" in bad.error["now"]
    assert "stage serves v1.1.0" in bad.error["now"]
    assert any('column "bank" does not exist' in line for line in bad.error["details"])
    dump = Path(bad.error["now"].partition("from before: ")[2].partition(")")[0])
    assert dump.read_bytes()[:5] == b"PGDMP"
    assert psql(agent, "stage", "SELECT name FROM merchants") == "Bakery"


def then_an_agent_killed_while_it_migrates(agent: ContainerAgent) -> None:
    """Its successor brings the rollout to its end, and the migration was done once."""
    fault = Fault(point="runtime.run:after", act="kill", thread=ROLLOUTS, at=2)
    struck = strike(agent, fault, "deploy", "local", "v1.1.0")
    assert struck.outcome == "succeeded"
    assert psql(agent, "local", "SELECT version_num FROM alembic_version") == "9c41"


def then_the_server_is_kept(agent: ContainerAgent) -> None:
    """Killed, it is started again on its files and its address; taken down and brought up, nothing is missing."""
    before = server(agent, "local")
    psql(agent, "local", "INSERT INTO merchants (name) VALUES ('Bakery')")
    assert agent.lading("down", "local").exit == 0
    assert agent.environment("local")["instances"] == []
    assert agent.deploy("v1.1.0").exit == 0
    name = Names(agent.home / "docker").container("instance", "cashback.local.main")
    pid = Engine().get(f"/containers/{name}/json")["State"]["Pid"]
    subprocess.run(["kill", "-9", str(pid)], check=True)
    until(lambda: server(agent, "local")["running"] and server(agent, "local")["pid"] != pid, within=30)
    assert server(agent, "local")["address"] == before["address"]
    until(lambda: psql_answers(agent), within=30)
    assert psql(agent, "local", "SELECT name FROM merchants") == "Bakery"


def psql_answers(agent: ContainerAgent) -> bool:
    try:
        return psql(agent, "local", "SELECT 1") == "1"
    except AssertionError:
        return False


def then_its_password_is_seen_nowhere(agent: ContainerAgent) -> None:
    """Not in the journal, the agent's log, kept output, or what commands say; and people are not shown that it is."""
    serving = record(agent, "stage").serving
    assert serving is not None
    told = told_to(agent, serving.web[0].name)["DATABASE_URL"]
    passwords = told_to(agent, "cashback.stage.main")["POSTGRES_PASSWORD"], told.split(":")[2].partition("@")[0]
    assert all(len(password) >= 32 for password in passwords)
    assert len(set(passwords)) == 2
    for path in agent.home.rglob("*"):
        if path.is_file() and "volumes" not in path.parts:
            content = path.read_bytes()
            assert not any(password.encode() in content for password in passwords), path
    listed = agent.lading("secrets", "list", "stage")
    assert sorted(listed.result["secrets"]) == ["JWT_KEY", "SMOKE_TOKEN"]
    logs = json.dumps(agent.lading("logs", "stage", "main").lines)
    assert not any(password in logs for password in passwords)


def told_to(agent: ContainerAgent, instance: str) -> dict[str, str]:
    """Return the variables of an instance."""
    name = Names(agent.home / "docker").container("instance", instance)
    lines = Engine().get(f"/containers/{name}/json")["Config"]["Env"]
    return dict(line.split("=", 1) for line in lines)
