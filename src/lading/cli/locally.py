"""Which environment up, down and dev work on: one of tier local, and never any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lading.cli.project import LOCAL, read, unknown_environment, with_dotenv
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.state import State
    from lading.client.agent import Agent
    from lading.model.environment_table import Environment
    from lading.model.manifest import Manifest


class Local(NamedTuple):
    """A local environment of a project: its name, its table with what the ``.env`` gives, and the manifest."""

    name: str
    table: Environment
    manifest: Manifest
    directory: Path

    @property
    def project(self) -> str:
        """The project's name."""
        return self.manifest.project.name

    def agent(self, state: State) -> Agent:
        """Return the agent that holds the environment."""
        return state.agent_at(state.agent or self.table.host)


def local_environment(state: State, name: str | None, verb: str) -> Local:
    """Return the local environment of a name, else ``local``, else the only one of tier local.

    Without any in the manifest it is ``local`` with the defaults of everything. Raise ``not-local`` for one of another
    tier, ``unknown-environment`` for none, ``usage`` where several are possible.
    """
    import msgspec

    from lading.manifest import refuse_unsupported
    from lading.model.environment_table import Environment

    path = state.outline.path
    manifest = read(path)
    chosen = name or _only(manifest, verb)
    if chosen not in manifest.environments:
        if chosen != LOCAL:
            raise unknown_environment(chosen, path.name, list(manifest.environments))
        manifest = msgspec.structs.replace(manifest, environments={**manifest.environments, LOCAL: Environment()})
    table = manifest.environments[chosen]
    tier = table.tier_of(chosen)
    if tier != "local":
        raise _not_local(chosen, tier, verb)
    refuse_unsupported(manifest, chosen, path.name)
    return Local(chosen, with_dotenv(path.parent, manifest, chosen), manifest, path.parent)


def _only(manifest: Manifest, verb: str) -> str:
    names = [name for name, table in manifest.environments.items() if table.tier_of(name) == "local"]
    if LOCAL in names or not names:
        return LOCAL
    if len(names) > 1:
        raise LadingError(
            "usage",
            doing=f"lading {verb}",
            happened=f"the manifest has several local environments: {', '.join(names)}",
            now="nothing was changed",
            hint=f"lading {verb} {names[0]}",
        )
    return names[0]


def _not_local(name: str, tier: str, verb: str) -> LadingError:
    other = {
        "up": f"lading deploy {name}",
        "down": f"to go back to the release before: lading rollback {name}",
        "dev": "lading dev, for the local environment",
    }
    return LadingError(
        "not-local",
        doing="refused",
        happened=f"lading {verb} is for local environments, and {name} is of tier {tier}",
        now=f"{name} is untouched",
        hint=other.get(verb, f"lading {verb}"),
    )
