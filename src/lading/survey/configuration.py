"""Sorts variables: what the manifest sets, what is a secret, what a default takes care of."""

import re
from typing import NamedTuple

from lading.manifest.words import CODE_VARIABLES, SECRET_PATTERN
from lading.model.placeholders import placeholder
from lading.survey.layout import Row, inline, text
from lading.survey.names import valid_name
from lading.survey.values import Survey, Variable

MOST_DEFAULTS = 30  # variables with a default that are listed; they are for information
# Directories that a program fills, by the names of the variables that say where they are.
KEPT = re.compile(
    r"(UPLOAD|MEDIA|DATA|STORAGE|WORKSPACE|RECEIPT|ATTACHMENT|FILE|DOCUMENT)\w*_?(DIR|DIRECTORY|FOLDER|ROOT)$|(^|_)UPLOADS$",
    re.IGNORECASE,
)
FLAGS = {"True": "False", "true": "false", "1": "0", "on": "off", "yes": "no", "t": "f"}
BESIDE = {"redis": "REDIS_URL", "rabbitmq": "CELERY_BROKER_URL", "mongodb": "MONGODB_URL"}
OPTIONAL = re.compile(r"_DSN$|SENTRY", re.IGNORECASE)


class Configuration(NamedTuple):
    """The rows of [env] and [secrets], the directories that outlive releases, and what is not sure."""

    env: tuple[Row, ...]
    required: tuple[Row, ...]
    optional: tuple[Row, ...]
    volumes: tuple[Row, ...]
    doubts: tuple[str, ...]


def configuration_of(survey: Survey) -> Configuration:
    """Return what the manifest says of the program's variables."""
    sorter = _Sorter(survey)
    for variable in survey.variables:
        sorter.take(variable)
    sorter.add_what_is_implied()
    return Configuration(
        (*sorter.env, *sorter.open, *sorter.defaults[:MOST_DEFAULTS]),
        tuple(sorter.required),
        tuple(sorter.optional),
        tuple(sorter.volumes),
        tuple(sorter.doubts),
    )


class _Sorter:
    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.env: list[Row] = []
        self.open: list[Row] = []
        self.defaults: list[Row] = []
        self.required: list[Row] = []
        self.optional: list[Row] = []
        self.volumes: list[Row] = []
        self.doubts: list[str] = []
        database = survey.database
        self.given = database.variable if database is not None and database.engine == "sqlite" else ""

    def take(self, variable: Variable) -> None:
        """Sort one variable in."""
        name = variable.name
        if name == self.given:
            return
        if self.survey.hosts is not None and name == self.survey.hosts.variable:
            self._hosts(variable)
        elif variable.sensitive:
            self._secret(variable)
        elif name in CODE_VARIABLES:
            self.doubts.append(f"{variable.place} reads {name}, which decides what code runs: it is not configuration")
        elif KEPT.search(name) and self.survey.app is not None:
            directory = self._fresh(re.sub(r"_?(DIR|DIRECTORY|FOLDER|ROOT)$", "", name, flags=re.IGNORECASE))
            reason = f"{variable.place}: a directory that outlives releases"
            self.volumes.append(Row(directory, inline([("env", text(name))]), reason))
        else:
            self._plain(variable)

    def _hosts(self, variable: Variable) -> None:
        separator = self.survey.hosts.separator if self.survey.hosts is not None else ","
        value = separator.join(("127.0.0.1", "localhost"))
        reason = f"{variable.place}: Lading asks as 127.0.0.1; an environment with a domain adds that"
        self.env.append(Row(variable.name, text(value), reason))

    def _secret(self, variable: Variable) -> None:
        name = variable.name
        if not re.fullmatch(SECRET_PATTERN, name) or name in CODE_VARIABLES:
            self.doubts.append(
                f"{variable.place} reads {name}: a secret's name has capitals, digits and underscores only"
            )
            return
        if name.endswith(("_URL", "_URI", "_DSN", "_BACKEND")):
            reason = f"{variable.place}: an address, and addresses carry passwords"
        elif variable.required:
            reason = f"{variable.place}: the program does not go without it"
        elif variable.default is not None:
            reason = f"{variable.place}: its default stands in the code, where everybody can read it"
        else:
            reason = f"{variable.place}: read without a default"
        if OPTIONAL.search(name) and not variable.required:
            self.optional.append(Row(text(name), "", f"{variable.place}: the program goes without it too"))
        else:
            self.required.append(Row(text(name), "", self._about(name) or reason))

    def _about(self, name: str) -> str:
        database = self.survey.database
        if database is not None and database.engine != "sqlite" and name == database.variable:
            return _elsewhere(database.engine, f"{database.place}")
        return ""

    def _fresh(self, text: str) -> str:
        name = valid_name(text)
        return name if name not in {row.key for row in self.volumes} else f"{name[:30]}-{len(self.volumes) + 1}"

    def _plain(self, variable: Variable) -> None:
        name, default, place = variable.name, variable.default, f"{variable.place}"
        sampled = variable.place.file.rpartition("/")[2].startswith((".env", "env", "example"))
        if default is not None and _is_debug(name) and default in FLAGS:
            self.env.append(Row(name, text(FLAGS[default]), f"{place}: on unless told otherwise"))
        elif default and not placeholder(name, default, "local") and (variable.required or sampled):
            self.env.append(Row(name, text(default), f"{place}: as there; environments may set another"))
        elif variable.required or (default is None and sampled):
            reason = f"{place}: needs a value, here or in the env of each environment"
            self.open.append(Row(name, '""', reason, off=True))
        elif default:
            self.defaults.append(Row(name, text(default), f"{place}: its default", off=True))
        else:
            self.defaults.append(Row(name, '""', f"{place}: may be set", off=True))

    def add_what_is_implied(self) -> None:
        """Add the addresses of what stands beside the program and is read by no variable that was seen."""
        names = {variable.name for variable in self.survey.variables}
        database = self.survey.database
        if database is not None and database.engine != "sqlite" and database.variable not in names:
            told = any(re.match(r"(POSTGRES|PG|DB|MYSQL|DATABASE)_?\w*(PASS\w*|PASSWORD)$", name) for name in names)
            if database.variable and not told:
                reason = _elsewhere(database.engine, f"{database.place}")
                self.required.append(Row(text(database.variable), "", reason))
        for engine, place in self.survey.beside:
            wanted = BESIDE.get(engine)
            if wanted and not any(engine in name.lower() or "BROKER" in name for name in names):
                self.doubts.append(f"{place} runs {engine}, and no variable was seen that names it: {wanted}?")


def _elsewhere(engine: str, place: str) -> str:
    title = {"postgres": "PostgreSQL", "mysql": "MySQL"}.get(engine, engine)
    return f"{place}: {title}, which Lading does not run yet: the address of one of your own"


def _is_debug(name: str) -> bool:
    return name.upper().endswith("DEBUG")
