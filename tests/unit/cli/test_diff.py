"""How two environments differ, and what the manifest would change in one."""

from pathlib import Path

import pytest

from lading.cli.comparing import compare, variable_value
from lading.model.secret import MASK, Secret
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run

TABLES = """
[environments.local]
[environments.local.env]
COLOUR = "blue"
ALLOWED_HOSTS = "localhost"
PAY_URL = "https://u:canary-1@pay.test/v1"
API_TOKEN = "canary-2"

[environments.stage]
replicas = { web = 2 }
resources = { web = { memory = "256MB" } }
strategy = { watch = "1s" }
[environments.stage.env]
COLOUR = "blue"
ALLOWED_HOSTS = "stage.example"
PAY_URL = "https://u:canary-3@pay.example/v1"
API_TOKEN = "canary-4"
"""


@pytest.fixture
def shop(project: Path, agent: MemoryAgent) -> Path:
    """The project with two environments that differ, its v2.0.0 serving locally."""
    manifest = project / "lading.toml"
    text = manifest.read_text()
    start, end = text.index("[environments.local]"), text.index("[environments.production]")
    text = text[:start] + TABLES.lstrip() + "\n" + text[end:]
    secrets = '[secrets]\nrequired = ["JWT_KEY"]\noptional = ["DSN"]\n\n'
    manifest.write_text(text.replace("[environments.local]", secrets + "[environments.local]", 1))
    commit(project, "environments", "v2.0.0")
    agent.world.secrets.put("shop/local", {"JWT_KEY": Secret("canary-5")})
    return project


def rows(said: object) -> dict[tuple[str, str], tuple[str, str]]:
    found = said.result["diff"]["rows"]  # type: ignore[attr-defined]
    return {(row["section"], row["key"]): (row["left"], row["right"]) for row in found}


def test_two_environments_are_compared_by_section(shop: Path, run: Run) -> None:
    """Variables, origins, endpoints, secrets, resources and strategy; what is the same is left out unless asked for."""
    assert run("deploy", "local").status == 0
    said = run("diff", "local", "stage", "--json")
    found = rows(said)
    assert found["origins", "ALLOWED_HOSTS"] == ("localhost", "stage.example")
    assert found["endpoints", "PAY_URL"][0].startswith("https://pay.test/v1")
    assert found["variables", "API_TOKEN"] == (MASK, MASK)
    assert found["secrets", "JWT_KEY"] == ("version 1", "missing")
    assert found["resources", "web"] == ("1 replica", "2 replicas, memory 256 MB")
    assert found["strategy", "strategy.watch"] == ("", "1 s")
    assert found["release", "version"] == ("v2.0.0", "")
    assert ("variables", "COLOUR") not in found
    assert rows(run("diff", "local", "stage", "--all", "--json"))["variables", "COLOUR"] == ("blue", "blue")
    assert "canary" not in said.out + run("diff", "local", "stage").out


def test_what_is_required_and_missing_stands_first(shop: Path, run: Run) -> None:
    """The first lines name it, with the command that sets it."""
    said = run("diff", "local", "stage")
    lines = said.out.splitlines()
    assert lines[0] == "required in stage, and not there:"
    assert "lading secrets set stage JWT_KEY" in lines[1]
    assert "* JWT_KEY" in said.out
    assert run("diff", "local", "stage", "--json").result["diff"]["missing"] == [
        {"environment": "stage", "name": "JWT_KEY", "problem": "missing"}
    ]


