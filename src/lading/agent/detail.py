"""Everything about one environment that may be told: what it serves and with what, what it demands, what it holds."""

import msgspec

from lading.agent.answers import EnvironmentDetail
from lading.agent.service import AgentService
from lading.model.environment import Configuration
from lading.model.manifest import Manifest
from lading.model.secret import Secret, redact


def detail(service: AgentService, project: str, environment: str) -> EnvironmentDetail:
    """Return what is known of an environment, also of one that has served nothing yet; secrets are masked."""
    record = service.journal.environment(project, environment)
    serving = record.serving if record is not None else None
    known = service.secrets.known()
    view = next((one for one in service.status.environments(project) if one.name == environment), None)
    return EnvironmentDetail(
        environment=view,
        configuration=_masked_table(serving.configuration, known) if serving is not None else None,
        manifest=_masked_manifest(serving.release.manifest, known) if serving is not None else None,
        policy=service.policies.get(project, environment).policy,
        secrets=service.secrets.entries(project, environment),
    )


def _masked_table(configuration: Configuration, known: tuple[Secret, ...]) -> Configuration:
    table = msgspec.structs.replace(configuration.table, env=_masked(configuration.table.env, known))
    return msgspec.structs.replace(configuration, table=table)


def _masked_manifest(manifest: Manifest, known: tuple[Secret, ...]) -> Manifest:
    services = {
        name: msgspec.structs.replace(one, env=_masked(one.env, known)) for name, one in manifest.services.items()
    }
    jobs = {name: msgspec.structs.replace(one, env=_masked(one.env, known)) for name, one in manifest.jobs.items()}
    # Smoke steps are no configuration, and may repeat anything.
    return msgspec.structs.replace(manifest, env=_masked(manifest.env, known), services=services, jobs=jobs, smoke=())


def _masked(env: dict[str, str], known: tuple[Secret, ...]) -> dict[str, str]:
    # A secret may stand in a variable by mistake.
    return {name: redact(value, known) for name, value in env.items()}
