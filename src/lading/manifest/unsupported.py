"""What the grammar knows and this version does not do yet: refused by name, never ignored."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from lading.manifest.problems import Found, Path, Problem, dotted
from lading.manifest.text import FILE_NAME
from lading.model.errors import LadingError
from lading.model.manifest import Job, Manifest, Service, Volume

Applies = Callable[[Any, Manifest, str], bool]


def _always(_value: Any, _manifest: Manifest, _environment: str) -> bool:
    return True


def _without_variable(value: Volume, _manifest: Manifest, _environment: str) -> bool:
    return value.env is None


class Rule(NamedTuple):
    """One row: the key (``*`` stands for any name), why it is refused and what to do instead, and when it applies.

    ``scope`` says for people which values are meant, where not all are. ``of_bundles``: only where the service or job
    runs a bundle.
    """

    key: str
    message: str
    remedy: str
    applies: Applies = _always
    scope: str = ""
    of_bundles: bool = False


_CONTAINERS = "means something inside a container, and a bundle runs as a plain process"
_UNRESTRICTED = "needs a container, and a bundle runs as a plain process, which reaches whatever its host does"
_LATER = "is not done by this version yet"

RULES: tuple[Rule, ...] = (
    *(
        Rule(f"services.*.{key}", _CONTAINERS, remedy, scope="of a bundle", of_bundles=True)
        for key, remedy in (
            ("entrypoint", "use command"),
            ("aliases", "remove it"),
            ("user", "remove it"),
            ("home", "set HOME in env"),
            ("relax", "remove it: there is nothing to relax"),
        )
    ),
    *(
        Rule(
            f"{kind}.*.volumes.*",
            "names a path inside a container, and a bundle runs as a plain process",
            'name the variable that gets the directory: { env = "DATA_DIR" }',
            _without_variable,
            "of a bundle, a path without env",
            of_bundles=True,
        )
        for kind in ("services", "jobs")
    ),
    Rule(
        "services.*.image",
        "is found by name on the network of the environment's containers, and a bundle runs outside of it",
        "build an image instead of the bundle, or name a server of your own in env",
        lambda _value, manifest, _environment: any(build.kind == "bundle" for build in manifest.build.values()),
        "beside a bundle",
    ),
    Rule(
        "services.*.files.*",
        "names a path inside a container, and a bundle runs as a plain process",
        'name the variable that gets the path: { env = "CONFIG_DIR" }',
        _without_variable,
        "of a bundle, a path without env",
        of_bundles=True,
    ),
    *(
        Rule(key, _UNRESTRICTED, "build an image, or remove it", scope="of a bundle", of_bundles=True)
        for key in ("services.*.egress", "jobs.*.egress", "environments.*.egress.*")
    ),
    Rule("policy", _LATER, "write it per environment: requires = { gates = [ … ] }"),
    Rule(
        "environments.*.host",
        "is reached by https, which this version does not speak yet",
        "reach it by ssh: ssh://USER@HOST",
        lambda value, _manifest, _environment: value.startswith("https://"),
        "https://",
    ),
    Rule("environments.*.backup", _LATER, "back up by other means until then"),
    Rule("environments.*.requires.restore_tested_within", _LATER, "remove it"),
)


def find_unsupported(manifest: Manifest, environment: str) -> list[Found]:
    """Return what deploying to the environment would have to ignore; KeyError for an unknown environment."""
    if environment not in manifest.environments:
        raise KeyError(environment)
    found: list[Found] = []
    for rule in RULES:
        for path, value in _values(manifest, rule.key.split("."), environment):
            if rule.applies(value, manifest, environment) and not (rule.of_bundles and _is_image(path, manifest)):
                found.append(Found(path, rule.message, rule.remedy, at_key=True))
    return found


def _is_image(path: Path, manifest: Manifest) -> bool:
    """Tell whether the service or job that a path names runs an image."""
    users: Mapping[str, Service | Job] = manifest.jobs if path[0] == "jobs" else manifest.services
    # What an environment says of a service names it last.
    user = users[str(path[-1] if path[0] == "environments" else path[1])]
    if isinstance(user, Service) and user.image is not None:
        return True
    build = manifest.build.get(user.build or next(iter(manifest.build), ""))
    return build is not None and build.kind == "image"


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
        # Of all environments only the one in question: there may be thousands, and each is asked about.
        chosen = {environment: value[environment]} if path == ("environments",) else value
        yield from (((*path, name), item) for name, item in chosen.items())
        return
    item = getattr(value, step)
    if item != _default(type(value), step):  # type: ignore[arg-type]  # a class is hashable
        yield (*path, step), item


@cache
def _default(kind: type, name: str) -> Any:
    field = next(field for field in msgspec.structs.fields(kind) if field.name == name)
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
