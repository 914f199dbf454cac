"""``lading init``: reads the repository and writes the manifest it suggests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lading.cli.base import LadingCommand
from lading.cli.project import MANIFEST
from lading.cli.state import State, echo, pass_state
from lading.cli.words import table
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.survey import Draft, Survey


@click.command(cls=LadingCommand)
@click.option("--force", is_flag=True, help="Write it although there is a lading.toml; that one is kept as a copy.")
@click.option("--print", "printed", is_flag=True, help="Print the manifest instead of writing it.")
@click.option(
    "--dockerfile",
    "image",
    is_flag=True,
    help="Build an image, not a bundle; write the Dockerfile and .dockerignore for it, where there are none.",
)
@pass_state
def init(state: State, force: bool, printed: bool, image: bool) -> None:
    """Read the repository and write the lading.toml it suggests, each guess with its reason.

    Nothing of the repository is run or changed. A lading.toml or a Dockerfile that is there is left alone; what a
    Dockerfile does badly is told.
    """
    from lading.survey import draft, survey

    directory = Path(state.directory).absolute()
    target = directory / MANIFEST
    _require_directory(directory)
    if not (printed or force) and os.path.lexists(target):
        raise _is_there(target)
    found = survey(directory)
    drafted = draft(found, image=image)
    if printed:
        _print(state, drafted)
        return
    kept = _keep(target) if force else None
    _write(target, drafted.text)
    also = _write_image(directory, found) if image and not found.image else []
    _tell(state, found, drafted, target, kept, also)


def _write_image(directory: Path, found: Survey) -> list[str]:
    """Write the Dockerfile and the list of what stays out of it, where there is none; return their names."""
    from importlib.metadata import version

    from lading.survey import image_files

    files = image_files(found, version("uv"))
    pairs = {files.path: files.text, files.ignore_path: files.ignore}
    written = [name for name in pairs if not os.path.lexists(directory / name)]
    for name in written:
        _write(directory / name, pairs[name])
    return written


def _require_directory(directory: Path) -> None:
    if not directory.is_dir():
        raise LadingError(
            "usage",
            doing="lading init",
            happened=f"there is no directory {directory}",
            hint="go to the project's directory, or name it: lading -C DIR init",
        )


def _is_there(target: Path) -> LadingError:
    return LadingError(
        "manifest-exists",
        doing="drafting a manifest",
        happened=f"there is a {MANIFEST} in {target.parent} already",
        now="it was left as it is",
        hint="lading init --print shows a fresh draft; lading init --force writes it and keeps a copy of the old one",
    )


def _keep(target: Path) -> Path | None:
    """Move a manifest that is there aside and return where to."""
    if not os.path.lexists(target):
        return None
    names = (f"{MANIFEST}.kept", *(f"{MANIFEST}.kept-{number}" for number in range(2, 1000)))
    kept = next(target.with_name(name) for name in names if not os.path.lexists(target.with_name(name)))
    target.rename(kept)
    return kept


def _write(target: Path, text: str) -> None:
    try:
        # Only if it is still not there: somebody may have written one meanwhile.
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _is_there(target) from error
    except OSError as error:
        raise LadingError(
            "usage",
            doing="writing the manifest",
            happened=f"{target} cannot be written: {error.strerror}",
            now="nothing was changed",
            hint="make the directory writable, or: lading init --print",
        ) from error


def _print(state: State, drafted: Draft) -> None:
    if state.json:
        state.result({"init": {"manifest": drafted.text, "unsure": list(drafted.doubts)}})
    else:
        echo(drafted.text.rstrip("\n"))


def _tell(state: State, found: Survey, drafted: Draft, target: Path, kept: Path | None, also: list[str]) -> None:
    from lading.cli.dockerfiles import of_file
    from lading.cli.main import COMMANDS
    from lading.survey import findings, next_steps

    seen = findings(found)
    steps = next_steps(found, drafted, up="up" in COMMANDS)
    state.say(f"wrote {target.name}" + (f"; the one before is {kept.name}" if kept is not None else ""))
    if also:
        state.say(f"wrote {' and '.join(also)}")
    state.say("\nfound")
    for line in table([(f"  {one.subject}", one.value, one.place) for one in seen]):
        state.say(line)
    remarks = [str(one) for one in of_file(target.parent, found.image)] if found.image else []
    for title, lines in (("not sure", drafted.doubts), ("the Dockerfile", remarks)):
        if lines:
            state.say(f"\n{title}")
        for line in lines:
            state.say(f"  {line}")
    state.say("\nnext")
    for step in steps:
        state.say(f"  {step}")
    state.result(
        {
            "init": {
                "file": str(target),
                "also": also,
                "remarks": remarks,
                "kept": str(kept) if kept is not None else None,
                "findings": [one._asdict() for one in seen],
                "unsure": list(drafted.doubts),
                "next": steps,
            }
        }
    )
