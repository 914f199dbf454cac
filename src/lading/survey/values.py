"""What a survey finds, as frozen values; each says where it was seen."""

from typing import NamedTuple

import msgspec


class Place(NamedTuple):
    """A file and a line in it, 0 for the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An application object or the function that makes one: ``shop.main:app``, ``shop:create_app()``.

    ``arguments`` tells that the function cannot be called without any.
    """

    framework: str
    module: str
    name: str
    place: Place
    factory: bool = False
    arguments: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A path that answers GET. ``open`` tells that nothing was seen that would ask for an account."""

    path: str
    place: Place
    open: bool = True


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """An environment variable that the program reads or its sample file names.

    ``default`` is the value without it as text, None when there is none, and never kept where it may be a secret.
    ``required`` tells that the program does not go without it.
    """

    name: str
    place: Place
    required: bool
    sensitive: bool
    default: str | None = None
    kind: str = "text"


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """Where the dependencies stand, the file a bundle is built from, and the commands that pin them.

    ``context`` is the directory that holds it all. ``pinned`` tells that the file is there and pinned.
    """

    context: str
    source: str
    bundle: str
    pinned: bool
    commands: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()
    python: str = ""
    doubts: tuple[str, ...] = ()


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Something to run, as the repository itself says: in a Procfile, Dockerfile, compose file or as a script."""

    name: str
    command: str
    place: Place
    reason: str = ""


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """A database the program uses. ``variable`` gets its URL, or its path where ``part`` says so.

    ``fixed`` tells that the program reads no variable for it. ``scheme`` is the URL's, where it is not the plain one.
    """

    engine: str
    place: Place
    variable: str = ""
    part: str = ""
    scheme: str = ""
    fixed: bool = False


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """The command that brings the schema up, and what it is known by."""

    command: str
    place: Place


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """Which Host headers a program takes: written down, or in a variable whose parts a separator parts."""

    place: Place
    hosts: tuple[str, ...] | None = None
    variable: str = ""
    separator: str = ","


class DjangoFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of a Django project: its settings, and whether several compete; DEBUG where it is simply on."""

    settings: str
    split: bool
    debug: Place | None = None
    statics: bool = False


class DotEnv(msgspec.Struct, frozen=True, kw_only=True):
    """Whether there is an ``.env``, an example of one, and whether git is told to leave it out."""

    there: bool
    example: str
    ignored: bool


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found. ``doubts`` are for a person to look at, in sentences."""

    name: str
    name_reason: str
    description: str
    dependencies: Dependencies
    app: App | None
    others: tuple[App, ...]
    django: DjangoFacts | None
    hosts: Hosts | None
    web: Program | None
    port: tuple[int, str] | None
    health: Route | None
    ready: Route | None
    front: Route | None
    workers: tuple[Program, ...]
    jobs: tuple[Program, ...]
    database: Database | None
    migration: Migration | None
    variables: tuple[Variable, ...]
    beside: tuple[tuple[str, Place], ...]
    image: str
    front_end: str
    has_git: bool
    dotenv: DotEnv
    tells_openapi: bool
    schema: bool
    doubts: tuple[str, ...]
