"""Alembic's revisions (Flask-Migrate's too), from its configuration and the files below ``versions``."""

import configparser
import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence

from lading.build.entries import Tree
from lading.build.graph import Graph, assigned, parsed, texts

PYPROJECT = "pyproject.toml"
FLASK_DIRECTORY = "migrations"
SEPARATORS = {"os": ":", "space": " ", "newline": "\n"}


def read_alembic(words: Sequence[str], tree: Tree, env: Mapping[str, str]) -> Graph | None:
    """Return the graph of what ``alembic upgrade …`` would bring up; None where that is not what the words do."""
    options = _flask_options(words) or _options(words)
    if options is None:
        return None
    settings = {"script_location": options.get("directory", "")}
    if "directory" not in options:
        settings = _settings(tree, options.get("config") or env.get("ALEMBIC_CONFIG"), options.get("name") or "alembic")
    parents = dict(_revisions(tree, settings))
    if not parents:
        return None
    target = options["target"]
    followed = {parent for found in parents.values() for parent in found}
    heads = tuple(sorted(set(parents) - followed))
    if target not in ("head", "heads"):
        # A revision of its own is where it ends; one that is counted or named in part is not read here.
        heads = (target,) if target in parents else ()
    forks = heads if target == "head" and len(heads) > 1 else ()
    return Graph("alembic", heads, tuple(sorted(parents)), forks, f"{options['merge']} -m merge {' '.join(forks)}")


def _options(words: Sequence[str]) -> dict[str, str] | None:
    """Return config, section and target of an ``alembic upgrade``; None for any other command."""
    rest = list(words)
    if len(rest) > 2 and re.fullmatch(r"(.*/)?python[0-9.]*", rest[0]) and rest[1] == "-m":
        rest = rest[2:]
    if posixpath.basename(rest[0]) != "alembic":
        return None
    found: dict[str, str] = {}
    plain = []
    names = {"-c": "config", "--config": "config", "-n": "name", "--name": "name", "-x": "x"}
    while rest[1:]:
        word = rest.pop(1)
        option, given, value = word.partition("=")
        if option in names:
            found[names[option]] = value if given else (rest.pop(1) if rest[1:] else "")
        elif not word.startswith("-"):
            plain.append(word)
    if len(plain) != 2 or plain[0] != "upgrade":
        return None
    return {**found, "target": plain[1], "merge": "alembic merge"}


def _flask_options(words: Sequence[str]) -> dict[str, str] | None:
    """Return directory and target of a ``flask db upgrade``; None for any other command."""
    rest = [word for word in words if word not in ("--sql", "--multidb")]
    if posixpath.basename(rest[0]) != "flask" or "db" not in rest:
        return None
    own = rest[rest.index("db") + 1 :]
    directory = FLASK_DIRECTORY
    for option in ("-d", "--directory"):
        if option in own[:-1]:
            place = own.index(option)
            directory, own = own[place + 1], own[:place] + own[place + 2 :]
    if own[:1] != ["upgrade"] or len(own) > 2:
        return None
    return {"directory": directory, "target": own[1] if own[1:] else "head", "merge": "flask db merge"}


def _settings(tree: Tree, config: str | None, section: str) -> dict[str, str]:
    """Return the settings, with the directory of their file as ``here``."""
    found: dict[str, str] = {}
    if PYPROJECT in tree and tree[PYPROJECT].target is None:
        found |= _of_pyproject(tree[PYPROJECT].read())
    path = posixpath.normpath(config) if config else "alembic.ini"
    if path in tree and tree[path].target is None:
        here = posixpath.dirname(path) or "."
        # An interpolation that fails, or a password with a per cent sign, must not keep the other lines from us.
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(tree[path].read().decode())
        except (configparser.Error, UnicodeDecodeError):
            return found
        if parser.has_section(section):
            found |= {name: value.replace("%(here)s", here) for name, value in parser.items(section)}
    return found


def _of_pyproject(text: bytes) -> dict[str, str]:
    try:
        table = tomllib.loads(text.decode()).get("tool", {}).get("alembic", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError):
        return {}
    found = {}
    for name, value in table.items():
        text_of = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
        found[name] = text_of.replace("%(here)s", ".")
    if isinstance(table.get("version_locations"), list):
        found["path_separator"] = "newline"
    return found


def _revisions(tree: Tree, settings: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each revision with those it follows."""
    recursive = settings.get("recursive_version_locations", "").lower() in ("true", "yes", "on", "1")
    for location in _locations(settings):
        for folder in _folders(location):
            for path, entry in sorted(tree.items()):
                inside = path.removeprefix(folder + "/") if folder else path
                if not path.endswith(".py") or (folder and inside == path) or (not recursive and "/" in inside):
                    continue
                module = parsed(entry)
                names = assigned(module.body) if module is not None else {}
                for revision in texts(names.get("revision")):
                    yield revision, tuple(texts(names.get("down_revision")))


def _locations(settings: Mapping[str, str]) -> Iterator[str]:
    if "version_locations" not in settings:
        if "script_location" in settings:
            yield f"{settings['script_location'].strip()}/versions"
        return
    chosen = settings.get("path_separator") or settings.get("version_path_separator") or ""
    separator = SEPARATORS.get(chosen, chosen)
    text = settings["version_locations"]
    parts = text.split(separator) if separator else re.split(r"[,\s]+", text)
    yield from filter(None, (part.strip() for part in parts))


def _folders(location: str) -> Iterator[str]:
    """Yield where a location may lie in the tree: as a path, or as ``package:path`` beside or below ``src``."""
    package, found, rest = location.partition(":")
    paths = [f"{top}{package.replace('.', '/')}/{rest}" for top in ("", "src/")] if found else [location]
    for path in paths:
        folder = posixpath.normpath(path)
        if not folder.startswith(("..", "/")):
            yield "" if folder == "." else folder
