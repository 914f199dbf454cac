"""From a release and a configuration to the unit that will serve: every instance, named and complete."""

from collections.abc import Iterator, Mapping

import msgspec

from lading.model.environment import Configuration, InstanceSpec, Pinned
from lading.model.manifest import Environment, Manifest, Probe, Resources, Service
from lading.model.release import Release


def configure(name: str, table: Environment, secret_versions: Mapping[str, int], manifest: Manifest) -> Configuration:
    """Return the environment's configuration with the versions of those secrets that the release names."""
    wanted = {*manifest.secrets.required, *manifest.secrets.optional}
    return Configuration(
        environment=name,
        tier=table.tier_of(name),
        table=table,
        secret_versions={key: secret_versions[key] for key in sorted(wanted) if key in secret_versions},
    )


def unit_of(number: int, release: Release, configuration: Configuration, databases: Mapping[str, str]) -> Pinned:
    """Return the unit that rollout ``number`` would serve; ``databases`` maps names to URLs."""
    return Pinned(
        rollout=number,
        release=release,
        configuration=configuration,
        instances=tuple(_instances(number, release, configuration, databases)),
    )


def _instances(
    number: int, release: Release, configuration: Configuration, databases: Mapping[str, str]
) -> Iterator[InstanceSpec]:
    for name, service in release.manifest.services.items():
        for slot in range(1, configuration.table.replicas.get(name, 1) + 1):
            yield _instance(number, release, configuration, databases, name, service, slot)


def _instance(
    number: int,
    release: Release,
    configuration: Configuration,
    databases: Mapping[str, str],
    name: str,
    service: Service,
    slot: int,
) -> InstanceSpec:
    artifact = release.artifact(service.build)
    manifest = release.manifest
    return InstanceSpec(
        name=f"{release.project}-{configuration.environment}-r{number}-{name}-{slot}",
        project=release.project,
        environment=configuration.environment,
        service=name,
        slot=slot,
        rollout=number,
        digest=release.digest,
        version=release.version,
        artifact=artifact.digest,
        kind=artifact.kind,
        layers={layer.role: layer.diff_id for layer in artifact.layers},
        command=service.command,
        port=service.port,
        env={**manifest.env, **service.env, **configuration.table.env},
        secrets={key: (key, version) for key, version in configuration.secret_versions.items()},
        volumes=service.volumes,
        databases=_database_urls(manifest, databases),
        resources=_resources(service, configuration.table.resources.get(name)),
        stop_signal=service.stop_signal,
        grace=service.grace,
        health=_asked_as(service.health, configuration.table.domain),
        ready=_asked_as(service.ready, configuration.table.domain),
    )


def _asked_as(probe: Probe | None, domain: str | None) -> Probe | None:
    """Return a probe that asks as visitors do: by the environment's domain, unless it names a host itself."""
    if probe is None or probe.host is not None or domain is None:
        return probe
    return msgspec.structs.replace(probe, host=domain)


def _database_urls(manifest: Manifest, databases: Mapping[str, str]) -> dict[str, str]:
    return {database.env: databases[name] for name, database in manifest.databases.items() if database.env is not None}


def _resources(service: Service, override: Resources | None) -> Resources:
    if override is None:
        return service.resources
    return Resources(
        cpu=override.cpu if override.cpu is not None else service.resources.cpu,
        memory=override.memory if override.memory is not None else service.resources.memory,
        pids=override.pids if override.pids is not None else service.resources.pids,
    )
