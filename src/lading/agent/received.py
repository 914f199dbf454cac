"""What clients send, held against the rules that a client's own check may have skipped: names become paths here."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from lading.agent.asking import BackingAsked, BringRequest, RolloutRequest, RunRequest
from lading.manifest.unsupported import refuse_unsupported
from lading.manifest.words import (
    CODE_RULE,
    CODE_VARIABLES,
    NAME_PATTERN,
    NAME_RULE,
    REGION,
    SECRET_PATTERN,
    SECRET_RULE,
    SOURCE_PATTERN,
    SOURCE_RULE,
    STORE,
    STORE_ENDPOINT,
    VARIABLE_PATTERN,
    VARIABLE_RULE,
    static_complaint,
)
from lading.model.environment_table import Environment, ObjectStore
from lading.model.errors import LadingError
from lading.model.manifest import Job, Manifest, Service
from lading.model.release import Artifact, Release, artifact_digest, release_digest

# What git takes for a tag, without what a terminal would not show as it is.
VERSION_PATTERN = r"[0-9A-Za-z_][0-9A-Za-z_.+/-]{0,127}"
VERSION_RULE = "versions are like v1.5.0: at most 128 letters, digits and . _ + / -"

MOST_ARGUMENTS = 64 << 10  # characters of all arguments of one run

# ``PROJECT-ENVIRONMENT-rN-SERVICE-SLOT`` names an instance: what stands before the number must not hold another one.
_LIKE_AN_INSTANCE = re.compile(r".-.+?-r\d+(-|$)")


def check_request(request: RolloutRequest) -> None:
    """Raise ``usage`` for names that are none, and for what an environment's table cannot ask."""
    problems = [*_named(NAME_PATTERN, NAME_RULE, "environment", [request.environment])]
    problems += _named(NAME_PATTERN, NAME_RULE, "project", [request.project])
    if _LIKE_AN_INSTANCE.search(f"{request.project}-{request.environment}"):
        problems.append(f"{request.project}-{request.environment} would read like the name of a rollout's instance")
    if request.table is not None:
        problems += _of_table(request.table)
    _refuse(f"{request.kind} to {request.environment!r}", problems)


def check_backing(project: str, environment: str, asked: BackingAsked) -> None:
    """Raise ``usage`` for names that are none: they become parts of paths."""
    problems = [*_named(NAME_PATTERN, NAME_RULE, "environment", [environment])]
    problems += _named(NAME_PATTERN, NAME_RULE, "project", [project])
    problems += _named(NAME_PATTERN, NAME_RULE, "database", asked.databases)
    problems += _named(NAME_PATTERN, NAME_RULE, "volume", asked.volumes)
    problems += _named(NAME_PATTERN, NAME_RULE, "service", asked.services)
    _refuse(f"what backs {environment!r}", problems)


def check_bringing(request: BringRequest) -> None:
    """Raise ``usage`` for names that are none, and for what an environment's table cannot ask."""
    problems = [*_named(NAME_PATTERN, NAME_RULE, "environment", [request.environment])]
    if request.manifest.project.name != request.project:
        problems.append(f"the manifest is of {request.manifest.project.name}")
    problems += [*_of_manifest(request.manifest), *_of_table(request.table)]
    _refuse(f"what backs {request.environment!r}", problems)


def check_run(request: RunRequest) -> None:
    """Raise ``usage`` for names that are none, and for arguments that no program can be given."""
    problems = [*_named(NAME_PATTERN, NAME_RULE, "environment", [request.environment])]
    problems += _named(NAME_PATTERN, NAME_RULE, "project", [request.project])
    problems += _named(NAME_PATTERN, NAME_RULE, "job", [request.job])
    if any("\0" in argument for argument in request.args):
        problems.append("an argument holds a NUL character")
    if sum(len(argument) for argument in request.args) > MOST_ARGUMENTS:
        problems.append(f"the arguments are longer than {MOST_ARGUMENTS >> 10} KB together")
    _refuse(f"a run of {request.job!r} in {request.environment!r}", problems)


def refuse_dry_run(request: RolloutRequest) -> None:
    """Raise ``usage`` when somebody who wants to change nothing asks for a rollout."""
    if request.dry_run:
        raise LadingError(
            "usage",
            doing=f"{request.kind} to {request.environment!r}",
            happened="a dry run was asked for, and a rollout is none",
            now="nothing was changed",
            hint="POST /v1/plans says what would be done",
        )


def check_supported(release: Release, environment: str, table: Environment) -> None:
    """Raise ``not-supported`` rather than ignore what a release or an environment asks for, such as access limits."""
    whole = msgspec.structs.replace(release.manifest, environments={environment: table})
    refuse_unsupported(whole, environment)


