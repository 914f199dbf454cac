"""``lading check`` and ``lading schema``: the manifest, without an agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, echo, pass_state
from lading.cli.words import count

if TYPE_CHECKING:
    from lading.model.manifest import Manifest


@click.command(cls=LadingCommand)
@click.argument("file", required=False, type=click.Path())
@pass_state
def check(state: State, file: str | None) -> None:
    """Check the manifest (FILE, else the project's lading.toml) and list all its problems with their places."""
    from lading.cli.dockerfiles import of_manifest
    from lading.cli.project import require_manifest
    from lading.manifest import check as check_file
    from lading.manifest.text import invalid

    path = Path(file) if file else require_manifest(state.directory)
    checked = check_file(path)
    manifest = checked.manifest
    if manifest is None:
        raise invalid(list(checked.problems))
    warnings = [str(one) for one in (*checked.warnings, *of_manifest(manifest, path.absolute().parent))]
    for warning in warnings:
        state.say(f"warning: {warning}")
    for note in checked.notes:
        state.say(f"not supported yet: {note}")
    state.say(f"{path.name} is valid: {_summary(manifest)}")
    about = {"file": str(path), "project": manifest.project.name, "valid": True}
    findings = {"warnings": warnings, "notes": [str(one) for one in checked.notes]}
    state.result({"manifest": {**about, **findings}})


def _summary(manifest: Manifest) -> str:
    parts = [
        count(len(manifest.services), "service"),
        count(len(manifest.smoke), "smoke check"),
        count(len(manifest.environments), "environment"),
    ]
    return ", ".join(parts)


@click.command(cls=LadingCommand)
def schema() -> None:
    """Print the JSON Schema of lading.toml, for editors."""
    from lading.manifest.schema import text

    echo(text().rstrip("\n"))
