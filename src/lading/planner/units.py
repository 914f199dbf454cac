"""From a release and a configuration to the unit that will serve: every instance, named and complete."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from lading.model.environment import Configuration, InstanceSpec, Observed, Pinned
from lading.model.environment_table import Environment
from lading.model.manifest import Database, Job, Manifest, Probe, Service
from lading.model.paths import STATIC_READY
from lading.model.release import FILES, Release
from lading.model.value import Resources
from lading.planner import backing

# It takes requests, so it has a port; which one, the host decides.
STATIC_PORT = 80


def configure(name: str, table: Environment, secret_versions: Mapping[str, int], manifest: Manifest) -> Configuration:
    """Return the environment's configuration with the versions of those secrets that the release names, or its edge."""
    wanted = {*manifest.secrets.required, *manifest.secrets.optional, *table.needed_secrets}
    return Configuration(
        environment=name,
        tier=table.tier_of(name),
        table=table,
        secret_versions={key: secret_versions[key] for key in sorted(wanted) if key in secret_versions},
    )


def unit_of(
    number: int,
    release: Release,
    configuration: Configuration,
    databases: Mapping[str, str],
    port: int | None = None,
    passwords: Mapping[str, int] = MappingProxyType({}),
) -> Pinned:
    """Return the unit that rollout ``number`` would serve; ``databases`` maps names to URLs.

    ``port`` is the environment's local port, where its table does not ask for another. ``passwords`` has the versions
    of the passwords of databases that have a server.
    """
    making = _Making(number, release, configuration, databases, passwords)
    return Pinned(
        rollout=number,
        release=release,
        configuration=configuration,
        instances=tuple(making.instances()),
        jobs=tuple(making.jobs()),
        port=configuration.table.port or port,
    )


def migration_of(
    number: int, release: Release, configuration: Configuration, observed: Observed, name: str
) -> InstanceSpec:
    """Return what runs a database's migration: its command, in the release's own environment, as jobs are run."""
    making = _Making(number, release, configuration, observed.databases, observed.passwords)
    return making.migration(name, release.manifest.databases[name])


