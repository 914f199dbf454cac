"""How the instances of a unit are asked, and what they are told."""

import pytest

from lading.model.environment import Pinned
from lading.model.manifest import Build, Database, Environment, Manifest, Probe, Project, Service
from lading.model.release import Artifact, Layer, Platform, Release
from lading.planner.units import configure, unit_of

READY = Probe(path="/ready")
URLS = {"main": "sqlite:////srv/main.db", "other": "sqlite+aiosqlite:////srv/other.db"}


def unit(ready: Probe, domain: str | None, **databases: Database) -> Pinned:
    """A unit of one service with this ready check in an environment with this domain, and its databases' places."""
    manifest = Manifest(
        project=Project(name="shop"),
        build={"app": Build(bundle="uv.lock")},
        services={"web": Service(build="app", command="serve", port=8000, ready=ready)},
        databases=databases,
    )
    digest = "sha256:" + "0" * 64
    artifact = Artifact(
        name="app",
        kind="bundle",
        digest=digest,
        platform=Platform(system="linux", machine="x86_64", libc="glibc 2.36", python="3.11"),
        layers=(Layer(digest=digest, diff_id=digest, size=1, media_type="tar", role="source"),),
    )
    release = Release(
        project="shop",
        version="v1.0.0",
        digest=digest,
        artifacts=(artifact,),
        manifest=manifest,
        commit="0" * 40,
        created=0.0,
    )
    table = Environment(domain=domain)
    return unit_of(1, release, configure("stage", table, {}, manifest), URLS)


@pytest.mark.parametrize(
    ("ready", "domain", "host"),
    [
        (READY, "shop.example.org", "shop.example.org"),
        (READY, None, None),
        (Probe(path="/ready", host="inside"), "shop.example.org", "inside"),
    ],
)
def test_probes_ask_by_the_name_that_visitors_use(ready: Probe, domain: str | None, host: str | None) -> None:
    """A program that refuses unknown hosts is asked by the environment's domain, unless the check names a host."""
    asked = unit(ready, domain).instances[0].ready
    assert asked is not None
    assert asked.host == host
    assert asked.path == "/ready"


def test_a_program_learns_of_databases_by_url_or_by_path() -> None:
    """A program that takes no URL gets the path of its SQLite file, under as many variables as it reads."""
    databases = {
        "main": Database(engine="sqlite", env="DATABASE_URL"),
        "other": Database(engine="sqlite", env_parts={"DB_NAME": "path", "DB_FILE": "path"}),
    }
    assert unit(READY, None, **databases).instances[0].databases == {
        "DATABASE_URL": "sqlite:////srv/main.db",
        "DB_NAME": "/srv/other.db",
        "DB_FILE": "/srv/other.db",
    }
