"""Writes the manifest that a survey suggests: what works with this version, each guess with its reason beside it."""

from typing import NamedTuple

import msgspec

from lading.manifest import check_text
from lading.model.errors import LadingError
from lading.survey.commands import dissect, joined, listening, server_of
from lading.survey.configuration import Configuration, configuration_of
from lading.survey.layout import Block, Row, inline, rendered, text
from lading.survey.names import valid_name
from lading.survey.serving import Start, port_row, probes_of, start_of
from lading.survey.values import Database, Program, Survey

HEAD = (
    "Drafted by lading init from what this repository says; the reason stands beside each guess.",
    "Correct what is wrong, then: lading check. Lines that begin with # are for you to switch on.",
)
_MIGRATE = """
[project]
name = "x"
[build.app]
bundle = "uv.lock"
[databases.main]
engine = "sqlite"
env = "U"
migrate = "x"
[environments.local]
"""


class Draft(NamedTuple):
    """A manifest's text, the package to add for its command, and what a person should look at."""

    text: str
    missing: str
    doubts: tuple[str, ...]


def draft(survey: Survey, *, migrations: bool | None = None, image: bool = False) -> Draft:
    """Return the manifest for a repository. It passes ``lading check`` of this version.

    ``migrations`` says whether the version carries migrations out; the manifest's own rules are asked when it is None.
    ``image``: build an image from a Dockerfile, which may have yet to be written, and no bundle.
    """
    whole = _whole(survey, takes_migrations(image=image) if migrations is None else migrations, image)
    problem = _problem(whole.text)
    if not problem:
        return whole
    doubts = (*survey.doubts, f"what was found makes no valid manifest, so little of it was taken: {problem}")
    return Draft(_text(survey, [_project(survey), _build(survey, image), *_nothing(), *_environments()]), "", doubts)


def _problem(text: str) -> str:
    try:
        problems = check_text(text).problems
    except LadingError as error:
        return next(iter(error.details), error.happened)
    return str(problems[0]) if problems else ""


def _text(survey: Survey, blocks: list[Block]) -> str:
    head = ["#:schema ./.lading.schema.json"] if survey.schema else []
    return "\n".join([*head, *(f"# {line}" for line in HEAD)]) + "\n\n" + rendered(blocks)


def _whole(survey: Survey, migrations: bool, image: bool) -> Draft:
    start = start_of(survey)
    settings = configuration_of(survey)
    doubts = [*survey.doubts]
    blocks = [_project(survey), _build(survey, image)]
    if start is not None:
        probes = probes_of(survey)
        doubts += probes.doubts
        blocks.append(_web(survey, start, probes.rows, image))
        blocks += _volumes("web", settings)
    for program in survey.workers:
        blocks += [_worker(program), *_volumes(_worker_name(program), settings)]
    blocks += _databases(survey, doubts, migrations=migrations)
    blocks += [_job(program) for program in survey.jobs]
    if start is not None:
        blocks.append(Block(header="[[smoke]]", rows=probes.smoke))
    elif survey.jobs:
        blocks.append(_job_smoke(survey.jobs[0]))
    else:
        blocks += _nothing()
        doubts.append("nothing was found that runs: fill in [services.web], or [jobs.NAME] for what runs to its end")
    blocks += [*_variables(survey, settings), *_environments()]
    doubts += [*settings.doubts, *_doubts(survey, start)]
    missing = start.missing if start is not None else ""
    return Draft(_text(survey, blocks), missing, tuple(dict.fromkeys(doubts)))


def _project(survey: Survey) -> Block:
    rows = [Row("name", text(survey.name), survey.name_reason)]
    if survey.description:
        rows.append(Row("description", text(survey.description), "pyproject.toml"))
    return Block(header="[project]", rows=tuple(rows))