class _Making:
    """What all specs of one unit share."""

    def __init__(
        self,
        number: int,
        release: Release,
        configuration: Configuration,
        databases: Mapping[str, str],
        passwords: Mapping[str, int],
    ) -> None:
        self._passwords = passwords
        self._number = number
        self._release = release
        self._configuration = configuration
        self._databases = databases

    def instances(self) -> Iterator[InstanceSpec]:
        for name, service in self._release.manifest.services.items():
            if service.image is not None:
                continue  # it belongs to the environment, not to a release
            for slot in range(1, self._configuration.table.replicas.get(name, 1) + 1):
                yield self._instance(name, service, slot)

    def jobs(self) -> Iterator[InstanceSpec]:
        manifest = self._release.manifest
        for name, job in manifest.jobs.items():
            spec = self._spec(name, f"{self._prefix}-{name}", self._build_of(job), {**manifest.env, **job.env})
            yield msgspec.structs.replace(
                spec,
                command=job.command,
                volumes=job.volumes,
                resources=manifest.sizes[job.size].resources if job.size is not None else Resources(),
                **self._ways_out(job.egress),
            )

    def migration(self, name: str, database: Database) -> InstanceSpec:
        build = database.build if database.build is not None else self._release.artifacts[0].name
        spec = self._spec(f"migrate-{name}", f"{self._prefix}-migrate-{name}", build, self._release.manifest.env)
        return msgspec.structs.replace(spec, command=database.migrate)

    @property
    def _prefix(self) -> str:
        return f"{self._release.project}-{self._configuration.environment}-r{self._number}"

    @property
    def _withheld(self) -> frozenset[str]:
        """Secrets that no program is given: what guards the way in, and what opens a store, unless it asks for it."""
        named, table = self._release.manifest.secrets, self._configuration.table
        return frozenset(table.edge_secrets) | (set(table.store_secrets) - {*named.required, *named.optional})

    def _build_of(self, job: Job) -> str:
        return job.build if job.build is not None else self._release.artifacts[0].name

    def _spec(self, service: str, name: str, build: str, env: dict[str, str]) -> InstanceSpec:
        release, configuration = self._release, self._configuration
        artifact = release.artifact(build)
        return InstanceSpec(
            name=name,
            project=release.project,
            environment=configuration.environment,
            service=service,
            slot=0,
            rollout=self._number,
            digest=release.digest,
            version=release.version,
            artifact=artifact.digest,
            kind=artifact.kind,
            layers={layer.role: layer.diff_id for layer in artifact.layers},
            # The environment's variables go before the release's own.
            env={**env, **configuration.table.env},
            secrets={
                key: (key, version)
                for key, version in configuration.secret_versions.items()
                if key not in self._withheld
            },
            databases=_database_variables(release.manifest, self._databases),
            told=backing.told(release, configuration, artifact.kind, self._passwords),
        )

    def _instance(self, name: str, service: Service, slot: int) -> InstanceSpec:
        if service.static is not None:
            return self._static(name, service, slot)
        env = {**self._release.manifest.env, **service.env}
        table = self._configuration.table
        spec = self._spec(name, f"{self._prefix}-{name}-{slot}", service.build, env)
        files = self._release.artifact(FILES).layers if service.files else ()
        return msgspec.structs.replace(
            spec,
            layers=spec.layers | {layer.role: layer.diff_id for layer in files},
            slot=slot,
            command=service.command,
            port=service.port,
            volumes=service.volumes,
            files=service.files,
            resources=resources_of(service, table.resources.get(name)),
            stop_signal=service.stop_signal,
            grace=service.grace,
            health=_asked_as(service.health, table.domain),
            ready=_asked_as(service.ready, table.domain),
            entrypoint=service.entrypoint,
            aliases=service.aliases,
            user=service.user,
            home=service.home,
            relax=service.relax,
            **self._ways_out(table.egress.get(name, service.egress)),
        )

    def _static(self, name: str, service: Service, slot: int) -> InstanceSpec:
        """Return the instance that serves built files: Lading's own server, which is told nothing of the project's."""
        of_bundle = self._release.manifest.build[service.build].kind == "bundle"
        artifact = service.build if of_bundle else FILES
        layer = self._release.artifact(artifact).layer("source" if of_bundle else f"static-{name}")
        spec = self._spec(name, f"{self._prefix}-{name}-{slot}", artifact, {})
        return msgspec.structs.replace(
            spec,
            slot=slot,
            kind="static",
            layers={"static": layer.diff_id},
            static=service.static if of_bundle else ".",
            port=STATIC_PORT,
            env={},
            secrets={},
            databases={},
            resources=resources_of(service, self._configuration.table.resources.get(name)),
            stop_signal=service.stop_signal,
            grace=service.grace,
            ready=Probe(path=STATIC_READY),
        )

    def _ways_out(self, egress: tuple[str, ...] | None) -> dict[str, Any]:
        """Return what restricts an instance, and whom it finds within its environment nevertheless."""
        if egress is None:
            return {}
        manifest = self._release.manifest
        peers = [alias for name, service in manifest.services.items() for alias in (name, *service.aliases)]
        peers += backing.hosts(manifest.databases)
        return {"egress": egress, "peers": tuple(dict.fromkeys(peers))}


def _asked_as(probe: Probe | None, domain: str | None) -> Probe | None:
    """Return a probe that asks as visitors do: by the environment's domain, unless it names a host itself."""
    if probe is None or probe.host is not None or domain is None:
        return probe
    return msgspec.structs.replace(probe, host=domain)


def _database_variables(manifest: Manifest, databases: Mapping[str, str]) -> dict[str, str]:
    told = (
        database.variables(databases[name]) for name, database in manifest.databases.items() if not database.has_server
    )
    return {variable: value for values in told for variable, value in values.items()}


def resources_of(service: Service, override: Resources | None) -> Resources:
    """Return a service's limits, each as its environment has it where that says something else."""
    if override is None:
        return service.resources
    return Resources(
        cpu=override.cpu if override.cpu is not None else service.resources.cpu,
        memory=override.memory if override.memory is not None else service.resources.memory,
        pids=override.pids if override.pids is not None else service.resources.pids,
    )
