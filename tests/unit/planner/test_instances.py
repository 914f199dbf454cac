"""How the instances of a unit are asked, what they are told, and for how long they are watched."""

from typing import Any

import pytest

from lading.model.environment import EnvironmentRecord, InstanceSpec, Observed
from lading.model.environment_table import Environment, ObjectStore
from lading.model.manifest import Build, Database, Job, Manifest, Probe, Project, Secrets, Service, Volume
from lading.model.paths import STATIC_READY, prober_path
from lading.model.plan import Plan, Watch
from lading.model.release import FILES, Artifact, Layer, Platform, Release
from lading.planner.plans import plan_release
from lading.planner.units import configure

READY = Probe(path="/ready")
URLS = {"main": "sqlite:////srv/main.db", "other": "sqlite+aiosqlite:////srv/other.db"}


def planned(
    manifest: Manifest,
    domain: str | None = None,
    *more: Artifact,
    table: Environment | None = None,
    versions: dict[str, int] | None = None,
) -> Plan:
    """The plan for the first deploy of a manifest to an environment with this domain."""
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
        artifacts=(artifact, *more),
        manifest=manifest,
        commit="0" * 40,
        created=0.0,
    )
    configuration = configure("stage", table or Environment(domain=domain), versions or {}, manifest)
    record = EnvironmentRecord(project="shop", name="stage", tier="stage")
    return plan_release(1, "deploy", release, configuration, Observed(record=record, databases=URLS))


def shop(**tables: Any) -> Manifest:
    """A manifest with these tables beside those that it needs."""
    return Manifest(project=Project(name="shop"), build={"app": Build(bundle="uv.lock")}, **tables)


def instance(ready: Probe, domain: str | None = None, **tables: Any) -> InstanceSpec:
    """The only instance of a service with this ready check, in an environment with this domain."""
    service = Service(build="app", command="serve", port=8000, ready=ready)
    unit = planned(shop(services={"web": service}, **tables), domain).unit
    assert unit is not None
    (found,) = unit.instances
    return found


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
    asked = instance(ready, domain).ready
    assert asked is not None
    assert asked.host == host
    assert asked.path == "/ready"


def test_a_program_learns_of_databases_by_url_or_by_path() -> None:
    """A program that takes no URL gets the path of its SQLite file, under as many variables as it reads."""
    databases = {
        "main": Database(engine="sqlite", env="DATABASE_URL"),
        "other": Database(engine="sqlite", env_parts={"DB_NAME": "path", "DB_FILE": "path"}),
    }
    assert instance(READY, databases=databases).databases == {
        "DATABASE_URL": "sqlite:////srv/main.db",
        "DB_NAME": "/srv/other.db",
        "DB_FILE": "/srv/other.db",
    }


@pytest.mark.parametrize(
    ("services", "watched"), [({"mailer": Service(build="app", command="mail")}, True), ({}, False)]
)
def test_what_only_runs_to_its_end_is_not_watched(services: dict[str, Service], *, watched: bool) -> None:
    """A release without a service has nothing that could fail after the cutover, so nobody waits for the watch."""
    plan = planned(shop(services=services))
    assert any(isinstance(step, Watch) for step in plan.steps) is watched


def test_files_come_from_the_release_s_own_artifact_of_them() -> None:
    """Who has files mounted gets their layer beside its own; who has none does not."""
    layer = Layer(digest="sha256:f", diff_id="sha256:e", size=1, media_type="tar", role="files")
    files = Artifact(
        name=FILES, kind="files", digest="sha256:d", platform=Platform(system="linux", machine="any"), layers=(layer,)
    )
    told = {"config": Volume(env="CONFIG")}
    services = {
        "web": Service(build="app", command="serve", files=told),
        "mailer": Service(build="app", command="mail"),
    }
    unit = planned(shop(services=services), None, files).unit
    assert unit is not None
    web, mailer = unit.instances
    assert (web.files, web.layers["files"], web.kind) == (told, "sha256:e", "bundle")
    assert "files" not in mailer.layers
    assert unit.release.kinds == ("bundle",)


def test_built_files_are_served_by_an_instance_that_is_told_nothing() -> None:
    """Of a bundle from its source, of an image from the layer taken out of it; no secret, variable or database."""
    layer = Layer(digest="sha256:f", diff_id="sha256:e", size=1, media_type="tar", role="static-ui")
    machine = Platform(system="linux", machine="any")
    files = Artifact(name=FILES, kind="files", digest="sha256:d", platform=machine, layers=(layer,))
    manifest = Manifest(
        project=Project(name="shop"),
        build={"app": Build(bundle="uv.lock"), "front": Build(dockerfile="Dockerfile")},
        env={"LOG_LEVEL": "info"},
        databases={"main": Database(engine="sqlite", env="DATABASE_URL")},
        services={
            "ui": Service(build="front", static="/app/dist"),
            "docs": Service(build="app", static="site", path="/docs"),
        },
    )
    unit = planned(manifest, "shop.example.org", files).unit
    assert unit is not None
    ui, docs = unit.web
    assert (ui.layers, ui.static, ui.artifact) == ({"static": "sha256:e"}, ".", "sha256:d")
    assert (docs.layers, docs.static) == ({"static": "sha256:" + "0" * 64}, "site")
    for spec in (ui, docs):
        assert (spec.kind, spec.command, spec.env, spec.secrets, spec.databases) == ("static", None, {}, {}, {})
        assert spec.ready is not None
        assert spec.ready.path == STATIC_READY
    asked = prober_path(unit)
    assert asked == (STATIC_READY, None)


def test_what_is_reached_is_said_by_the_environment_before_the_service() -> None:
    """An environment's endpoints replace a service's; who names none is not restricted, and jobs have their own."""
    services = {
        "web": Service(build="app", port=8000, egress=("a.example:443",), aliases=("backend",)),
        "api": Service(build="app", port=8001),
    }
    manifest = shop(services=services, jobs={"settle": Job(command="settle", egress=())})
    unit = planned(manifest, table=Environment(egress={"web": ("b.example:443",)})).unit
    assert unit is not None
    found = {spec.service: (spec.egress, spec.peers) for spec in (*unit.instances, *unit.jobs)}
    peers = ("web", "backend", "api")
    assert found == {"web": (("b.example:443",), peers), "api": (None, ()), "settle": ((), peers)}


@pytest.mark.parametrize(("listed", "given"), [((), set()), (("STORE_KEY",), {"STORE_KEY"})])
def test_what_opens_a_store_is_given_to_a_program_that_asks_for_it(listed: tuple[str, ...], given: set[str]) -> None:
    """The keys of the store of outputs are Lading's own; a program that names one in [secrets] gets that."""
    outputs = ObjectStore(store="s3://kept", access_key="STORE_ID", secret_key="STORE_KEY")
    manifest = shop(jobs={"report": Job(command="report")}, secrets=Secrets(optional=listed))
    versions = {"STORE_ID": 1, "STORE_KEY": 2, "OTHER": 1}
    configuration = configure("stage", Environment(outputs=outputs), versions, manifest)
    assert configuration.secret_versions == {"STORE_ID": 1, "STORE_KEY": 2}
    unit = planned(manifest, table=Environment(outputs=outputs), versions=versions).unit
    assert unit is not None
    assert set(unit.jobs[0].secrets) == given
