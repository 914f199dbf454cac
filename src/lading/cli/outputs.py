"""``lading outputs``: the files that a run left."""

from __future__ import annotations

import secrets
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.client.agent import Agent


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("number", metavar="RUN", type=int)
@click.option(
    "--to", "directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Copy them all to DIR."
)
@pass_state
def outputs(state: State, environment: str, number: int, directory: Path | None) -> None:
    """List the files that RUN of a job left in ENVIRONMENT, or copy them here.

    A job leaves files in the directory that LADING_OUTPUTS names. Those of the last 20 runs of each job are kept. What
    is in DIR already is never overwritten.
    """
    from lading.cli.run import of_environment
    from lading.cli.words import size

    agent = state.agent_for(environment)
    run = of_environment(agent, state.outline.name, environment, number)
    files: list[dict[str, Any]] = run["outputs"] if run["kept"] else []
    if directory is not None:
        _copy(agent, environment, number, files, directory)
    state.result({"outputs": files, "to": str(directory) if directory is not None else None})
    for file in files:
        state.say(f"{size(file['size']):>10}  {file['path']}")
    if not files:
        state.say(_none(run))
    elif directory is not None:
        state.say(f"copied to {directory}")


def _none(run: dict[str, Any]) -> str:
    if run["ending"] is None:
        return f"run {run['id']} of {run['job']} goes on; its files can be had once it has ended"
    if not run["kept"]:
        return f"the files of run {run['id']} were removed: those of the last runs only are kept"
    return f"run {run['id']} of {run['job']} left no files"


def _copy(agent: Agent, environment: str, number: int, files: list[dict[str, Any]], directory: Path) -> None:
    """Copy a run's files; raise ``usage`` before anything is written when one of them is there already."""
    targets = {file["path"]: _target(directory, file["path"]) for file in files}
    taken = [str(target) for target in targets.values() if target.exists() or target.is_symlink()]
    if taken:
        raise LadingError(
            "usage",
            doing=f"copying the outputs of run {number}",
            happened=f"{', '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already",
            now="nothing was written",
            hint=f"lading outputs {environment} {number} --to another directory",
        )
    for path, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Nobody's name: a file NAME.part may be there already, or be one of the outputs.
        half = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with half.open("xb") as file:
                for piece in agent.output_file(number, path):
                    file.write(piece)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)


def _target(directory: Path, path: str) -> Path:
    # The agent may be anybody's: what it names must not lead out of the directory.
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise LadingError(
            "unknown-output",
            doing=f"copying outputs to {directory}",
            happened=f"the agent names a file {path!r}, which lies outside of the outputs",
            now="nothing was written",
            hint="look at the run on its host",
        )
    return directory.joinpath(*parts)
