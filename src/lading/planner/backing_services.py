"""Services that run somebody else's image: they back an environment and stay as they are from release to release."""

from collections.abc import Iterator

from lading.model.data_steps import StartBacking
from lading.model.environment import Configuration, InstanceSpec, Observed
from lading.model.manifest import Service
from lading.model.plan import Step
from lading.model.release import FILES, Release, backing_name
from lading.planner.backing import server_name
from lading.planner.units import resources_of

WITHIN = 60.0  # seconds in which it must be up


def steps(release: Release, configuration: Configuration, observed: Observed) -> Iterator[Step]:
    """Yield what brings up a release's backing services, or finds them up as they should be."""
    for name, service in release.manifest.services.items():
        if service.image is not None:
            yield StartBacking(
                service=name,
                spec=spec_of(release, configuration, name, service),
                back=observed.record.backing.get(name),
                check=service.check,
                within=WITHIN,
            )


def spec_of(release: Release, configuration: Configuration, name: str, service: Service) -> InstanceSpec:
    """Return the instance of a backing service.

    Nothing of the release or the rollout is in it, so that the next release finds it as it is: it is another one only
    where the image, what it is told or what it keeps is another.
    """
    artifact = release.artifact(backing_name(name))
    files = release.artifact(FILES).layer("files") if service.files else None
    layers = {layer.role: layer.diff_id for layer in artifact.layers}
    # Only what the service itself asks for: another service's variable must not replace it.
    env = {key: configuration.table.env.get(key, value) for key, value in service.env.items()}
    return InstanceSpec(
        name=server_name(release.project, configuration.environment, name),
        project=release.project,
        environment=configuration.environment,
        service=name,
        slot=1,
        rollout=0,
        digest="",
        version=service.image or "",
        artifact=artifact.digest,
        kind="image",
        layers=layers if files is None else layers | {"files": files.diff_id},
        image=service.image,
        command=service.command,
        entrypoint=service.entrypoint,
        env=env,
        volumes=service.volumes,
        files=service.files,
        resources=resources_of(service, configuration.table.resources.get(name)),
        stop_signal=service.stop_signal,
        grace=service.grace,
        aliases=(name, *service.aliases),
        user=service.user,
        home=service.home,
        relax=service.relax,
        egress=configuration.table.egress.get(name, service.egress),
    )
