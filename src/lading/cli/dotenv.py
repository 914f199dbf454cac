"""The project's ``.env``: what a developer's machine gives to its local environments, and to no other.

Its secrets are those that the manifest lists under ``[secrets]``. Its public variables are those that the manifest
already sets, in ``[env]``, at a service or at the environment: here they may have other values. What the manifest
lists nowhere has no meaning for the program as it is released, so it has none locally either.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lading.cli.project import EXAMPLES
from lading.client.agent import segment
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.state import State
    from lading.client.agent import Agent
    from lading.model.environment_table import Environment
    from lading.model.manifest import Job, Manifest, Service
    from lading.model.secret import Secret

FILE = ".env"


class DotEnv(NamedTuple):
    """What an ``.env`` gives: secrets, values of public variables, and the names that it gives in vain.

    ``provided`` are names of which Lading itself gives the value, such as a database's address; ``unknown`` are those
    that the manifest lists nowhere.
    """

    secrets: dict[str, Secret]
    env: dict[str, str]
    provided: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def read_dotenv(directory: Path, manifest: Manifest, table: Environment) -> DotEnv:
    """Return what the project's ``.env`` gives to a local environment; nothing, where there is no such file.

    Raise ``usage`` for a file that cannot be read, with the lines that cannot, and never a value.
    """
    from lading.secrets.dotenv import parse

    text = _text(directory / FILE)
    if text is None:
        return DotEnv({}, {})
    found = parse(text, FILE)
    secrets = {*manifest.secrets.required, *manifest.secrets.optional}
    public = set(_public(manifest, table))
    provided = set(_provided(manifest))
    return DotEnv(
        # An empty value is how an example says that one is to be filled in.
        secrets={name: value for name, value in found.items() if name in secrets and value.reveal()},
        env={name: value.reveal() for name, value in found.items() if name in public - secrets},
        provided=tuple(name for name in found if name in provided - secrets - public),
        unknown=tuple(name for name in found if name not in secrets | public | provided),
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        # Not chained: what cannot be decoded would be quoted.
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise LadingError(
            "usage",
            doing=f"reading {path}",
            happened=why or "it cannot be read",
            now="nothing was changed",
            hint=f"make it a text file of lines NAME=value that you may read, or remove it: ls -l {path}",
        ) from None


def _public(manifest: Manifest, table: Environment) -> Iterator[str]:
    yield from manifest.env
    yield from table.env
    for user in _users(manifest):
        yield from user.env


def _provided(manifest: Manifest) -> Iterator[str]:
    for database in manifest.databases.values():
        yield from (name for name in (database.env, *database.env_parts) if name is not None)
    for user in _users(manifest):
        yield from (volume.env for volume in user.volumes.values() if volume.env is not None)


def _users(manifest: Manifest) -> Iterator[Service | Job]:
    yield from manifest.services.values()
    yield from manifest.jobs.values()


def tell(state: State, directory: Path, found: DotEnv) -> None:
    """Say what was taken from the ``.env`` and what was not, by name, and warn where git has it or would take it."""
    parts = [f"{', '.join(found.secrets)} (secret)"] if found.secrets else []
    parts += [", ".join(found.env)] if found.env else []
    if parts:
        state.note(f"from {FILE}: {'; '.join(parts)}")
    if found.unknown:
        state.note(f"ignored in {FILE}, as lading.toml lists them nowhere: {', '.join(found.unknown)}")
    if found.provided:
        state.note(f"ignored in {FILE}, as Lading gives the value itself: {', '.join(found.provided)}")
    if (directory / FILE).exists():
        for warning in _exposed(directory):
            state.note(f"warning: {warning}")


def _exposed(directory: Path) -> Iterator[str]:
    from lading.cli.source import git

    if git(directory, "ls-files", "--error-unmatch", "--", FILE) is not None:
        yield (
            f"git tracks {FILE}, so whoever has the repository has what it says, and no release can be built with it: "
            f"git rm --cached {FILE}, and replace what was exposed"
        )
    elif git(directory, "rev-parse", "--git-dir") and git(directory, "check-ignore", "-q", "--", FILE) is None:
        yield f"{FILE} is not in .gitignore: the next git add . would take it"


def bring(state: State, manifest: Manifest, environment: str, agent: Agent, *, for_tree: bool = True) -> None:
    """Take over what the ``.env`` gives to a local environment; of another one, do nothing.

    ``for_tree`` tells that what the manifest of the work tree requires has to be there: unless it is, raise
    ``secret-missing`` naming all that is missing.
    """
    directory = state.outline.directory
    table = manifest.environments[environment]
    if table.tier_of(environment) != "local":
        return
    found = read_dotenv(directory, manifest, table)
    tell(state, directory, found)
    path = f"/v1/secrets/{segment(manifest.project.name)}/{segment(environment)}"
    if values := _meant(found):
        # Only what has changed becomes a new version there.
        agent.put(path, {"values": values})
    if for_tree and manifest.secrets.required:
        require(directory, manifest, environment, found, frozenset(agent.get(path)["secrets"]))


def _meant(found: DotEnv) -> dict[str, str]:
    """Return the values to keep: a placeholder is refused where it is required, and nobody's secret anywhere."""
    from lading.model.placeholders import placeholder

    values = {name: value.reveal() for name, value in found.secrets.items()}
    return {name: value for name, value in values.items() if not placeholder(name, value, "local")}


def require(
    directory: Path,
    manifest: Manifest,
    environment: str,
    found: DotEnv,
    have: Container[str],
    *,
    storable: bool = True,
) -> None:
    """Raise ``secret-missing`` unless the environment has all that the manifest requires.

    ``found`` is what the ``.env`` gives, where a placeholder counts as missing, and ``have`` the names that the
    environment has. ``storable`` tells that a secret of the agent's store would do as well.
    """
    wrong = dict(_wrong(manifest, found, have))
    if not wrong:
        return
    there = (directory / FILE).exists()
    example = next((name for name in EXAMPLES if (directory / name).is_file()), None)
    first = next(iter(wrong))
    write = f"write {first}=… into {FILE}" if there or not example else f"cp {example} {FILE}, and fill it in"
    details = [f"{name}  {reason}" for name, reason in wrong.items()]
    if not there:
        details.append(f"there is no {FILE}, which gives local environments their secrets")
    raise LadingError(
        "secret-missing",
        doing="refused",
        happened=f"{environment} lacks what the manifest requires: {', '.join(wrong)}",
        details=tuple(details),
        now="nothing was built or started",
        hint=f"{write}; or: lading secrets set {environment} {first}" if storable else write,
    )


def _wrong(manifest: Manifest, found: DotEnv, have: Container[str]) -> Iterator[tuple[str, str]]:
    from lading.model.placeholders import placeholder

    for name in manifest.secrets.required:
        if name in found.secrets:
            reason = placeholder(name, found.secrets[name].reveal(), "local")
            if reason:
                yield name, f"{reason}, in {FILE}"
        elif name not in have:
            yield name, "it is missing"
