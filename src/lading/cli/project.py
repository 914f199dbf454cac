"""Finds the project: its manifest, read shallowly for names and hosts or wholly for what a release needs."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, NamedTuple

from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.model.environment_table import Environment, Tier
    from lading.model.manifest import Manifest

MANIFEST = "lading.toml"
LOCAL = "local"  # the environment that is there also where the manifest has none
QUICK_SIZE = 256 * 1024  # bytes
QUICK_DOTS = 32  # in a line
EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example")


class Outline(NamedTuple):
    """Where the manifest is, the project's name, and its environments' hosts."""

    path: Path
    name: str
    hosts: dict[str, str | None]

    @property
    def directory(self) -> Path:
        """The directory of the manifest."""
        return self.path.parent

    def host_of(self, environment: str) -> str | None:
        """Return an environment's host, None for one's own agent; raise ``unknown-environment``."""
        if environment not in self.hosts:
            if environment == LOCAL:
                return None  # lading up and dev make it, with the defaults of everything
            raise unknown_environment(environment, self.path.name, list(self.hosts))
        return self.hosts[environment]


def unknown_environment(environment: str, place: str, known: list[str]) -> LadingError:
    """Return the error for an environment that the manifest does not have."""
    return LadingError(
        "unknown-environment",
        doing=f"looking for environment {environment}",
        happened=f"{place} has none of that name; it has: {', '.join(known) or 'none'}",
        hint=f"add a table [environments.{environment}], or name one of those",
    )


def find_manifest(directory: str | Path) -> Path | None:
    """Return the nearest ``lading.toml`` in a directory or above it."""
    start = Path(directory).absolute()
    for place in (start, *start.parents):
        # Whatever has the name is meant, and what is no file is told so instead of being passed over.
        if os.path.lexists(place / MANIFEST):
            return place / MANIFEST
    return None


def require_manifest(directory: str | Path) -> Path:
    """Return the nearest ``lading.toml``; raise ``manifest-missing``."""
    found = find_manifest(directory)
    if found is None:
        raise LadingError(
            "manifest-missing",
            doing="looking for the project",
            happened=f"there is no {MANIFEST} in {Path(directory).absolute()} or above it",
            hint="go to the project's directory, or name it: lading -C DIR …; to begin one here: lading init",
        )
    return found


def outline(directory: str | Path) -> Outline:
    """Read a manifest shallowly and fast; a broken one raises ``manifest-invalid`` with all its problems."""
    import tomllib

    path = require_manifest(directory)
    try:
        data = tomllib.loads(_quick_text(path))
        return _outline(path, data)
    except (ValueError, OSError, RecursionError, KeyError, TypeError, AttributeError):
        return _from_manifest(path)


def _quick_text(path: Path) -> str:
    """Return the text of a file that is small enough to be a manifest; OSError or ValueError for anything else."""
    state = path.stat()
    if not S_ISREG(state.st_mode) or state.st_size > QUICK_SIZE:
        raise ValueError("not a small file")
    text = path.read_text()
    # Long dotted keys take the reader minutes; the whole check refuses them with their place.
    if any(line.count(".") > QUICK_DOTS for line in text.splitlines()):
        raise ValueError("a line with many dots")
    return text


def _outline(path: Path, data: dict[str, Any]) -> Outline:
    name = data["project"]["name"]
    hosts = {key: value.get("host") for key, value in data.get("environments", {}).items()}
    if not isinstance(name, str) or not all(host is None or isinstance(host, str) for host in hosts.values()):
        raise TypeError("a name or host that is no text")
    return Outline(path, name, hosts)


def _from_manifest(path: Path) -> Outline:
    manifest = read(path)
    return Outline(path, manifest.project.name, {key: value.host for key, value in manifest.environments.items()})


def read(path: Path) -> Manifest:
    """Read and check the whole manifest; raise ``manifest-invalid`` with all its problems."""
    from lading.manifest import load

    return load(path)


def environment_table(path: Path, environment: str, manifest: Manifest | None = None) -> Any:
    """Return the environment's table of the manifest as JSON-ready data.

    Raise ``unknown-environment``, and ``not-supported`` for what this version would have to ignore there.
    """
    import msgspec

    from lading.manifest import refuse_unsupported

    manifest = manifest or read(path)
    if environment not in manifest.environments:
        raise unknown_environment(environment, path.name, list(manifest.environments))
    refuse_unsupported(manifest, environment, path.name)
    return msgspec.to_builtins(with_dotenv(path.parent, manifest, environment))


def with_dotenv(directory: Path, manifest: Manifest, environment: str) -> Environment:
    """Return an environment's table; a local one with the values that the project's ``.env`` gives to its variables."""
    import msgspec

    table = manifest.environments[environment]
    if table.tier_of(environment) != "local":
        return table
    from lading.cli.dotenv import read_dotenv

    return msgspec.structs.replace(table, env={**table.env, **read_dotenv(directory, manifest, table).env})


def environment_tier(path: Path, environment: str) -> Tier:
    """Return the tier of an environment, as the manifest says it, read shallowly."""
    from lading.model.environment_table import Environment

    table = _tables(path).get(environment)
    said = table.get("tier") if isinstance(table, dict) else None
    return Environment(tier=said if said in ("local", "stage", "production") else None).tier_of(environment)


def _tables(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        found = tomllib.loads(_quick_text(path)).get("environments")
    except (ValueError, OSError, RecursionError):
        # The outline has been read, so this is a manifest that is being written right now.
        return {}
    return found if isinstance(found, dict) else {}


def example_values(directory: Path) -> dict[str, str]:
    """Return what the project's example of an environment file says by name; what it says is public, as it is kept
    in the repository. A file that cannot be read as one says nothing.
    """
    from lading.secrets.dotenv import parse

    for name in EXAMPLES:
        try:
            text = (directory / name).read_text()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue
        try:
            return {key: value.reveal() for key, value in parse(text, name).items() if value.reveal()}
        except LadingError:
            # It only lends words to a check: its mistakes are nobody's trouble here.
            return {}
    return {}
