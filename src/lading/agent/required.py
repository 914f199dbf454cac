"""Secrets that a release requires, looked at before anything is touched: missing, empty, placeholder."""

from collections.abc import Iterator, Mapping

from lading.model.environment import Configuration, EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.placeholders import placeholder
from lading.model.release import Release
from lading.ports.secrets import Secrets


def check_secrets(
    secrets: Secrets,
    release: Release,
    configuration: Configuration,
    record: EnvironmentRecord,
    examples: Mapping[str, str],
) -> None:
    """Raise ``secret-missing``, naming all that is wrong at once and the command that mends each; never a value.

    ``examples`` are the values of the project's ``.env.example``.
    """
    wrong = dict(_wrong(secrets, release, configuration, record.key, examples))
    if not wrong:
        return
    serving = record.serving.release.version if record.serving is not None else "nothing yet"
    width = max(len(name) for name in wrong)
    told = max(len(reason) for reason in wrong.values())
    commands = {name: f"lading secrets set {record.name} {name}" for name in wrong}
    raise LadingError(
        "secret-missing",
        doing="refused",
        happened=f"{record.name} lacks what {release.version} requires: {', '.join(wrong)}",
        details=tuple(f"{name:<{width}}  {reason:<{told}}  {commands[name]}" for name, reason in wrong.items()),
        now=f"serving: {serving}, untouched",
        hint=commands[next(iter(wrong))] if len(wrong) == 1 else f"all at once: lading secrets edit {record.name}",
    )


def _wrong(
    secrets: Secrets, release: Release, configuration: Configuration, key: str, examples: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name in release.manifest.secrets.required:
        version = configuration.secret_versions.get(name)
        if version is None:
            yield name, "it is missing"
            continue
        value = secrets.get(key, name, version).reveal()
        reason = placeholder(name, value, configuration.tier, examples.get(name, ""))
        if reason:
            yield name, reason
