"""Turns the commands of Procfiles, Dockerfiles and compose files into ones that a manifest takes."""

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

SERVERS = ("uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "waitress-serve", "fastapi", "flask", "streamlit",
           "uwsgi")  # fmt: skip
RUNNERS = (("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("pdm", "run"), ("hatch", "run"), ("python", "-m"),
           ("python3", "-m"))  # fmt: skip
LONGEST = 1000  # characters of a command that somebody wrote to be run
MIGRATES = re.compile(
    r"\b(alembic\b.*\bupgrade|manage\.py\s+migrate|flask\s+(--app\s+\S+\s+)?db\s+upgrade|aerich\s+upgrade)"
)
PORT = re.compile(r"\$\{?PORT(:-\d+)?\}?")
# What names where to listen, and what only a developer wants.
LISTENS = ("--host", "--port", "-p", "-h", "--bind", "-b", "--http", "--listen", "--server.port", "--server.address")
DROPPED = ("--reload", "--debug", "--debugger", "--proxy-headers", "--forwarded-allow-ips")
WITH_VALUE = ("--forwarded-allow-ips",)


class Parts(NamedTuple):
    """What a start command is made of: the server's words, migrations before it, and what could not be understood."""

    words: tuple[str, ...]
    migrations: tuple[str, ...]
    lost: tuple[str, ...]


def dissect(command: str) -> Parts:
    """Split a command line of a shell into the program that stays and what runs before it."""
    command = _unwrapped(command) if len(command) <= LONGEST else ""
    pieces = [piece.strip() for piece in re.split(r"&&|;|\n", command) if piece.strip()]
    migrations = tuple(piece for piece in pieces if MIGRATES.search(piece))
    left = [piece for piece in pieces if not MIGRATES.search(piece) and not piece.startswith(("#", "set ", "cd "))]
    chosen = next((piece for piece in reversed(left) if server_of(words_of(piece))), left[-1] if left else "")
    lost = tuple(piece for piece in left if piece != chosen)
    return Parts(tuple(words_of(chosen)), migrations, lost)


def _unwrapped(command: str) -> str:
    """Return what a shell is told to run, the command itself where it starts none."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    shell = words[:1] and words[0].rpartition("/")[2] in ("sh", "bash")
    flag = next((place for place, word in enumerate(words[1:3], 1) if re.fullmatch(r"-[a-z]*c", word)), 0)
    return words[flag + 1] if shell and flag and len(words) > flag + 1 else command


def words_of(command: str) -> list[str]:
    """Return a command's words without what only starts it: exec, a shell, a tool that runs in an environment."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    changed = True
    while changed and words:
        changed = False
        if words[0] == "exec" or re.fullmatch(r"[A-Za-z_]\w*=\S*", words[0]):
            words, changed = words[1:], True
        elif tuple(words[:2]) in RUNNERS[:5] or (tuple(words[:2]) in RUNNERS and words[2:3] and words[2] in SERVERS):
            words, changed = words[2:], True
    if words and words[0].startswith("/"):
        words[0] = words[0].rpartition("/")[2]
    if words[:1] == ["python3"]:
        words[0] = "python"
    return words


def server_of(words: Sequence[str]) -> str | None:
    """Return the web server a command starts, ``runserver`` for Django's own, None for anything else."""
    if not words:
        return None
    if words[0] in SERVERS:
        return words[0]
    return "runserver" if "runserver" in words else None


def needs_shell(words: Sequence[str]) -> bool:
    """Tell whether words mean something only to a shell."""
    return any(re.search(r"[|<>`]|\$(?!\{?PORT)", word) for word in words)


def listening(words: Sequence[str], server: str) -> list[str]:
    """Return a server's words with the place to listen at left to Lading, and without what only developers want."""
    kept = _without_place(words)
    if server == "uvicorn":
        return kept  # it reads UVICORN_HOST and UVICORN_PORT
    if server == "runserver":
        end = kept.index("runserver") + 1
        options = [word for word in kept[end:] if word.startswith("-")]
        return [*kept[:end], "{host}:{port}", *dict.fromkeys([*options, "--noreload"])]
    if server in ("fastapi", "flask"):
        return [*kept, "--host", "{host}", "--port", "{port}"]
    place = {
        "gunicorn": ["--bind", "{host}:{port}"],
        "hypercorn": ["--bind", "{host}:{port}"],
        "daphne": ["-b", "{host}", "-p", "{port}"],
        "granian": ["--host", "{host}", "--port", "{port}"],
        "waitress-serve": ["--listen={host}:{port}"],
        "uwsgi": ["--http", "{host}:{port}"],
    }
    if server == "streamlit":
        return [*kept, "--server.address={host}", "--server.port={port}", "--server.headless=true"]
    return [kept[0], *place[server], *kept[1:]]


def _without_place(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for place, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in LISTENS or name in WITH_VALUE:
            skip = not equals and place + 1 < len(words)
        elif word not in DROPPED and name not in ("--server.headless",) and not re.fullmatch(r"-[bp]\S*\d\S*", word):
            kept.append(word)
    return kept


def named_port(words: Sequence[str]) -> int | None:
    """Return the port that a command names."""
    found = [int(match[1]) for word in words if (match := re.search(r"(?:^|:|=)(\d{2,5})$", word))]
    return next((port for port in found if 1 <= port <= 65535), None)


def joined(words: Sequence[str]) -> str:
    """Return words as one command; braces of Lading's own need no quotes."""
    return " ".join(word if re.fullmatch(r"[\w@%+=:,./{}-]+", word) else shlex.quote(word) for word in words)
