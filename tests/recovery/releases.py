"""The releases that a house in memory is brought to: what each of them is made of, by its version."""

import msgspec

from lading.engine.world import World
from lading.model.manifest import Build, Database, Manifest, Probe, Project, Secrets, Service, SmokeStep
from lading.model.release import (
    Artifact,
    Layer,
    Migrations,
    Platform,
    Release,
    artifact_digest,
    backing_name,
    release_digest,
)
from lading.ports.store.memory import make_layer

PROJECT = "shop"

# Releases of these versions migrate the database; the others use it as they find it.
MIGRATING = "v2."
SERVED = "v7."  # the same with a database that has a server
OTHER_MAJOR = "v7.2.0"  # asks for a server that cannot read what another wrote
# Releases with a service that runs somebody else's image.
CACHES = {"v8.0.0": "redis:7", "v8.1.0": "redis:8"}
OLD, NEW = ("3f2a",), ("9c41",)


def manifest() -> Manifest:
    probe = Probe(path="/ready", within=2.0)
    return Manifest(
        project=Project(name=PROJECT),
        build={"app": Build(bundle="requirements.txt")},
        services={
            "web": Service(
                build="app", command="serve", port=8000, health=Probe(path="/health", within=2.0), ready=probe
            ),
            "worker": Service(build="app", command="work"),
        },
        smoke=(SmokeStep(name="status", method="GET", path="/status"), SmokeStep(name="report", command="report")),
        secrets=Secrets(required=("TOKEN",)),
    )


def release_of(world: World, version: str) -> Release:
    """Return a release, whose bytes are in the world's store and whose record is in its journal."""
    layers = [_kept(world, role, version if role == "source" else "env") for role in ("environment", "source")]
    known = world.journal.release(PROJECT, version)
    if known is not None:
        # In a journal of an older version the release stands as that version recorded it.
        return known
    platform = world.runtime.platform()
    digest = artifact_digest("bundle", platform, layers)
    artifacts = [Artifact(name="app", kind="bundle", digest=digest, platform=platform, layers=tuple(layers))]
    if version in CACHES:
        artifacts.append(_taken(world, CACHES[version]))
    made = _manifest_of(version)
    heads = {"main": NEW if version != "v7.0.0" else OLD} if version.startswith(SERVED) else {}
    return world.journal.add_release(
        Release(
            project=PROJECT,
            version=version,
            digest=release_digest(tuple(artifacts), made, heads),
            artifacts=tuple(artifacts),
            manifest=made,
            migration_heads=heads,
            migrations={name: Migrations(tool="alembic", revisions=(*OLD, *NEW)) for name in heads},
        )
    )


def _manifest_of(version: str) -> Manifest:
    made = manifest()
    if version.startswith((MIGRATING, SERVED)):
        major = "16" if version == OTHER_MAJOR else None
        engine = "postgres" if version.startswith(SERVED) else "sqlite"
        main = Database(engine=engine, env="DATABASE_URL", migrate="migrate", version=major)  # type: ignore[arg-type]
        made = msgspec.structs.replace(made, databases={"main": main})
    if version in CACHES:
        cache = Service(build="", image=CACHES[version], check="ping")
        made = msgspec.structs.replace(made, services={**made.services, "cache": cache})
    return made


def _kept(world: World, role: str, content: str) -> Layer:
    layer, blob = make_layer(role, {"version": content.encode()})
    world.store.put(layer.digest, iter([blob]))
    return layer


def _taken(world: World, image: str) -> Artifact:
    """Return the artifact of an image that somebody else made, whose bytes are in the store."""
    layer = _kept(world, "config", image)
    machine = Platform(system="linux", machine=world.runtime.platform().machine)
    digest = artifact_digest("image", machine, [layer])
    return Artifact(name=backing_name("cache"), kind="image", digest=digest, platform=machine, layers=(layer,))
