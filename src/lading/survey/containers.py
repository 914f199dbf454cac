"""Reads Dockerfiles, compose files and Procfiles: what they start, where it listens, what stands beside it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from lading.model.dockerfile import instructions
from lading.survey.commands import dissect, server_of, words_of
from lading.survey.files import Repository
from lading.survey.values import Place, Program

COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
LARGEST_YAML = 64 * 1024  # bytes; the reader is slow and nests by recursion
# Images of programs that stand beside the application, by what they are.
BESIDE = {
    "postgres": ("postgres", "postgis", "timescale", "pgvector"),
    "redis": ("redis", "valkey", "keydb", "dragonfly"),
    "mysql": ("mysql", "mariadb"),
    "rabbitmq": ("rabbitmq",),
    "mongodb": ("mongo",),
}


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What a Dockerfile says of the program it starts."""

    file: str
    command: str = ""
    place: Place | None = None
    port: tuple[int, Place] | None = None
    user: str = ""
    variables: tuple[tuple[str, str, Place], ...] = ()


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """What a compose file says: programs built here, and engines beside them."""

    programs: tuple[Program, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    beside: tuple[tuple[str, Place], ...] = ()
    variables: tuple[tuple[str, str | None, Place], ...] = ()
    doubts: tuple[str, ...] = ()


def read_dockerfile(repository: Repository, context: str) -> Image | None:
    """Return what the Dockerfile starts, None when there is none."""
    at = "" if context == "." else f"{context}/"
    usual = (f"{at}Dockerfile", "Dockerfile", f"{at}docker/Dockerfile", f"{at}Containerfile", f"{at}Dockerfile.prod")
    name = next((name for name in usual if repository.has(name)), None)
    if name is None:
        return None
    entrypoint, command, place, port, user = "", "", None, None, ""
    variables: list[tuple[str, str, Place]] = []
    for number, word, rest in _instructions(repository.text(name) or ""):
        here = Place(name, number)
        if word == "FROM":
            entrypoint, command, place, port, user, variables = "", "", None, None, "", []
        elif word == "CMD":
            command, place = _command(rest), here
        elif word == "ENTRYPOINT":
            entrypoint, command, place = _command(rest), "", here
        elif word == "EXPOSE" and (match := re.match(r"(\d{1,5})", rest)):
            port = (int(match[1]), here)
        elif word == "USER":
            user = rest
        elif word == "ENV":
            variables += [(key, value, here) for key, value in _pairs(rest)]
    whole = _through_script(repository, at, f"{entrypoint} {command}".strip())
    return Image(file=name, command=whole, place=place, port=port, user=user, variables=tuple(variables))


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    for number, instruction in instructions(text):
        word, _, rest = instruction.partition(" ")
        yield number, word.upper(), rest.strip()


def _command(rest: str) -> str:
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except (ValueError, RecursionError):
            return rest
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return " ".join(word if re.fullmatch(r"[\w@%+=:,./${}-]+", word) else f"'{word}'" for word in words)
    return rest


def _pairs(rest: str) -> list[tuple[str, str]]:
    found = re.findall(r"([A-Za-z_]\w*)=(\"[^\"]*\"|'[^']*'|\S*)", rest)
    if found:
        return [(name, value.strip("\"'")) for name, value in found]
    name, _, value = rest.partition(" ")
    return [(name, value.strip())] if re.fullmatch(r"[A-Za-z_]\w*", name) and value else []


def _through_script(repository: Repository, at: str, command: str) -> str:
    """Return what a start script of the repository ends with; the command itself where it is none."""
    words = words_of(command)
    script = next((word for word in words if word.endswith(".sh")), None)
    if script is None:
        return command
    last = script.rpartition("/")[2]
    name = next((name for name in repository.files if name.rpartition("/")[2] == last and name.startswith(at)), None)
    if name is None:
        return command
    lines = re.sub(r"\\\n", " ", repository.text(name) or "").splitlines()
    rest = " ".join(words[words.index(script) + 1 :])
    return "\n".join(line.strip().replace('"$@"', rest) for line in lines if line.strip() and not line.startswith("#"))


def read_procfile(repository: Repository, context: str) -> list[Program]:
    """Return what a Procfile starts, by the names it gives."""
    at = "" if context == "." else f"{context}/"
    name = next((name for name in (f"{at}Procfile", "Procfile") if repository.has(name)), None)
    found = []
    for number, line in enumerate((repository.text(name) or "").splitlines() if name else [], 1):
        match = re.fullmatch(r"\s*([A-Za-z0-9_-]+)\s*:\s*(\S.*?)\s*", line)
        if match and name:
            found.append(Program(name=match[1], command=match[2], place=Place(name, number)))
    return found


def read_compose(repository: Repository) -> Stack:
    """Return what a compose file says; nothing where there is none or it cannot be read."""
    name = next((name for name in COMPOSE if repository.has(name)), None)
    text = repository.text(name) if name else None
    if not name or text is None:
        return Stack()
    data = _yaml(text)
    if data is None:
        return Stack(doubts=(f"{name} cannot be read, so what it says was not taken up",))
    services = data.get("services") if isinstance(data, dict) else None
    programs, ports, beside, variables = [], [], [], []
    for key, service in services.items() if isinstance(services, dict) else ():
        if not isinstance(service, dict) or not isinstance(key, str):
            continue
        place = Place(name, _line(text, key))
        engine = _engine(service.get("image"))
        if engine and "build" not in service:
            beside.append((engine, place))
            continue
        if "build" in service:
            command = _words(service.get("command"))
            programs.append(Program(name=key, command=command, place=place))
            ports += [(key, port) for port in _ports(service.get("ports"))]
            variables += [(*pair, place) for pair in _environment(service.get("environment"))]
    return Stack(programs=tuple(programs), ports=tuple(ports), beside=tuple(beside), variables=tuple(variables))


def _yaml(text: str) -> Any:
    if len(text.encode(errors="replace")) > LARGEST_YAML:
        return None
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def _engine(image: Any) -> str:
    if not isinstance(image, str):
        return ""
    last = image.rpartition("/")[2].partition(":")[0].lower()
    return next((engine for engine, names in BESIDE.items() if any(name in last for name in names)), "")


def _line(text: str, key: str) -> int:
    pattern = re.compile(rf"\s+[\"']?{re.escape(key)}[\"']?\s*:\s*(#.*)?$")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.fullmatch(line)), 0)


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    words = [str(word) for word in value] if isinstance(value, list) else []
    return " ".join(word if re.fullmatch(r"[\w@%+=:,./${}-]+", word) else f"'{word}'" for word in words)


def _ports(value: Any) -> Iterator[int]:
    for item in value if isinstance(value, list) else []:
        named = item.get("target") if isinstance(item, dict) else str(item).partition("/")[0].rpartition(":")[2]
        target = str(named)
        if re.fullmatch(r"[0-9]{1,5}", target) and 1 <= int(target) <= 65535:
            yield int(target)


def _environment(value: Any) -> Iterator[tuple[str, str | None]]:
    pairs: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        pairs = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list):
        pairs = [(name, item if equals else None) for name, equals, item in (str(x).partition("=") for x in value)]
    for name, item in pairs:
        if re.fullmatch(r"[A-Za-z_]\w{0,63}", name, re.ASCII):
            text = None if item is None else str(item).lower() if isinstance(item, bool) else str(item)
            default = re.fullmatch(r"\$\{\w+:?-([^}]*)\}", text or "")
            yield name, default[1] if default else None if "$" in (text or "") else text


def is_web(program: Program) -> bool:
    """Tell whether a program answers requests."""
    return server_of(dissect(program.command).words) is not None
