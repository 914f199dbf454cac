"""What the grammar knows and this version does not do yet: refused by name, never ignored."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from lading.manifest.problems import Found, Path, Problem, dotted
from lading.manifest.text import FILE_NAME
from lading.model.errors import LadingError
from lading.model.manifest import Manifest, Volume

Applies = Callable[[Any, Manifest, str], bool]


def _always(_value: Any, _manifest: Manifest, _environment: str) -> bool:
    return True


def _runs_schedules(_value: Any, manifest: Manifest, environment: str) -> bool:
    table = manifest.environments[environment]
    on_by_tier = table.tier_of(environment) == "production"
    return on_by_tier if table.schedules is None else table.schedules


def _without_variable(value: Volume, _manifest: Manifest, _environment: str) -> bool:
    return value.env is None


class Rule(NamedTuple):
    """One row: the key (``*`` stands for any name), why it is refused and what to do instead, and when it applies.

    ``scope`` says for people which values are meant, where not all are.
    """

    key: str
    message: str
    remedy: str
    applies: Applies = _always
    scope: str = ""


_CONTAINERS = "comes with the docker runtime; this version runs bundles as plain processes"
_LATER = "is not done by this version yet"

RULES: tuple[Rule, ...] = (
    Rule("build.*.dockerfile", _CONTAINERS, 'build a bundle: bundle = "uv.lock"'),
    Rule("services.*.entrypoint", _CONTAINERS, "use command"),
    Rule("services.*.static", _LATER, "serve the files from the program"),
    Rule("services.*.files", _CONTAINERS, "read them relative to the working directory, which is the source"),
    Rule("services.*.egress", _CONTAINERS, "remove it, knowing that nothing is restricted"),
    Rule("services.*.aliases", _CONTAINERS, "remove it"),
    Rule("services.*.user", _CONTAINERS, "remove it"),
    Rule("services.*.home", _CONTAINERS, "set HOME in env"),
    Rule("services.*.affinity", _LATER, "remove it"),
    Rule("services.*.relax", _CONTAINERS, "remove it: there is nothing to relax"),
    Rule(
        "services.*.volumes.*",
        "names a path inside a container, and this version runs plain processes",
        'name the variable that gets the directory: { env = "DATA_DIR" }',
        _without_variable,
        "a path without env",
    ),
    Rule(
        "databases.*.engine",
        'is "postgres", which this version does not run yet',
        'use engine = "sqlite", or give the URL of a database of your own as a secret',
        lambda value, _manifest, _environment: value == "postgres",
        '"postgres"',
    ),
    Rule(
        "jobs.*.schedule",
        "would not run: this version has no scheduler yet",
        "set schedules = false in the environment and start the job by other means",
        _runs_schedules,
        "where schedules are on",
    ),
    Rule("jobs.*.egress", _CONTAINERS, "remove it, knowing that nothing is restricted"),
    Rule(
        "jobs.*.volumes.*",
        "names a path inside a container, and this version runs plain processes",
        'name the variable that gets the directory: { env = "DATA_DIR" }',
        _without_variable,
        "a path without env",
    ),
    Rule("policy", _LATER, "write it per environment: requires = { gates = [ … ] }"),
    Rule(
        "environments.*.host",
        "is reached by https, which this version does not speak yet",
        "reach it by ssh: ssh://USER@HOST",
        lambda value, _manifest, _environment: value.startswith("https://"),
        "https://",
    ),
    Rule("environments.*.secrets", _LATER, "store the values in the agent"),
    Rule("environments.*.access", _LATER, "restrict access in front of the router"),
    Rule("environments.*.egress", _CONTAINERS, "remove it, knowing that nothing is restricted"),
    Rule(
        "environments.*.strategy.kind",
        "is not done by this version yet",
        'use "blue-green"',
        lambda value, _manifest, _environment: value != "blue-green",
        '"canary" and "recreate"',
    ),
    Rule("environments.*.strategy.canary", _LATER, 'use kind = "blue-green"'),
    Rule("environments.*.databases", _LATER, "remove it"),
    Rule("environments.*.backup", _LATER, "back up by other means until then"),
    Rule("environments.*.tls", _LATER, "end TLS in front of the router"),
    Rule("environments.*.requires.restore_tested_within", _LATER, "remove it"),
)


def find_unsupported(manifest: Manifest, environment: str) -> list[Found]:
    """Return what deploying to the environment would have to ignore; KeyError for an unknown environment."""
    if environment not in manifest.environments:
        raise KeyError(environment)
    found: list[Found] = []
    for rule in RULES:
        for path, value in _values(manifest, rule.key.split("."), environment):
            if rule.applies(value, manifest, environment):
                found.append(Found(path, rule.message, rule.remedy, at_key=True))
    return found


def unsupported(manifest: Manifest, environment: str, filename: str = FILE_NAME) -> list[Problem]:
    """Return, by name, what this version would have to ignore when it deploys to the environment.

    Raise ``unknown-environment`` when the manifest has none of that name.
    """
    if environment not in manifest.environments:
        raise unknown_environment(manifest, environment)
    return [
        Problem(file=filename, key=dotted(item.path), text=item.text, remedy=item.remedy)
        for item in find_unsupported(manifest, environment)
    ]


def refuse_unsupported(manifest: Manifest, environment: str, filename: str = FILE_NAME) -> None:
    """Raise ``not-supported`` with one line for each thing this version would have to ignore; else do nothing."""
    problems = unsupported(manifest, environment, filename)
    if problems:
        raise LadingError(
            "not-supported",
            doing=f"preparing {environment}",
            happened=f"{filename} asks for what this version does not do yet",
            now="nothing was changed",
            hint="change these keys, then run lading check",
            details=tuple(str(problem) for problem in problems),
        )


def unknown_environment(manifest: Manifest, environment: str) -> LadingError:
    """Return the error for an environment that the manifest does not name."""
    known = ", ".join(manifest.environments) or "none"
    return LadingError(
        "unknown-environment",
        happened=f"the manifest has no environment {environment}; it has: {known}",
        now="nothing was changed",
        hint=f"name one of them, or add [environments.{environment}]",
    )


def _values(manifest: Manifest, steps: list[str], environment: str) -> Iterator[tuple[Path, Any]]:
    """Give every value at the key that differs from its default; of the environments only the one in question."""
    pending: list[tuple[Path, Any]] = [((), manifest)]
    for step in steps:
        pending = [found for path, value in pending for found in _step(path, value, step, environment)]
    yield from pending


def _step(path: Path, value: Any, step: str, environment: str) -> Iterator[tuple[Path, Any]]:
    if step == "*":
        for name, item in value.items():
            if path != ("environments",) or name == environment:
                yield (*path, name), item
        return
    item = getattr(value, step)
    if item != _default(type(value), step):
        yield (*path, step), item


def _default(kind: type, name: str) -> Any:
    field = next(field for field in msgspec.structs.fields(kind) if field.name == name)
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
