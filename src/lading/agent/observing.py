"""What an agent sees of an environment before it plans: which instances run, where its databases are and stand."""

import secrets as random
import string

from lading.engine import resolving
from lading.engine.world import World
from lading.model.environment import Configuration, EnvironmentRecord, Observed
from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.model.release import Release
from lading.model.secret import Secret
from lading.model.server import admin_of, password_name
from lading.planner.backing import login_to, own_url

ALPHABET = string.ascii_letters + string.digits  # nothing that a URL would want quoted
LENGTH = 40  # characters of a database's password


def observe(
    world: World, record: EnvironmentRecord, release: Release, configuration: Configuration, *, register: bool
) -> Observed:
    """Look at an environment for a release; ``register`` lets passwords be made for databases that have none yet."""
    seen = Observed(record=record, running=running(world), passwords=_passwords(world, record, release, configuration))
    if register:
        seen = _with_passwords(world, seen, release, configuration)
    databases, revisions = {}, {}
    for name, database in release.manifest.databases.items():
        if database.has_server:
            revisions[name] = _revision(world, seen, release, configuration, name, database)
            continue
        databases[name] = world.databases.provide(record.project, record.name, name, database)
        revisions[name] = world.databases.revision(record.project, record.name, name)
    return Observed(
        record=record, running=seen.running, databases=databases, revisions=revisions, passwords=seen.passwords
    )


def running(world: World) -> frozenset[str]:
    """Return the names of all instances that run."""
    return frozenset(state.name for state in world.runtime.list() if state.running)


def run_here(release: Release, configuration: Configuration) -> list[str]:
    """Return the databases of a release whose server Lading runs."""
    return [
        name
        for name, database in release.manifest.databases.items()
        if database.has_server and own_url(configuration, name) is None
    ]


def _named(release: Release, configuration: Configuration) -> list[str]:
    """Return what has a password of its own: each database that Lading runs, and the administrator of its server."""
    return [key for name in run_here(release, configuration) for key in (name, admin_of(name))]


def _passwords(
    world: World, record: EnvironmentRecord, release: Release, configuration: Configuration
) -> dict[str, int]:
    versions = world.secrets.versions(record.key)
    names = {name: password_name(name) for name in _named(release, configuration)}
    return {name: versions[secret] for name, secret in names.items() if secret in versions}


def _with_passwords(world: World, seen: Observed, release: Release, configuration: Configuration) -> Observed:
    """Make the passwords that are missing; one that is there is never replaced, for the server knows it."""
    missing = [name for name in _named(release, configuration) if name not in seen.passwords]
    if missing:
        made = {password_name(name): Secret(_random()) for name in missing}
        world.secrets.put(seen.record.key, made)
    return Observed(
        record=seen.record, running=seen.running, passwords=_passwords(world, seen.record, release, configuration)
    )


def _random() -> str:
    return "".join(random.choice(ALPHABET) for _ in range(LENGTH))


def _revision(
    world: World, seen: Observed, release: Release, configuration: Configuration, name: str, database: Database
) -> tuple[str, ...]:
    """Return where a server's database stands; nothing where it cannot be asked now: its step waits for it."""
    login = login_to(release, configuration, name, database, seen.passwords)
    if login is None or (login.server and name not in seen.record.backing):
        return ()
    try:
        return world.servers.revision(resolving.url_of(world, seen.record.key, login))
    except LadingError as error:
        if error.code not in ("database-failed", "secret-missing"):
            raise
        return ()
