"""Says what a survey found, a line a thing: subject, value, and where it was seen."""

from collections.abc import Iterator
from typing import NamedTuple

from lading.survey.apps import TITLES
from lading.survey.values import Survey


class Finding(NamedTuple):
    """One thing that was found."""

    subject: str
    value: str
    place: str


def findings(survey: Survey) -> list[Finding]:
    """Return what was found, in the order of a manifest."""
    return [Finding(subject, value, f"{place}") for subject, value, place in _all(survey)]


def _all(survey: Survey) -> Iterator[tuple[str, str, object]]:
    yield "project", survey.name, survey.name_reason
    found = survey.dependencies
    if found.source:
        yield "dependencies", "pinned" if found.pinned else "not pinned", found.source
    yield from _programs(survey)
    if survey.database is not None:
        yield "database", survey.database.engine, survey.database.place
    if survey.migration is not None:
        yield "migrations", survey.migration.command, survey.migration.place
    yield from (("beside", engine, place) for engine, place in survey.beside)
    if survey.variables:
        secrets = sum(variable.sensitive for variable in survey.variables)
        files = list(dict.fromkeys(variable.place.file for variable in survey.variables))
        listed = ", ".join(files[:3]) + (" …" if len(files) > 3 else "")
        yield "variables", f"{len(survey.variables)}, {secrets} of them secret", listed


def _programs(survey: Survey) -> Iterator[tuple[str, str, object]]:
    if survey.app is not None:
        app = survey.app
        target = f"{app.module}:{app.name}" if app.name else app.place.file
        yield "application", f"{TITLES.get(app.framework, 'Django')} {target}{'()' if app.factory else ''}", app.place
    if survey.web is not None:
        yield "start command", survey.web.name, survey.web.place
    for subject, route in (("health", survey.health), ("ready", survey.ready), ("page", survey.front)):
        if route is not None:
            yield subject, route.path, route.place
    yield from (("worker", program.name, program.place) for program in survey.workers)
    yield from (("job", program.name, program.place) for program in survey.jobs)
