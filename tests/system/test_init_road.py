"""From a repository that knows nothing of Lading to a running program, by what ``lading init`` says alone."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SHAPES = Path(__file__).parents[1] / "unit" / "survey" / "shapes"
# What a person would type where a value is asked for, and put in place of the sample's placeholder.
VALUE = "a-value-for-this-test-only"
PLACEHOLDER = "change-me"
# A repository, and a page of it with what the page says.
ROADS = {
    "fastapi-alembic-sqlite": ("/api/system/ready", '{"database":"ok"}'),
    "django-split-settings": ("/", '{"shop": "open"}'),
    "flask-factory": ("/ready", '{"status":"ready"}'),
}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A home of its own for agent and git, and the command on the path."""
    programs = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LADING_", "GIT_"))},
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LADING_HOME": str(tmp_path / "lading"),
        **{f"GIT_{who}_{what}": "walker@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    yield environment
    subprocess.run(["lading", "agent", "stop", "--everything"], env=environment, check=False, capture_output=True)


@pytest.mark.parametrize("name", ROADS)
def test_the_draft_alone_leads_to_a_running_program(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    """init, its next commands as they stand, and the program answers; its migrations are applied."""
    project = tmp_path / name
    shutil.copytree(SHAPES / name / "repository", project)

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"{command} 2>&1"],
            cwd=project,
            env=environment,
            input=VALUE,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout

    steps = json.loads(run("lading init --json"))["init"]["next"]
    assert steps[-1] == "lading up"
    for step in steps:
        said = run(step)
        if (project / ".env").exists():
            (project / ".env").write_text((project / ".env").read_text().replace(PLACEHOLDER, VALUE))
    assert VALUE not in said
    url = re.findall(r"http://127\.0\.0\.1:\d+", said)[-1]
    path, answer = ROADS[name]
    with urllib.request.urlopen(url + path, timeout=10) as page:
        assert answer in page.read().decode()
