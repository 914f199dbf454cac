"""The project's ``.env``: for local environments, by name, and never seen."""

from pathlib import Path

import pytest

from tests.support_agent import MemoryAgent, commit, git
from tests.unit.cli.conftest import Run

CANARY = "canary-9917-of-the-dotenv"

MORE = """
[env]
LOG_LEVEL = "info"

[secrets]
required = ["JWT_KEY"]
optional = ["MAIL_KEY"]
"""


@pytest.fixture
def needy(project: Path) -> Path:
    """The project, which requires a secret and has a public variable; git ignores its ``.env``."""
    (project / "lading.toml").write_text((project / "lading.toml").read_text() + MORE)
    (project / ".gitignore").write_text(".env\n")
    commit(project, "needs more", "v1.1.0")
    return project


def _versions(agent: MemoryAgent, environment: str = "local") -> dict[str, int]:
    return dict(agent.world.secrets.versions(f"shop/{environment}"))


def _env(agent: MemoryAgent, environment: str = "local") -> dict[str, str]:
    record = agent.world.journal.environment("shop", environment)
    assert record is not None
    assert record.serving is not None
    return record.serving.web[0].env


def test_its_secrets_are_those_of_the_manifest(needy: Path, run: Run, agent: MemoryAgent) -> None:
    """Names under [secrets] are stored; what the manifest lists nowhere is named once and ignored."""
    (needy / ".env").write_text(f"JWT_KEY={CANARY}\nMAIL_KEY=\nOTHER=1\n")
    said = run("up")
    assert said.status == 0
    assert _versions(agent) == {"JWT_KEY": 1}
    assert "from .env: JWT_KEY (secret)" in said.err
    assert "ignored in .env, as lading.toml lists them nowhere: OTHER" in said.err
    assert CANARY not in said.out + said.err


@pytest.mark.parametrize("command", [("up",), ("up", "--once"), ("deploy", "local")])
def test_every_command_that_brings_local_up_reads_it(
    needy: Path, run: Run, agent: MemoryAgent, command: tuple[str, ...]
) -> None:
    """``up`` and ``deploy`` to a local environment mean the same configuration."""
    (needy / ".env").write_text(f"JWT_KEY={CANARY}\nLOG_LEVEL=debug\n")
    assert run(*command).status == 0
    assert _versions(agent) == {"JWT_KEY": 1}


def test_only_a_changed_value_is_a_new_version(needy: Path, run: Run, agent: MemoryAgent) -> None:
    """The same file again changes nothing and leaves no trace; another value is a version and a rollout."""
    (needy / ".env").write_text(f"JWT_KEY={CANARY}\n")
    run("up")
    audits = len(agent.world.journal.audits())
    assert "already serves" in run("up").out
    assert _versions(agent) == {"JWT_KEY": 1}
    assert len(agent.world.journal.audits()) == audits
    (needy / ".env").write_text(f"JWT_KEY={CANARY}-other\n")
    assert "local serves v1.1.0" in run("up").out
    assert _versions(agent) == {"JWT_KEY": 2}


def test_public_variables_of_the_manifest_get_its_values(needy: Path, run: Run, agent: MemoryAgent) -> None:
    """A variable that the manifest sets under [env] has the value of the ``.env`` locally, and nowhere else."""
    (needy / ".env").write_text(f"JWT_KEY={CANARY}\nLOG_LEVEL=debug\n")
    run("up")
    assert _env(agent)["LOG_LEVEL"] == "debug"
    assert run("secrets", "import", "stage", str(needy / ".env")).status == 0
    assert run("deploy", "stage").status == 0
    assert _env(agent, "stage")["LOG_LEVEL"] == "info"


def test_no_other_tier_reads_it(needy: Path, run: Run, agent: MemoryAgent) -> None:
    """A stage has the secrets that it was given, whatever lies about on a developer's machine."""
    (needy / ".env").write_text(f"JWT_KEY={CANARY}\n")
    said = run("deploy", "stage")
    assert said.status == 3
    assert "JWT_KEY" not in _versions(agent, "stage")


def test_without_it_the_refusal_says_what_to_do(needy: Path, run: Run, agent: MemoryAgent) -> None:
    """A missing secret is refused before anything is built, with the file and the command that give it."""
    said = run("up")
    assert said.status == 3
    assert agent.built == []
    assert "local lacks what the manifest requires: JWT_KEY" in said.err
    assert "there is no .env" in said.err
    assert "write JWT_KEY=… into .env; or: lading secrets set local JWT_KEY" in said.err
    (needy / ".env.example").write_text("JWT_KEY=\n")
    assert "next:    cp .env.example .env, and fill it in; or:" in run("up").err


def test_a_placeholder_is_as_good_as_none(needy: Path, run: Run, agent: MemoryAgent) -> None:
    """Who copied the example and forgot to fill it in is told at once."""
    (needy / ".env").write_text("JWT_KEY=change-me\n")
    said = run("up")
    assert said.status == 3
    assert agent.built == []
    assert "JWT_KEY  it is a placeholder, in .env" in said.err
    assert _versions(agent, "local") == {}


def test_a_secret_that_was_set_by_hand_is_enough(
    needy: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs an ``.env``."""
    (needy / "values").write_text(f"JWT_KEY={CANARY}\n")
    run("secrets", "import", "local", str(needy / "values"))
    (needy / "values").unlink()
    said = run("up")
    assert said.status == 0
    assert said.err == ""


def test_one_that_git_has_or_would_take_is_warned_of(needy: Path, run: Run) -> None:
    """What git tracks is exposed; what it does not ignore is about to be."""
    (needy / ".gitignore").unlink()
    (needy / ".env").write_text(f"JWT_KEY={CANARY}\n")
    assert "warning: .env is not in .gitignore" in run("up").err
    git(needy, "add", ".env")
    said = run("up")
    assert "warning: git tracks .env" in said.err
    assert CANARY not in said.out + said.err


def test_one_that_cannot_be_read_is_told_without_its_values(needy: Path, run: Run) -> None:
    """Lines are named by number; bytes that are no text are not quoted."""
    (needy / ".env").write_text(f"JWT_KEY {CANARY}\n")
    said = run("up")
    assert said.status == 2
    assert ".env:1" in said.err
    (needy / ".env").write_bytes(b"JWT_KEY=\xff" + CANARY.encode())
    said = run("up")
    assert said.status == 2
    assert "no UTF-8 text" in said.err
    assert CANARY not in said.out + said.err
