"""``lading outputs``: the files that a run left."""

from __future__ import annotations

import hashlib
import secrets
import time
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
@click.option("--send", is_flag=True, help="Try at once again to send what is not in the object store yet.")
@pass_state
def outputs(state: State, environment: str, number: int, directory: Path | None, send: bool) -> None:
    """List the files that RUN of a job left in ENVIRONMENT, or copy them here.

    A job leaves files in the directory that LADING_OUTPUTS names. Those of the last 20 runs of each job are kept on the
    host. Where the environment has an object store for its outputs they are sent there too, and come from there once
    they are kept no more. What is in DIR already is never overwritten.
    """
    from lading.cli.run import of_environment
    from lading.cli.words import table

    agent = state.agent_for(environment)
    run = of_environment(agent, state.outline.name, environment, number)
    if send:
        run = agent.post(f"/v1/runs/{number}/send")["run"]
    files: list[dict[str, Any]] = [file for file in run["outputs"] if run["kept"] or file.get("url")]
    if directory is not None:
        _copy(agent, environment, number, files, directory, kept=run["kept"])
    sending = run.get("sending")
    state.result({"outputs": files, "to": str(directory) if directory is not None else None, "sending": sending})
    for line in table([_row(file, sending) for file in files]):
        state.say(line)
    if not files:
        state.say(_none(run))
    elif directory is not None:
        state.say(f"copied to {directory}")
    for line in unsent(environment, run):
        state.say(line)


def _row(file: dict[str, Any], sending: dict[str, Any] | None) -> tuple[str, ...]:
    from lading.cli.words import size

    row = (f"{size(file['size']):>10}", file["path"])
    if sending is None:
        return row
    lost = f"not to be had any more: {file['lost']}" if file.get("lost") else ""
    return (*row, file.get("url") or lost or "on the host only")


def unsent(environment: str, run: dict[str, Any]) -> list[str]:
    """Return what is to be said of files that are not in their object store yet; nothing where all are."""
    from lading.cli.words import count, seconds

    sending = run.get("sending")
    if sending is None or not sending["unsent"] or run["ending"] is None:
        return []
    head = f"run {run['id']}: {count(sending['unsent'], 'file')} not in {sending['store']} yet"
    if not sending["tries"]:
        return [f"{head}; on the way"]
    left = max(0.0, (sending["again"] or 0.0) - time.time())
    again = f"again in {seconds(left)}" if left else "again now"
    return [
        f"{head}; tried {count(sending['tries'], 'time')}, {again}",
        f"  {sending['trouble']}",
        f"  at once: lading outputs {environment} {run['id']} --send",
    ]


def _none(run: dict[str, Any]) -> str:
    if run["ending"] is None:
        return f"run {run['id']} of {run['job']} goes on; its files can be had once it has ended"
    if not run["kept"]:
        return f"the files of run {run['id']} were removed: those of the last runs only are kept"
    return f"run {run['id']} of {run['job']} left no files"


def _copy(
    agent: Agent, environment: str, number: int, files: list[dict[str, Any]], directory: Path, *, kept: bool
) -> None:
    """Copy a run's files; raise ``usage`` before anything is written when one of them is there already."""
    digests = {file["path"]: file.get("sha256", "") for file in files}
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
        digest = hashlib.sha256()
        try:
            with half.open("xb") as file:
                for piece in agent.output_file(number, path):
                    digest.update(piece)
                    file.write(piece)
            if not kept and digest.hexdigest() != digests[path]:
                raise _changed(path, environment, number)
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


def _changed(path: str, environment: str, number: int) -> LadingError:
    return LadingError(
        "store-failed",
        doing=f"copying the outputs of run {number}",
        happened=f"{path} is not what was sent to the store: its sha256 is another",
        now="it was not written",
        hint=f"look at it in the store: lading outputs {environment} {number} names it",
    )
