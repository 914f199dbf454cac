"""Secrets that others keep: fetched before anything is touched, pinned by version, refreshed, never shown."""

from pathlib import Path

import pytest

from lading.model.environment_table import SecretSource
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run

NAMED = '\n[secrets]\nrequired = ["JWT_KEY", "MAIL_KEY"]\n\n[environments.stage.secrets]\n'
SOURCES = 'JWT_KEY = { command = "op read op://stage/jwt" }\nMAIL_KEY = { file = "/run/secrets/mail" }\n'
FIRST, SECOND = "canary-first-4711", "canary-second-4711"


@pytest.fixture
def shop(project: Path, agent: MemoryAgent) -> Path:
    """The project whose stage gets its secrets from elsewhere."""
    manifest = project / "lading.toml"
    manifest.write_text(manifest.read_text() + NAMED + SOURCES)
    commit(project, "secrets", "v2.0.0")
    agent.sources.values.update({"op read op://stage/jwt": FIRST + "\n", "/run/secrets/mail": "canary-mail-4711"})
    return project


@pytest.fixture
def served(shop: Path, run: Run) -> Path:
    said = run("deploy", "stage")
    assert said.status == 0, said.err
    return shop


def versions(agent: MemoryAgent) -> dict[str, int]:
    """Return the versions that stage serves with."""
    record = agent.world.journal.environment("shop", "stage")
    assert record is not None
    assert record.serving is not None
    return record.serving.configuration.secret_versions


def given(agent: MemoryAgent, name: str) -> str:
    """Return the value that the instance which serves was started with."""
    version = versions(agent)[name]
    return agent.world.secrets.get("shop/stage", name, version).reveal()


def test_a_deploy_fetches_what_it_needs(served: Path, run: Run, agent: MemoryAgent) -> None:
    """Nobody stored anything: the values come, get versions, and stand with their origin in list and audit."""
    assert versions(agent) == {"JWT_KEY": 1, "MAIL_KEY": 1}
    assert given(agent, "JWT_KEY") == FIRST
    listed = run("secrets", "list", "stage")
    assert "fetched from a command" in listed.out
    assert "fetched from a file" in listed.out
    everything = listed.out + run("bill", "v2.0.0", "--json").out + repr(agent.world.journal.audits())
    assert "canary" not in everything
    assert "secret_versions" in everything


def test_the_same_values_are_nothing_to_do(served: Path, run: Run, agent: MemoryAgent) -> None:
    """Deploying and refreshing what did not change opens no rollout."""
    before = len(agent.world.journal.rollouts())
    for command in (("deploy", "stage"), ("secrets", "refresh", "stage")):
        said = run(*command)
        assert (said.status, "nothing to do" in said.out) == (0, True), said.err
    assert "the same value" in said.out
    assert len(agent.world.journal.rollouts()) == before


def test_a_changed_value_is_rolled_out_with_the_same_digest(served: Path, run: Run, agent: MemoryAgent) -> None:
    """A refresh starts the release that serves anew with the new version; a rollback returns to the one that ran."""
    agent.sources.values["op read op://stage/jwt"] = SECOND
    said = run("secrets", "refresh", "stage")
    assert said.status == 0, said.err
    assert "version 1 → 2" in said.out
    rotation, before = agent.world.journal.rollouts()
    assert (rotation.kind, rotation.plan.digest) == ("rotate", before.plan.digest)
    assert (versions(agent), given(agent, "JWT_KEY")) == ({"JWT_KEY": 2, "MAIL_KEY": 1}, SECOND)
    agent.sources.values.clear()
    assert run("rollback", "stage").status == 0
    assert (versions(agent)["JWT_KEY"], given(agent, "JWT_KEY")) == (1, FIRST)
    assert SECOND not in said.out + said.err


