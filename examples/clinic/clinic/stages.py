"""The stages of the deterministic scan: each takes all sources (name → text) and yields findings."""

import ast
import re
from collections.abc import Iterator

from clinic.findings import Finding

Sources = dict[str, str]

_KEY = re.compile(r"(?i)\b(api[_-]?key|secret|password|token)\b\s*[:=]\s*['\"]([A-Za-z0-9+/_\-]{12,})['\"]")
_TODO = re.compile(r"\b(TODO|FIXME|XXX)\b:?\s*(.*)")
_PIN = re.compile(r"^[A-Za-z0-9_.\-\[\],]+\s*(==|@|;)")
_LONG = 60  # lines of a function that can still be taken in at a glance


def secrets(sources: Sources) -> Iterator[Finding]:
    """Values that look like credentials."""
    for name, number, line in _lines(sources):
        found = _KEY.search(line)
        if found:
            yield Finding(name, number, "secret", "danger", f"a {found[1].lower()} stands in the source")


def debts(sources: Sources) -> Iterator[Finding]:
    """What somebody meant to do later."""
    for name, number, line in _lines(sources):
        found = _TODO.search(line)
        if found:
            yield Finding(name, number, "debt", "note", found[0].strip()[:100])


def syntax(sources: Sources) -> Iterator[Finding]:
    """Python that cannot be read, and functions that nobody reads to their end."""
    for name, text in _python(sources):
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            yield Finding(name, error.lineno or 1, "syntax", "danger", f"cannot be parsed: {error.msg}")
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > _LONG:
                    yield Finding(name, node.lineno, "length", "warning", f"{node.name} has {length} lines")


def risks(sources: Sources) -> Iterator[Finding]:
    """Calls that hand over control, and errors that nobody hears of."""
    for name, text in _python(sources):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue  # told by another stage
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                yield Finding(name, node.lineno, "risk", "danger", f"{node.func.id} runs whatever it is given")
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                yield Finding(name, node.lineno, "risk", "warning", "a bare except hears nothing of what went wrong")


def dependencies(sources: Sources) -> Iterator[Finding]:
    """Requirements that can change by themselves."""
    for name, number, line in _lines({n: t for n, t in sources.items() if n.endswith("requirements.txt")}):
        wanted = line.split("#")[0].strip()
        if wanted and not wanted.startswith("-") and not _PIN.match(wanted):
            yield Finding(name, number, "dependency", "warning", f"{wanted} is not pinned")


def tests(sources: Sources) -> Iterator[Finding]:
    """Code without any test."""
    names = list(sources)
    if any(name.endswith(".py") for name in names) and not any("test" in name.lower() for name in names):
        yield Finding(".", 0, "tests", "warning", "there is Python, and no test of it")


STAGES = {
    "secrets": secrets,
    "debts": debts,
    "syntax": syntax,
    "risks": risks,
    "dependencies": dependencies,
    "tests": tests,
}


def _lines(sources: Sources) -> Iterator[tuple[str, int, str]]:
    for name, text in sources.items():
        yield from ((name, number, line) for number, line in enumerate(text.splitlines(), start=1))


def _python(sources: Sources) -> Iterator[tuple[str, str]]:
    yield from ((name, text) for name, text in sources.items() if name.endswith(".py"))