def check_manifest(manifest: Manifest, version: str) -> None:
    """Raise ``usage`` for names that are none: they become parts of paths, variables and instance names."""
    problems = [*_of_manifest(manifest), *_named(VERSION_PATTERN, VERSION_RULE, "version", [version])]
    _refuse(f"taking release {version!r} of {manifest.project.name!r}", problems)


def check_record(release: Release) -> None:
    """Raise ``artifact-corrupt`` when a release's digest is not that of the artifacts and layers it lists."""
    names = [artifact.name for artifact in release.artifacts]
    wrong = [reason for artifact in release.artifacts if (reason := _wrong_artifact(artifact))]
    if len(set(names)) != len(names):
        wrong.append("it lists two artifacts of one name")
    own = release_digest(release.artifacts, release.manifest, release.migration_heads)
    if own != release.digest:
        wrong.append(f"its record says {release.digest}, but what it describes has {own}")
    if release.manifest.project.name != release.project:
        wrong.append(f"its manifest is of {release.manifest.project.name}")
    if wrong:
        raise LadingError(
            "artifact-corrupt",
            doing=f"taking over release {release.version} of {release.project}",
            happened="; ".join(wrong),
            now="nothing was recorded",
            hint="build it again from its commit, under a new version",
        )


def _wrong_artifact(artifact: Artifact) -> str:
    roles = [layer.role for layer in artifact.layers]
    if len(set(roles)) != len(roles):
        return f"artifact {artifact.name} has two layers of one role"
    own = artifact_digest(artifact.kind, artifact.platform, artifact.layers)
    if own != artifact.digest:
        return f"artifact {artifact.name} says {artifact.digest}, but its layers have {own}"
    return ""


def _of_manifest(manifest: Manifest) -> Iterator[str]:
    users: tuple[Service | Job, ...] = (*manifest.services.values(), *manifest.jobs.values())
    tables: dict[str, Iterable[str]] = {
        "project": [manifest.project.name],
        "build": manifest.build,
        "service": manifest.services,
        "database": manifest.databases,
        "job": manifest.jobs,
        "volume": [name for user in users for name in user.volumes],
    }
    for what, names in tables.items():
        yield from _named(NAME_PATTERN, NAME_RULE, what, names)
    yield from _named(
        SOURCE_PATTERN, SOURCE_RULE, "file", [path for one in manifest.services.values() for path in one.files]
    )
    for name, service in manifest.services.items():
        if service.static is not None and (wrong := static_complaint(service.static)):
            yield f"services.{name}.static {wrong}"
    variables = [*manifest.env, *(name for user in users for name in user.env)]
    yield from _named(VARIABLE_PATTERN, VARIABLE_RULE, "variable", variables)
    secrets = (*manifest.secrets.required, *manifest.secrets.optional)
    yield from _named(SECRET_PATTERN, SECRET_RULE, "secret", secrets)
    yield from _of_code(secrets)


def _of_table(table: Environment) -> Iterator[str]:
    yield from _named(VARIABLE_PATTERN, VARIABLE_RULE, "variable", table.env)
    yield from _of_code(table.env)
    yield from _named(SECRET_PATTERN, SECRET_RULE, "secret", table.needed_secrets)
    if table.outputs is not None:
        yield from _of_store(table.outputs)
    for service, count in table.replicas.items():
        if not 1 <= count <= 64:
            yield f"{count} replicas of {service}: a number from 1 to 64 is meant"
    if table.port is not None and not 1 <= table.port <= 65535:
        yield f"port {table.port} is not between 1 and 65535"


def _of_store(store: ObjectStore) -> Iterator[str]:
    # Not repeated: somebody may have put a key there.
    for kind, value in ((STORE, store.store), (STORE_ENDPOINT, store.endpoint), (REGION, store.region)):
        if value is not None and re.fullmatch((kind.pattern or "").removesuffix("$"), value) is None:
            yield f"the store of outputs should have {kind.should}"


def _of_code(names: Iterable[str]) -> Iterator[str]:
    yield from (f"{name} {CODE_RULE}" for name in names if name in CODE_VARIABLES)


def _named(pattern: str, rule: str, what: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        # ``$`` would let a line end pass.
        if re.fullmatch(pattern.removesuffix("$"), name) is None:
            yield f"{name!r} is no name of a {what}: {rule}"


def _refuse(doing: str, problems: list[str]) -> None:
    if problems:
        raise LadingError(
            "usage", doing=doing, happened="; ".join(problems), now="nothing was changed", hint="lading check"
        )