def _build(survey: Survey, image: bool) -> Block:
    found = survey.dependencies
    if image:
        at = "" if found.context == "." else f"{found.context}/"
        rows = [Row("dockerfile", text(survey.image or f"{at}Dockerfile"), "what is built; it pins every dependency")]
        if at:
            rows.append(Row("context", text(found.context), "what the Dockerfile's paths are relative to"))
        return Block(header="[build.app]", rows=tuple(rows), reason="one artifact for every environment")
    if found.pinned:
        reason = "it pins every dependency"
    elif found.source:
        reason = f"yet to be made from {found.source}: it pins every dependency"
    else:
        reason = "yet to be made: no file says what the program needs"
    rows = [Row("bundle", text(found.bundle), reason)]
    if found.context != ".":
        rows.append(Row("context", text(found.context), "the dependencies stand there; paths below are relative to it"))
    if survey.image:
        rows.append(
            Row(
                "dockerfile",
                text(survey.image),
                "instead of bundle: an image, for hosts with a container engine",
                off=True,
            )
        )
    return Block(header="[build.app]", rows=tuple(rows), reason="one artifact for every environment")


def _web(survey: Survey, start: Start, probes: tuple[Row, ...], image: bool) -> Block:
    command = Row("command", text(start.command), start.reason)
    if image:
        command = Row("command", text(start.command), "else what the Dockerfile starts", off=True)
    rows = [command, port_row(survey), *probes]
    return Block(header="[services.web]", rows=tuple(rows))


def _worker(program: Program) -> Block:
    name = _worker_name(program)
    words = dissect(program.command).words
    server = server_of(words)
    command = program.command if program.reason else joined(words)
    rows = [Row("command", text(command), f"{program.place}{'  ' if program.reason else ''}{program.reason}")]
    if server is not None:
        rows = [Row("command", text(joined(listening(words, server))), f"{program.place}")]
    return Block(header=f"[services.{name}]", rows=tuple(rows), reason="no port: it takes no requests")


def _worker_name(program: Program) -> str:
    name = valid_name(program.name)
    return "web-worker" if name == "web" else name


def _volumes(service: str, settings: Configuration) -> list[Block]:
    return [Block(header=f"[services.{service}.volumes]", rows=settings.volumes)] if settings.volumes else []


def _databases(survey: Survey, doubts: list[str], *, migrations: bool) -> list[Block]:
    found = survey.database
    if found is None:
        return []
    if found.engine != "sqlite":
        if survey.migration is not None:
            doubts.append(
                f"{survey.migration.command} ({survey.migration.place}) is yours to run before a release: "
                "Lading runs migrations of databases it provides"
            )
        return []
    rows = [Row("engine", '"sqlite"', f"{found.place}"), _given(found)]
    if found.scheme:
        rows.append(Row("url_scheme", text(found.scheme), f"{found.place}: the driver's own"))
    rows += _migrate(survey, doubts, migrations=migrations)
    if found.fixed:
        doubts.append(
            f"{found.place} has a fixed path, so the next release would begin with an empty database: let the program "
            f"read {found.variable}, then switch [databases.main] on"
        )
        off = [msgspec.structs.replace(row, off=True) for row in rows]
        header = Row("[databases.main]", "", f"once the program reads {found.variable}", off=True)
        return [Block(header="", rows=(header, *off))]
    reason = "a directory that outlives releases; Lading names the file"
    return [Block(header="[databases.main]", rows=tuple(rows), reason=reason)]


def _given(found: Database) -> Row:
    reason = f"{found.place}: " + ("it does not read this yet" if found.fixed else "it reads this")
    if found.part:
        return Row("env_parts", inline([(found.variable, text(found.part))]), f"{reason}, for the file's path")
    return Row("env", text(found.variable), reason)


def _migrate(survey: Survey, doubts: list[str], *, migrations: bool) -> list[Row]:
    found = survey.migration
    if found is None:
        return []
    if migrations:
        return [Row("migrate", text(found.command), f"{found.place}: once a rollout, before the new release starts")]
    doubts.append(f"this version runs no migrations yet: run {found.command} when the program starts")
    return [Row("migrate", text(found.command), f"{found.place}: not done by this version yet", off=True)]


def takes_migrations(*, image: bool = False) -> bool:
    """Tell whether this version carries migrations of SQLite databases out, from bundles or from images."""
    checked = check_text(_MIGRATE.replace("bundle", "dockerfile") if image else _MIGRATE)
    return checked.manifest is not None and not checked.notes


def _job(program: Program) -> Block:
    rows = (
        Row("command", text(program.command), program.reason),
        Row("timeout", '"10m"', "longer is stopped; the usual is an hour"),
    )
    return Block(header=f"[jobs.{valid_name(program.name)}]", rows=rows, reason=f"{program.place}: it runs to its end")


