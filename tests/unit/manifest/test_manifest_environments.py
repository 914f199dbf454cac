"""Environments differ by configuration only."""

from pathlib import Path

import pytest

from lading.manifest import load
from lading.model.errors import LadingError

MANIFEST = """
[project]
name = "shop"
[build.app]
bundle = "uv.lock"
[services.web]
command = "serve"
port = 8000
ready = "/ready"
[[smoke]]
name = "home"
get = "/"
[environments.stage]
"""


@pytest.mark.parametrize(
    "key",
    [
        'build = "app"',
        'command = "serve --debug"',
        'services = { web = { command = "other" } }',
        "smoke = []",
        'jobs = { settle = { command = "settle" } }',
        'ready = "/other"',
        'migrate = "alembic upgrade head"',
    ],
)
def test_environments_cannot_name_what_belongs_to_the_release(key: str, tmp_path: Path) -> None:
    """A build, command, check or migration of an environment's own is refused: it would not be what was tested."""
    file = tmp_path / "lading.toml"
    file.write_text(MANIFEST)
    assert load(file).environments.keys() == {"stage"}
    file.write_text(f"{MANIFEST}{key}\n")
    with pytest.raises(LadingError) as refused:
        load(file)
    assert refused.value.code == "manifest-invalid"
    assert f"environments.stage.{key.partition(' ')[0]}" in "\n".join(refused.value.details)
