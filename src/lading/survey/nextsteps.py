"""The commands that lead from a drafted manifest to a running program."""

import re
from collections.abc import Iterator

from lading.survey.configuration import configuration_of
from lading.survey.draft import Draft
from lading.survey.values import Dependencies, Survey

MOST_SECRETS = 4  # commands shown for single secrets
MADE_UP = re.compile(r"(SECRET|SECRET_?KEY|JWT_?KEY|SIGNING_?KEY|SESSION_?KEY|ENCRYPTION_?KEY)$", re.IGNORECASE)


def next_steps(survey: Survey, draft: Draft, *, up: bool) -> list[str]:
    """Return the commands in their order. ``up`` tells that there is ``lading up``, which reads ``.env``."""
    names = [row.key.strip('"') for row in configuration_of(survey).required]
    steps = list(_pinning(survey.dependencies, draft.missing))
    from_file = up and bool(names) and bool(survey.dotenv.there or survey.dotenv.example)
    if (survey.dotenv.there or from_file) and not survey.dotenv.ignored:
        steps.append("echo .env >> .gitignore")
    if from_file:
        fill = f"# and see that it gives {', '.join(names)}"
        steps.append(fill.replace("and", ".env is there:", 1) if survey.dotenv.there else f"{_copy(survey)}   {fill}")
    steps.append("lading check")
    if not survey.has_git:
        steps.append("git init --quiet")
    steps.append('git add . && git commit --quiet -m "Describe the deployment"')
    steps += [] if from_file else _secrets(names)
    steps.append("lading up" if up else "lading deploy local")
    return steps


def _copy(survey: Survey) -> str:
    return f"cp {survey.dotenv.example} .env"


def _secrets(names: list[str]) -> list[str]:
    made_up = [f"lading secrets set local {name}{' --generate' if MADE_UP.search(name) else ''}" for name in names]
    steps = made_up[:MOST_SECRETS]
    if len(names) > MOST_SECRETS:
        steps[-1] += f"   # and so on for {', '.join(names[MOST_SECRETS:])}"
    return steps


def _pinning(found: Dependencies, missing: str) -> Iterator[str]:
    if not missing:
        yield from found.commands
        return
    add = _adding(found, missing)
    if add is None:
        yield from (*found.commands, f"# add {missing} to {found.source}, then pin again")
        return
    if found.bundle == "uv.lock":
        yield add
        return
    yield from (*found.commands[:-1], add, *found.commands[-1:])


def _adding(found: Dependencies, package: str) -> str | None:
    """Return the command that adds a package to the dependencies, None where a person has to."""
    inside = "" if found.context == "." else f"cd {found.context} && "
    if found.bundle == "uv.lock":
        return f"({inside}uv add --quiet --no-sync {package})" if inside else f"uv add --quiet --no-sync {package}"
    source = f"{found.bundle.removesuffix('.txt')}.in"
    if any(f" {source} -o " in command for command in found.commands):
        path = source if found.context == "." else f"{found.context}/{source}"
        return f"echo {package} >> {path}"
    return None