def test_what_cannot_be_fetched_is_refused_before_anything_is_touched(
    served: Path, run: Run, agent: MemoryAgent
) -> None:
    """All that failed is named at once, nothing is stored, no rollout is opened, and what serves keeps its values."""
    before = len(agent.world.journal.rollouts())
    agent.sources.values.clear()
    for command in (("deploy", "stage"), ("secrets", "refresh", "stage"), ("plan", "stage")):
        said = run(*command)
        assert said.status == 3, said.out
        assert "JWT_KEY" in said.err
        assert "MAIL_KEY" in said.err
    assert len(agent.world.journal.rollouts()) == before
    assert versions(agent) == {"JWT_KEY": 1, "MAIL_KEY": 1}


def test_a_plan_fetches_and_stores_nothing(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """A plan tells whether a deploy would go through, and leaves the store as it is."""
    assert run("release").status == 0
    said = run("plan", "stage", "v2.0.0")
    assert said.status == 0, said.err
    assert "refused" not in said.out + said.err
    assert "JWT_KEY" not in agent.world.secrets.versions("shop/stage")


def test_a_placeholder_is_one_wherever_it_comes_from(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """What the manager holds is judged like what was typed, and it is said where to mend it."""
    agent.sources.values["op read op://stage/jwt"] = "changeme"
    said = run("deploy", "stage")
    assert said.status == 3
    assert "it is a placeholder" in said.err
    assert "op read op://stage/jwt" in said.err


def test_other_environments_keep_the_agents_own_store(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Where the table names no source, nothing is asked."""
    said = run("deploy", "local")
    assert (said.status, "JWT_KEY" in said.err) == (3, True)
    assert agent.sources.asked == {}


def test_what_comes_from_elsewhere_is_changed_there(
    served: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that the next rollout would overwrite is not taken."""
    said = run("secrets", "rotate", "stage", "JWT_KEY", "--generate")
    assert said.status == 2
    assert "comes from a command: op read op://stage/jwt" in said.err
    assert "lading secrets refresh stage" in said.err


def test_refreshing_without_sources_says_so(project: Path, run: Run, agent: MemoryAgent) -> None:
    """There is nothing to fetch where everything is stored here."""
    assert run("deploy", "stage").status == 0
    said = run("secrets", "refresh", "stage")
    assert (said.status, "no secret from a command" in said.err) == (2, True)


def test_a_secret_that_the_release_does_not_name_is_not_fetched(served: Path, run: Run, agent: MemoryAgent) -> None:
    """An environment's table may know more than a release needs: its sources are left alone."""
    from lading.agent.sourced import Sourced

    record = agent.world.journal.environment("shop", "stage")
    assert record is not None
    assert record.serving is not None
    table = record.serving.configuration.table
    table.secrets["OTHER"] = SecretSource(command="op read op://stage/other")
    sourced = Sourced(agent.world.journal, agent.world.secrets, agent.sources, agent.world.clock)
    sourced.take(record, table, record.serving.release.manifest, "somebody")
    assert "op read op://stage/other" not in agent.sources.asked


def test_what_the_environment_itself_asks_for_is_fetched(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """The keys of a store stand in no list of the program's, come from elsewhere like any other, and stay Lading's."""
    manifest = shop / "lading.toml"
    own = 'STORE_ID = { env = "STORE_ID" }\nSTORE_KEY = { file = "/run/secrets/store" }\n'
    outputs = 'outputs = { store = "s3://kept", access_key = "STORE_ID", secret_key = "STORE_KEY" }\n'
    text = manifest.read_text().replace("[environments.stage]\n", f"[environments.stage]\n{outputs}") + own
    manifest.write_text(text)
    commit(shop, "a store", "v2.1.0")
    refused = run("deploy", "stage")
    assert refused.status == 3
    assert "STORE_KEY" in refused.err
    agent.sources.values.update({"STORE_ID": "canary-id-4711", "/run/secrets/store": "canary-store-4711"})
    said = run("deploy", "stage")
    assert said.status == 0, said.err
    assert versions(agent) == {"JWT_KEY": 1, "MAIL_KEY": 1, "STORE_ID": 1, "STORE_KEY": 1}
    record = agent.world.journal.environment("shop", "stage")
    assert record is not None
    assert record.serving is not None
    assert record.serving.instances[0].secrets.keys() == {"JWT_KEY", "MAIL_KEY"}