def test_a_placeholder_counts_as_missing(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """A value that no deploy would take is told like a missing one."""
    agent.world.secrets.put("shop/stage", {"JWT_KEY": Secret("changeme")})
    said = run("diff", "local", "stage")
    assert "placeholder" in said.out.splitlines()[1]
    assert "changeme" not in said.out


def test_one_environment_is_held_against_the_manifest(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """What serves stands left, what the next deploy would bring right; a stored secret is such a change."""
    assert run("diff", "local").out.startswith("local serves nothing yet")
    assert run("deploy", "local").status == 0
    assert run("diff", "local").out == "local serves what the manifest says\n"
    manifest = shop / "lading.toml"
    manifest.write_text(manifest.read_text().replace('COLOUR = "blue"', 'COLOUR = "green"', 1))
    agent.world.secrets.put("shop/local", {"JWT_KEY": Secret("canary-6"), "UNNAMED": Secret("canary-7")})
    assert rows(run("diff", "local", "--json")) == {
        ("variables", "COLOUR"): ("blue", "green"),
        ("secrets", "JWT_KEY"): ("version 1", "version 2"),
    }


def test_what_serves_is_said_beside_what_would(shop: Path, run: Run) -> None:
    """Between two environments, a side that serves something else than the manifest says shows both."""
    assert run("deploy", "local").status == 0
    manifest = shop / "lading.toml"
    manifest.write_text(manifest.read_text().replace('COLOUR = "blue"', 'COLOUR = "green"', 1))
    found = rows(run("diff", "local", "stage", "--json"))
    assert found["variables", "COLOUR"] == ("green (serves: blue)", "blue")


def test_the_exit_status_is_gits_where_it_is_asked_for(shop: Path, run: Run) -> None:
    """Looking is never a failure; with --exit-code a difference ends with 1."""
    assert run("deploy", "local").status == 0
    assert run("diff", "local", "stage").status == 0
    assert run("diff", "local", "stage", "--exit-code").status == 1
    assert run("diff", "local", "--exit-code").status == 0
    assert run("diff", "local", "nowhere").status == 2


def test_an_agent_that_cannot_be_reached_hides_only_its_own(shop: Path, run: Run) -> None:
    """The manifest's side is compared all the same, and what is not known is said."""
    said = run("diff", "local", "lost")
    assert said.status == 0
    assert said.out.startswith("! lost is not known")
    assert "ALLOWED_HOSTS" in said.out


def test_a_secret_that_stands_in_a_variable_is_masked_by_the_agent(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """A value that the agent knows as a secret does not come out as a variable of what serves either."""
    agent.world.secrets.put("shop/stage", {"JWT_KEY": Secret("canary-8"), "OTHER": Secret("blue")})
    assert run("deploy", "stage").status == 0
    from lading.client.local import agent_at

    detail = agent_at(None).get("/v1/environments/shop/stage")
    assert detail["configuration"]["table"]["env"]["COLOUR"] == MASK


def test_a_failed_deploy_names_the_comparison(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """What passed locally and fails on stage differs by configuration: the hint says how to see it."""
    agent.world.secrets.put("shop/stage", {"JWT_KEY": Secret("canary-9")})
    assert run("deploy", "local").status == 0
    agent.world.checks.fail("503", path="/ready")  # type: ignore[attr-defined]
    said = run("deploy", "stage")
    assert (said.status, "lading diff local stage" in said.err) == (4, True)
    told = run("deploy", "stage", "--json")
    assert "lading diff local stage" in told.result["error"]["hint"]


def test_a_failed_deploy_of_what_nobody_passed_has_nothing_to_compare(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Without a local pass the hint stays what it was."""
    agent.world.secrets.put("shop/stage", {"JWT_KEY": Secret("canary-9")})
    agent.world.checks.fail("503", path="/ready")  # type: ignore[attr-defined]
    assert "lading diff" not in run("deploy", "stage").err


@pytest.mark.parametrize("name", ["API_KEY", "jwt_key", "DB_PASSWORD", "SENTRY_DSN", "SESSION_COOKIE"])
def test_what_looks_like_a_secret_is_compared_and_not_shown(name: str) -> None:
    """Two such values differ or not, and neither is seen."""
    one, other = variable_value(name, "canary-1"), variable_value(name, "canary-2")
    (row,) = compare({("variables", name): one}, {("variables", name): other})
    assert (row.left, row.right, row.differs) == (MASK, MASK, True)


@pytest.mark.parametrize("name", ["COLOUR", "MONKEYS", "KEYBOARD", "AUTHOR", "PASSENGERS", "TOKENIZER"])
def test_ordinary_words_are_shown(name: str) -> None:
    """A name that only holds the letters of such a word hides nothing."""
    assert variable_value(name, "blue").shown == "blue"
