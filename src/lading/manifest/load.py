"""From text to a manifest, or to everything that is wrong with it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lading.manifest.crosschecks import cross_check
from lading.manifest.crosschecks_smoke import service_for
from lading.manifest.grammar import MANIFEST
from lading.manifest.kinds import INVALID
from lading.manifest.problems import Findings, Found, Problem, dotted
from lading.manifest.text import FILE_NAME, decode, invalid, parse, read_text
from lading.manifest.unsupported import find_unsupported
from lading.model.manifest import Job, Manifest, SmokeStep

if TYPE_CHECKING:
    from lading.manifest.places import Places

MOST_SHOWN = 500  # problems; a file with more is no manifest somebody wrote


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What checking a manifest gives.

    ``manifest`` is None when there are problems. ``warnings`` deserve a look but stop nothing; ``notes`` say, per
    environment, what this version does not do yet and would refuse at a deployment.
    """

    manifest: Manifest | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


def load(path: Path) -> Manifest:
    """Return the manifest in a file.

    Raise ``manifest-missing`` when there is no file, and ``manifest-invalid`` with one line a problem, all of them,
    in the order of the text.
    """
    return load_text(read_text(path), path.name)


def load_text(text: str | bytes, filename: str = FILE_NAME) -> Manifest:
    """Return the manifest that a text holds; raise ``manifest-invalid`` with all its problems."""
    text = decode(text, filename) if isinstance(text, bytes) else text
    manifest, findings = _read(parse(text, filename))
    if manifest is None:
        raise invalid(place(findings.all, text, filename))
    return manifest


def check(path: Path) -> Checked:
    """Check a file: problems, warnings, and what this version does not do yet; raise only for what is no TOML."""
    return check_text(read_text(path), path.name)


def check_text(text: str, filename: str = FILE_NAME) -> Checked:
    """Check a text as :func:`check` does a file."""
    # Imported here: who only reads a manifest asks for no advice.
    from lading.manifest.advice import advise

    data = parse(text, filename)
    manifest, findings = _read(data)
    warnings = tuple(place(advise(data).all, text, filename))
    if manifest is None:
        return Checked(manifest=None, problems=tuple(place(findings.all, text, filename)), warnings=warnings)
    found: dict[Found, None] = {}
    for environment in manifest.environments:
        found.update(dict.fromkeys(find_unsupported(manifest, environment)))
    return Checked(manifest=manifest, warnings=warnings, notes=tuple(place(list(found), text, filename)))


def place(found: list[Found], text: str, filename: str) -> list[Problem]:
    """Give each finding its line and column, in the order of the text."""
    if not found:
        return []
    places = _places(text)
    problems = [
        _placed(item, places.key(item.path) if item.at_key else places.value(item.path), filename) for item in found
    ]
    problems.sort(key=lambda problem: (problem.line, problem.column, problem.key))
    left = len(problems) - MOST_SHOWN
    if left > 0:
        more = Problem(file=filename, key="", text=f"and {left} more problems", remedy="")
        return [*problems[:MOST_SHOWN], more]
    return problems


@lru_cache(maxsize=1)  # problems and warnings of one text come one after the other
def _places(text: str) -> Places:
    # Imported here: most manifests have no problem, and then nobody waits for the parser.
    from lading.manifest.places import Places

    return Places(text)


def _placed(item: Found, at: tuple[int, int], filename: str) -> Problem:
    return Problem(
        file=filename,
        key=dotted(item.path),
        text=item.text,
        remedy=item.remedy,
        line=at[0],
        column=at[1],
        structural=item.structural,
    )


def _read(data: dict[str, Any]) -> tuple[Manifest | None, Findings]:
    findings = Findings()
    manifest = MANIFEST.read(data, (), findings)
    cross_check(data, findings)
    if manifest is INVALID or len(findings):
        return None, findings
    return _filled(manifest), findings


def _filled(manifest: Manifest) -> Manifest:
    """Write down what was left out because there is only one choice."""
    only = next(iter(manifest.build), None)
    replace = msgspec.structs.replace
    prefixes = {name: service.path for name, service in manifest.services.items() if not service.is_worker}
    return replace(
        manifest,
        services={
            name: replace(service, build=service.build or only or "") if service.image is None else service
            for name, service in manifest.services.items()
        },
        jobs={name: _filled_job(job, only) for name, job in manifest.jobs.items()},
        databases={
            name: replace(database, build=database.build or (only if database.migrate else None))
            for name, database in manifest.databases.items()
        },
        smoke=tuple(_filled_step(step, prefixes) for step in manifest.smoke),
    )


def _filled_job(job: Job, only: str | None) -> Job:
    return msgspec.structs.replace(job, build=job.build or only)


def _filled_step(step: SmokeStep, prefixes: dict[str, str]) -> SmokeStep:
    if step.kind != "http" or step.service is not None or step.path is None:
        return step
    chosen = next(iter(prefixes)) if len(prefixes) == 1 else service_for(step.path, prefixes)
    return msgspec.structs.replace(step, service=chosen)
