"""Manifests as large as they may be, each filled with one thing: what is slow in the checker shows here."""

from collections.abc import Callable, Iterator
from functools import partial

from lading.manifest.text import LARGEST

HEAD = '[project]\nname = "x"\n[build.app]\nbundle = "uv.lock"\n[services.web]\ncommand = "x"\nport = 1\nready = "/r"\n'


def _filled(head: str, line: Callable[[int], str], tail: str = "") -> str:
    return "".join(_parts(head, line, tail))


def _parts(head: str, line: Callable[[int], str], tail: str) -> Iterator[str]:
    yield head
    left = LARGEST - len(head.encode()) - len(tail.encode())
    number = 0
    while left >= len(part := line(number)):
        yield part
        left -= len(part)
        number += 1
    yield tail


FILLED: dict[str, Callable[[], str]] = {
    "comments": partial(_filled, HEAD, lambda n: f"# {'x' * 100}\n"),
    "empty lines": partial(_filled, HEAD, lambda n: "\n"),
    "unknown keys": partial(_filled, "", lambda n: f"k{n} = 1\n"),
    "misspelt keys": partial(_filled, "", lambda n: f"enviromentservises{n} = 1\n"),
    "the same key": partial(_filled, "", lambda n: "a = 1\n"),
    "the same table": partial(_filled, "", lambda n: "[a]\n"),
    "services": partial(_filled, HEAD, lambda n: f'[services.s{n}]\ncommand = "x"\nport = 1\npath = "/p{n}"\n'),
    "broken services": partial(_filled, "", lambda n: f"[services.s{n}]\nprot = 1\n"),
    "environments": partial(_filled, HEAD, lambda n: f'[environments.e{n}]\nbackup = {{ every = "1h" }}\n'),
    "environments in a row": partial(
        _filled, HEAD, lambda n: f'[environments.e{n}]\nrequires = {{ passed = ["e{n + 1}"] }}\n'
    ),
    "smoke steps": partial(_filled, HEAD, lambda n: f'[[smoke]]\nname = "s{n}"\nget = "/{n}"\n'),
    "broken smoke steps": partial(_filled, "", lambda n: "[[smoke]]\n"),
    "captured values": partial(
        _filled, HEAD, lambda n: f'[[smoke]]\nname = "s{n}"\nget = "/{{{{c{n - 1}}}}}"\ncapture = {{ c{n} = "a" }}\n'
    ),
    "jobs": partial(_filled, HEAD, lambda n: f'[jobs.j{n}]\ncommand = "x"\nschedule = "1,2,3 */2 1-30/3 * *"\n'),
    "secrets": partial(_filled, f"{HEAD}[secrets]\nrequired = [\n", lambda n: f'"A{n}",\n', '"A0",\n]\n'),
    "variables": partial(_filled, f"{HEAD}[env]\n", lambda n: f'V{n} = "postgres://u:p{n}@h/d"\n'),
    "databases": partial(_filled, HEAD, lambda n: f'[databases.d{n}]\nengine = "sqlite"\nenv = "D"\n'),
    "tables in line": partial(_filled, "", lambda n: f"a{n} = {{b = {{c = {{d = {{e = {{f = 1}}}}}}}}}}\n"),
    "escapes": partial(_filled, "", lambda n: f'k{n} = "{chr(92)}u0041"\n'),
    "one long text": partial(_filled, 'a = """\n', lambda n: "x" * 4_000 + "\n", '"""\n'),
    "long keys": partial(_filled, "", lambda n: f"{'k' * 4_000}{n} = 1\n"),
    "dotted keys": partial(_filled, "", lambda n: f"a{n}.{'.'.join('a' * 30)} = 1\n"),
    "brackets": partial(_filled, "", lambda n: "[" * 4_000 + "\n"),
    "quotes": partial(_filled, "", lambda n: '"' * 4_000 + "\n"),
}
# Those that were slow before they were bounded; the campaign "manifests" runs them all.
SLOWEST = (
    "environments",
    "environments in a row",
    "secrets",
    "dotted keys",
    "unknown keys",
    "services",
    "captured values",
)
