"""Which databases a release migrates, and what is to be said about those that it does not."""

from collections.abc import Iterator

import msgspec

from lading.model.data_steps import Dump, Migrate, Rehearse, revision_text
from lading.model.environment import InstanceSpec, Observed, Pinned
from lading.model.manifest import Database
from lading.model.plan import Step
from lading.model.release import Release
from lading.planner import backing
from lading.planner.units import migration_of


def steps(unit: Pinned, observed: Observed) -> Iterator[Step]:
    """Yield the rehearsals and migrations of a release, database by database."""
    release = unit.release
    for name, database in release.manifest.databases.items():
        if database.migrate is None or is_ahead(release, name, observed):
            continue
        spec = migration_of(unit.rollout, release, unit.configuration, observed, name)
        if database.has_server:
            yield from _on_server(unit, name, database, spec, observed)
            continue
        at, heads = observed.revisions.get(name, ()), release.migration_heads.get(name, ())
        rehearsed = not is_there(release, name, observed)
        limit = unit.configuration.table.strategy.hold
        if rehearsed:
            yield Rehearse(database=name, spec=spec, limit=limit)
        yield Migrate(database=name, spec=spec, limit=limit, at=at, heads=heads, rehearsed=rehearsed)


def _on_server(unit: Pinned, name: str, database: Database, spec: InstanceSpec, observed: Observed) -> Iterator[Step]:
    """Yield the dump and the migration of a database with a server: requests go on meanwhile, nobody is frozen."""
    release, configuration = unit.release, unit.configuration
    login = backing.login_to(release, configuration, name, database, observed.passwords)
    if login is None:
        return
    at, heads = observed.revisions.get(name, ()), release.migration_heads.get(name, ())
    # What never answered has nothing in it yet.
    if login.server and name in observed.record.backing and not is_there(release, name, observed):
        server = backing.server_of(unit.rollout, release, configuration, name, database, login, observed)
        yield Dump(database=name, spec=backing.dump_of(server, unit.rollout), login=login, heads=heads)
    limit = configuration.table.strategy.hold
    # Libraries that speak the server's own language hear of it by this variable.
    waiting = {"PGOPTIONS": f"-c lock_timeout={limit * 1000:.0f}", **spec.env}
    spec = msgspec.structs.replace(spec, env=waiting)
    yield Migrate(database=name, spec=spec, limit=limit, at=at, heads=heads, rehearsed=False, login=login)


def is_there(release: Release, name: str, observed: Observed) -> bool:
    """Tell whether a database is known to be at the release's heads already.

    Only Alembic says it all: a Django project's own files do not tell what its libraries have to apply.
    """
    known = release.migrations.get(name)
    heads = release.migration_heads.get(name, ())
    return known is not None and known.tool == "alembic" and bool(heads) and _set(heads) == _set(at(name, observed))


def is_ahead(release: Release, name: str, observed: Observed) -> bool:
    """Tell whether a database was migrated further than the release knows: then there is nothing it could migrate."""
    return bool(_unknown(release, name, observed))


def reasons(release: Release, observed: Observed, *, migrates: bool) -> Iterator[str]:
    """Yield what has to be known before anything is stopped: databases that the release finds at another revision."""
    for name, database in release.manifest.databases.items():
        yield from _reason(release, name, database, observed, migrates=migrates)


def _reason(release: Release, name: str, database: Database, observed: Observed, *, migrates: bool) -> Iterator[str]:
    if database.migrate is None:
        if at(name, observed) and _migrated_by_what_serves(name, observed):
            where = f"database {name} is at {revision_text(at(name, observed))}"
            yield f"{where}, and {release.version} brings no migrations: it is left so; {_checked(release)}"
        return
    if unknown := _unknown(release, name, observed):
        yield (
            f"database {name} is at {revision_text(unknown)}, which {release.version} does not know: "
            f"it is not migrated back; {_checked(release)}"
        )
    elif not migrates and _behind(release, name, observed):
        heads = revision_text(release.migration_heads[name])
        left = f"database {name} is not at {heads}, as {release.version} left it"
        yield f"{left}: going back never migrates; {_checked(release)}"


def _checked(release: Release) -> str:
    return f"whether {release.version} works on it is checked on its candidate, beside what serves"


def _migrated_by_what_serves(name: str, observed: Observed) -> bool:
    serving = observed.record.serving
    database = serving.release.manifest.databases.get(name) if serving is not None else None
    return database is not None and database.migrate is not None


def _unknown(release: Release, name: str, observed: Observed) -> tuple[str, ...]:
    known = release.migrations.get(name)
    if known is None:
        return ()
    # Django notes what its libraries applied as well; only apps of the project's own can be ahead of it.
    apps = {revision.partition(".")[0] for revision in known.revisions}
    found = [
        revision
        for revision in at(name, observed)
        if revision not in known.revisions and (known.tool == "alembic" or revision.partition(".")[0] in apps)
    ]
    return tuple(found)


def _behind(release: Release, name: str, observed: Observed) -> bool:
    heads = release.migration_heads.get(name, ())
    return bool(heads) and not _set(heads) <= _set(at(name, observed))


def at(name: str, observed: Observed) -> tuple[str, ...]:
    """Return the revision a database was observed at."""
    return observed.revisions.get(name, ())


def _set(revision: tuple[str, ...]) -> frozenset[str]:
    return frozenset(revision)