def _job_smoke(job: Program) -> Block:
    rows = (
        Row("name", text(f"{valid_name(job.name)} starts"), "better: a small real run whose output is judged"),
        Row("job", text(valid_name(job.name)), "the job above"),
        Row("args", '["--help"]', "most programs answer this and do nothing"),
        Row("expect", inline([("exit", "0")]), "text = … asks for more"),
    )
    return Block(header="[[smoke]]", rows=rows)


def _nothing() -> list[Block]:
    service = (
        Row("[services.web]", "", "what runs all the time and takes requests", off=True),
        Row("command", '"uvicorn main:app"', "starts it; {host} and {port} stand for where to listen", off=True),
        Row("port", "8000", "without it, the service is a worker", off=True),
        Row("ready", '"/ready"', "a path that answers 200 when requests may come", off=True),
    )
    smoke = (
        Row("[[smoke]]", "", "a behaviour that every release must show", off=True),
        Row("name", '"status"', "what reports call it", off=True),
        Row("get", '"/status"', "asked before and after the release takes over", off=True),
    )
    return [Block(header="", rows=service), Block(header="", rows=smoke)]


def _variables(survey: Survey, settings: Configuration) -> list[Block]:
    blocks = []
    env = list(settings.env)
    if survey.django is not None and survey.django.split:
        reason = "several settings were found; these serve everywhere, environments differ by variables"
        env.insert(0, Row("DJANGO_SETTINGS_MODULE", text(survey.django.settings), reason))
    if env:
        on = [row for row in env if not row.off]
        off = [row for row in env if row.off]
        blocks.append(
            Block(header="[env]", rows=(*on, *off), reason="the same everywhere; an environment may set others")
        )
    if settings.required or settings.optional:
        rows = [*_names("required", settings.required), *_names("optional", settings.optional)]
        reason = "names only: lading secrets set ENVIRONMENT NAME"
        blocks.append(Block(header="[secrets]", rows=tuple(rows), reason=reason))
    return blocks


def _names(key: str, rows: tuple[Row, ...]) -> list[Row]:
    if not rows:
        return []
    return [Row(f"{key} = [", ""), *(Row(f"  {row.key},", "", row.reason) for row in rows), Row("]", "")]


def _environments() -> list[Block]:
    requires = Row("requires", '{ passed = "stage" }', "takes what stage has tested, nothing else")
    return [
        Block(header="[environments.local]", reason="this machine, for trying"),
        Block(header="[environments.stage]", rows=_elsewhere("stage.example.org")),
        Block(header="[environments.production]", rows=(requires, *_elsewhere("example.org"))),
    ]


def _elsewhere(domain: str) -> tuple[Row, ...]:
    return (
        Row("host", text(f"ssh://deploy@{domain}"), "another machine with an agent; else it is this one", off=True),
        Row("domain", text(domain), "the name it is reached by; else it is a port of its own", off=True),
    )


def _doubts(survey: Survey, start: Start | None) -> list[str]:
    doubts = []
    if start is not None and start.missing:
        doubts.append(f"no server was found among the dependencies; the command takes {start.missing}")
    if len(survey.others) > 0 and survey.app is not None:
        others = ", ".join(f"{app.module}:{app.name}" for app in survey.others if not app.factory)[:200]
        if others:
            doubts.append(f"there are other applications too: {others}")
    if survey.app is not None and survey.app.arguments:
        doubts.append(f"{survey.app.place}: {survey.app.name}() needs arguments, which a server does not give")
    if survey.django is not None:
        doubts += _django_doubts(survey)
    if survey.front_end:
        doubts.append(f"{survey.front_end}/package.json: build the front end and serve its files from the program")
    return doubts


def _django_doubts(survey: Survey) -> list[str]:
    doubts, facts = [], survey.django
    if facts is None:
        return []
    if facts.debug is not None:
        doubts.append(f"{facts.debug} sets DEBUG = True for every environment: read it from a variable")
    hosts = survey.hosts.hosts if survey.hosts is not None else None
    if hosts == () and facts.debug is None and survey.hosts is not None:
        doubts.append(
            f"{survey.hosts.place} allows no host, so that every request is refused: read ALLOWED_HOSTS from a variable"
        )
    if facts.statics and "whitenoise" not in survey.dependencies.packages:
        doubts.append("static files are served by nobody when DEBUG is off: WhiteNoise does it from the program")
    return doubts
