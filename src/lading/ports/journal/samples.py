"""Small but complete values to put into a journal: for its conformance suite and for fixtures of old journals."""

from lading.model.bill import Envelope, Signature, TrustedKey
from lading.model.environment import Configuration, EnvironmentRecord, InstanceSpec, Pinned
from lading.model.environment_table import Environment
from lading.model.manifest import Build, Expect, Manifest, Probe, Project, Service, SmokeStep
from lading.model.plan import (
    Attest,
    Cutover,
    Drain,
    Fetch,
    Health,
    Plan,
    Preflight,
    Probing,
    Prune,
    Ready,
    Smoke,
    Start,
    Watch,
    Workers,
)
from lading.model.release import Artifact, Layer, Platform, Release, release_digest

PROJECT = "cashback"
SMOKE = SmokeStep(
    name="status", method="GET", path="/api/status", expect=Expect(status=(200,), json={"status": "ok", "n": [1, None]})
)
TAR = "application/vnd.oci.image.layer.v1.tar+zstd"


def release(version: str = "v1.0.0", project: str = PROJECT) -> Release:
    """Return a release of a web service and a worker; each version has its own digest."""
    manifest = Manifest(
        project=Project(name=project, description=f"Grüße von {version} ✓"),
        build={"app": Build(bundle="requirements.txt")},
        services={
            "web": Service(build="app", command="serve", port=8000, health=Probe(path="/health")),
            "mailer": Service(build="app", command="mail"),
        },
        smoke=(SMOKE,),
        env={"GREETING": 'a "quoted"\nline'},
    )
    layer = Layer(role="source", diff_id=f"sha256:{version}", digest=f"sha256:z{version}", size=10, media_type=TAR)
    platform = Platform(system="linux", machine="x86_64", libc="glibc 2.36", python="3.11")
    artifact = Artifact(name="app", kind="bundle", digest=f"sha256:a{version}", platform=platform, layers=(layer,))
    return Release(
        project=project,
        version=version,
        digest=release_digest((artifact,), manifest, {}),
        artifacts=(artifact,),
        manifest=manifest,
        migration_heads={"main": ("3f2a",)},
        created=1_700_000_000.5,
    )


def unit(version: str = "v1.0.0", rollout: int = 1, environment: str = "stage", project: str = PROJECT) -> Pinned:
    """Return a release as a rollout runs it: one web instance, one worker."""
    made = release(version, project)
    table = Environment(env={"LEVEL": "info"}, replicas={"web": 1})
    return Pinned(
        rollout=rollout,
        release=made,
        configuration=Configuration(
            environment=environment, tier="stage", table=table, secret_versions={"JWT_KEY": 2, "SMOKE_TOKEN": 1}
        ),
        instances=tuple(_instance(made, rollout, environment, name) for name in made.manifest.services),
        since=1_700_000_100.25,
    )


def _instance(made: Release, rollout: int, environment: str, service: str) -> InstanceSpec:
    said = made.manifest.services[service]
    return InstanceSpec(
        name=f"{made.project}-{environment}-r{rollout}-{service}-1",
        project=made.project,
        environment=environment,
        service=service,
        slot=1,
        rollout=rollout,
        digest=made.digest,
        version=made.version,
        artifact=made.artifacts[0].digest,
        kind="bundle",
        layers={layer.role: layer.diff_id for layer in made.artifacts[0].layers},
        command=said.command,
        port=said.port,
        env={"LEVEL": "info"},
        secrets={"JWT_KEY": ("JWT_KEY", 2)},
        databases={"main": "sqlite:////srv/main.db"},
        health=said.health,
    )


def record(name: str = "stage", project: str = PROJECT, serving: Pinned | None = None) -> EnvironmentRecord:
    """Return an environment's record with what it serves and the rollouts it may return to."""
    return EnvironmentRecord(
        project=project,
        name=name,
        tier="stage",
        port=7301,
        serving=serving or unit(environment=name, project=project),
        history=(3, 1),
    )


def plan(number: int, version: str = "v1.0.0", environment: str = "stage", project: str = PROJECT) -> Plan:
    """Return a plan with a step of every kind."""
    to, back = unit(version, number, environment, project), unit("v0.9.0", 0, environment, project)
    return Plan(
        project=project,
        environment=environment,
        kind="deploy",
        release=version,
        digest=to.release.digest,
        previous="v0.9.0",
        steps=(
            Preflight(release=to.release, configuration=to.configuration),
            Fetch(release=to.release),
            Start(instances=to.web),
            Health(instances=to.web),
            Ready(instances=to.web),
            Smoke(where="candidate", suite=to.release.manifest.smoke, unit=to),
            Probing(path="/health", host=None, per_second=20.0),
            Cutover(to=to, back=back),
            Workers(stop=back.workers, start=to.workers),
            Smoke(where="router", suite=to.release.manifest.smoke, unit=to),
            Watch(seconds=5.0, errors=0.02, unit=to, previous=back),
            Drain(instances=back.web, limit=30.0, keep=600.0),
            Attest(unit=to),
            Prune(),
        ),
        reasons=("it is newer",),
    )


def envelope(payload: str = "aGVsbG8=") -> Envelope:
    """Return a signed statement; the signature is made up."""
    return Envelope(
        payload_type="application/vnd.in-toto+json",
        payload=payload,
        signatures=(Signature(keyid="SHA256:abc", sig="c2ln"),),
    )


def trusted_key(fingerprint: str = "SHA256:abc", name: str = "stage agent") -> TrustedKey:
    """Return a key that could be believed."""
    return TrustedKey(fingerprint=fingerprint, public="cHVibGlj", name=name, added=1_700_000_000.0)
