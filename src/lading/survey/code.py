"""Python modules as syntax trees: names resolved through imports, literals read. No code is run."""

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from lading.survey.files import Repository, is_aside
from lading.survey.values import Place

MOST_MODULES = 600  # modules read; nearest to the root first
MOST_HOPS = 6  # imports followed to where a name is defined
# Modules without any of these words say nothing that is asked for.
TELLING = re.compile(
    r"fastapi|starlette|flask|litestar|quart|django|streamlit|gradio|dash|celery|dramatiq|\brq\b|arq|huey|environ|getenv"
    r"|Settings|decouple|dj_database_url|sqlite|route|Router|Blueprint|urlpatterns|URLCONF|INSTALLED_APPS|DATABASES"
    r"|uvicorn|dotenv|def main|import ",
    re.IGNORECASE,
)


class Module(NamedTuple):
    """A module: its path, dotted name, tree, and what each imported name stands for."""

    path: str
    name: str
    tree: ast.Module
    imports: dict[str, str]

    def place(self, node: ast.AST) -> Place:
        """Return where a node stands."""
        return Place(self.path, getattr(node, "lineno", 0))

    def full(self, node: ast.AST | None) -> str:
        """Return the dotted name an expression stands for, empty for what is no name: ``fastapi.FastAPI``."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        first = self.imports.get(node.id, f"{self.name}.{node.id}" if self.name else node.id)
        return ".".join([first, *reversed(parts)])


class Code:
    """All modules of a repository below one directory."""

    def __init__(self, repository: Repository, context: str) -> None:
        names = [name for name in repository.below(context) if name.endswith(".py") and not is_aside(name)]
        names.sort(key=lambda name: (name.count("/"), name))
        self.paths = names
        texts = [(name, text) for name in names[:MOST_MODULES] if (text := repository.text(name)) is not None]
        # Where the code calls itself src.…, that is its name; elsewhere src is only a folder on the path.
        self._keeps_src = any(re.search(r"^\s*(?:from|import) src\b", text, re.MULTILINE) for _, text in texts)
        self._context = context
        self._repository = repository
        self.broken: list[str] = []
        self.modules = [module for name, text in texts if TELLING.search(text) and (module := self._module(name, text))]
        self._by_name = {module.name: module for module in self.modules}
        self._constants: dict[str, set[str]] | None = None

    def named(self, name: str) -> Module | None:
        """Return the module of a dotted name, also of one that looked as if it said nothing."""
        if name not in self._by_name:
            path = next((path for path in self.paths if self.module_name(path) == name), None)
            text = self._repository.text(path) if path is not None else None
            module = self._module(path, text) if path is not None and text is not None else None
            if module is None:
                return None
            self._by_name[name] = module
        return self._by_name[name]

    def canonical(self, full: str) -> str:
        """Follow a dotted name through re-exports to where it is defined."""
        full = full if self._keeps_src else full.removeprefix("src.")
        for _ in range(MOST_HOPS):
            owner, _, last = full.rpartition(".")
            module = self._by_name.get(owner)
            target = module.imports.get(last) if module is not None else None
            if target is None or target == full:
                break
            full = target if self._keeps_src else target.removeprefix("src.")
        return full

    def string(self, node: ast.AST | None) -> str | None:
        """Return the text an expression certainly is: a literal, a sum of literals, a constant of a single value."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return _joined([self.string(part) for part in node.values])
        if isinstance(node, ast.FormattedValue):
            return self.string(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _joined([self.string(node.left), self.string(node.right)])
        if isinstance(node, ast.Name | ast.Attribute):
            values = self._all_constants().get(node.id if isinstance(node, ast.Name) else node.attr, set())
            return next(iter(values)) if len(values) == 1 else None
        return None

    def _all_constants(self) -> dict[str, set[str]]:
        if self._constants is None:
            self._constants = {}
            for module in self.modules:
                for name, value in assignments(module.tree):
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        self._constants.setdefault(name, set()).add(value.value)
        return self._constants

    def _module(self, path: str, text: str) -> Module | None:
        tree = parsed(text)
        if tree is None:
            self.broken.append(path)
            return None
        name = self.module_name(path)
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        return Module(path, name, tree, dict(_imports(tree, package)))

    def module_name(self, path: str) -> str:
        """Return the dotted name by which a file is imported."""
        inside = path if self._context in (".", "") else path.removeprefix(f"{self._context}/")
        inside = inside if self._keeps_src else inside.removeprefix("src/")
        return inside.removesuffix(".py").removesuffix("__init__").rstrip("/").replace("/", ".")

    def local_names(self) -> set[str]:
        """Return the first parts of the names of all modules: what is no dependency."""
        return {self.module_name(path).partition(".")[0] for path in self.paths} | {"src"}

    def foreign_packages(self) -> set[str]:
        """Return the first parts of what is imported and neither Python's own nor the repository's."""
        local = self.local_names() | set(sys.stdlib_module_names)
        found = {target.partition(".")[0] for module in self.modules for target in module.imports.values()}
        return {name for name in found if name and name not in local}


def parsed(text: str) -> ast.Module | None:
    """Return a module's tree, None for what is no Python of this version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and the like in other people's code
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def assignments(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Give every assignment of a value to a plain name, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            yield node.target.id, node.value


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Give every call in a tree."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a keyword argument."""
    return next((item.value for item in call.keywords if item.arg == name), None)


def argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    """Return an argument by its place or name."""
    if place < len(call.args) and not isinstance(call.args[place], ast.Starred):
        return call.args[place]
    return keyword(call, name)


def literal(node: ast.AST | None) -> str | None:
    """Return a literal as the text an environment variable would hold, None for anything else."""
    if not isinstance(node, ast.Constant) or node.value is None or isinstance(node.value, bytes | complex):
        return None
    return str(node.value) if node.value is not ... else None


def _joined(parts: list[str | None]) -> str | None:
    return None if any(part is None for part in parts) else "".join(part for part in parts if part is not None)


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield (item.asname, item.name) if item.asname else (item.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            yield from ((item.asname or item.name, f"{base}.{item.name}" if base else item.name) for item in node.names)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: max(0, len(parts) - node.level + 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])
