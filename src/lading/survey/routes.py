"""Finds the paths that answer GET, with the prefixes of routers and blueprints where those are literal."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from lading.survey.code import Code, Module, argument, calls, keyword
from lading.survey.values import Place, Route

ROUTERS = frozenset(
    ("fastapi.APIRouter", "fastapi.routing.APIRouter", "flask.Blueprint", "flask.blueprints.Blueprint",
     "quart.Blueprint", "starlette.routing.Router")
)  # fmt: skip
PLAIN = re.compile(r"/[A-Za-z0-9._~/-]{0,200}")
READY = re.compile(r"(^|[/_-])(ready|readyz|readiness)/?$", re.IGNORECASE)
HEALTH = re.compile(
    r"(^|[/_-])(healthz?|health[_-]?check|livez?|liveness|alive|ping|up|heartbeat|_stcore/health)(/live)?/?$",
    re.IGNORECASE,
)
ASKS = re.compile(r"login|auth|permission|current_user|token|required|Depends|Security|jwt", re.IGNORECASE)
MOST_PREFIXES = 8  # routers within routers


class _Inclusion(NamedTuple):
    parent: str
    prefix: str
    instead: bool


class _Seen(NamedTuple):
    path: str
    owner: str
    place: Place
    open: bool


class Routes:
    """The routes of FastAPI, Starlette, Litestar, Flask and Quart applications."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._own: dict[str, str] = {}
        self._included: dict[str, list[_Inclusion]] = {}
        seen: list[_Seen] = []
        for module in code.modules:
            self._define(module)
        for module in code.modules:
            self._include(module)
        for module in code.modules:
            seen += self._decorated(module)
            seen += self._called(module)
        self.all = [route for one in seen for route in self._placed(one)]

    def _define(self, module: Module) -> None:
        for node in ast.walk(module.tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            value = node.value if isinstance(node, ast.Assign) else None
            if not isinstance(value, ast.Call) or self._code.canonical(module.full(value.func)) not in ROUTERS:
                continue
            prefix = self._code.string(keyword(value, "prefix") or keyword(value, "url_prefix")) or ""
            for target in targets:
                if isinstance(target, ast.Name):
                    self._own[f"{module.name}.{target.id}"] = prefix

    def _include(self, module: Module) -> None:
        loops = {
            node.target.id: node.iter.elts
            for node in ast.walk(module.tree)
            if isinstance(node, ast.For)
            and isinstance(node.target, ast.Name)
            and isinstance(node.iter, ast.Tuple | ast.List)
        }
        for call in calls(module.tree):
            if not isinstance(call.func, ast.Attribute) or not call.args:
                continue
            parent = self._code.canonical(module.full(call.func.value))
            for child in self._children(module, call.args[0], loops):
                if call.func.attr == "include_router":
                    self._take(child, parent, keyword(call, "prefix"), instead=False)
                elif call.func.attr == "register_blueprint":
                    prefix = keyword(call, "url_prefix")
                    self._take(child, parent, prefix, instead=prefix is not None)
            if call.func.attr == "mount" and len(call.args) > 1:
                child = self._code.canonical(module.full(call.args[1]))
                self._take(child, parent, call.args[0], instead=False)

    def _children(self, module: Module, node: ast.expr, loops: dict[str, list[ast.expr]]) -> Iterator[str]:
        """Give what is included: one router, or each of those that a loop goes through."""
        listed = loops.get(node.id, []) if isinstance(node, ast.Name) else []
        for item in listed or [node]:
            yield self._code.canonical(module.full(item))

    def _take(self, child: str, parent: str, prefix: ast.expr | None, *, instead: bool) -> None:
        text = "" if prefix is None else self._code.string(prefix)
        if child and text is not None:
            self._included.setdefault(child, []).append(_Inclusion(parent, text, instead))

    def _decorated(self, module: Module) -> Iterator[_Seen]:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call):
                    path = self._path_of(module, mark)
                    if path is not None:
                        owner = module.full(mark.func.value) if isinstance(mark.func, ast.Attribute) else ""
                        yield _Seen(path, self._code.canonical(owner), module.place(node), _is_open(node, mark))

    def _path_of(self, module: Module, mark: ast.Call) -> str | None:
        if isinstance(mark.func, ast.Attribute):
            if mark.func.attr not in ("get", "route", "api_route", "head") or not _takes_get(mark):
                return None
            return self._code.string(argument(mark, 0, "path") or keyword(mark, "rule"))
        if self._code.canonical(module.full(mark.func)) in ("litestar.get", "litestar.handlers.get"):
            return self._code.string(argument(mark, 0, "path")) or "/"
        return None

    def _called(self, module: Module) -> Iterator[_Seen]:
        for call in calls(module.tree):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in ("add_api_route", "add_url_rule", "add_route") and isinstance(call.func, ast.Attribute):
                owner = self._code.canonical(module.full(call.func.value))
            elif self._code.canonical(module.full(call.func)) == "starlette.routing.Route":
                owner = ""
            else:
                continue
            path = self._code.string(argument(call, 0, "path"))
            if path is not None and _takes_get(call):
                yield _Seen(path, owner, module.place(call), True)

    def _placed(self, seen: _Seen) -> Iterator[Route]:
        for prefix in self._prefixes(seen.owner, MOST_PREFIXES):
            path = prefix + seen.path if seen.path.startswith("/") or not seen.path else f"{prefix}/{seen.path}"
            path = re.sub(r"//+", "/", path) or "/"
            if PLAIN.fullmatch(path):
                yield Route(path=path, place=seen.place, open=seen.open)

    def _prefixes(self, owner: str, left: int) -> list[str]:
        """Return every prefix under which an owner's routes are reached; none for a router nobody includes."""
        own = self._own.get(owner)
        if own is None and owner not in self._included:
            return [""]
        if not left:
            return []
        return [
            before + inclusion.prefix + ("" if inclusion.instead else own or "")
            for inclusion in self._included.get(owner, [])
            for before in self._prefixes(inclusion.parent, left - 1)
        ]


def _takes_get(call: ast.Call) -> bool:
    methods = keyword(call, "methods")
    if not isinstance(methods, ast.List | ast.Tuple | ast.Set):
        return True
    return any(isinstance(item, ast.Constant) and item.value == "GET" for item in methods.elts)


def _is_open(node: ast.FunctionDef | ast.AsyncFunctionDef, mark: ast.Call) -> bool:
    others = [ast.dump(other) for other in node.decorator_list if other is not mark]
    parameters = [ast.dump(node.args), *(ast.dump(item) for item in mark.keywords if item.arg == "dependencies")]
    required = len(node.args.args) > len(node.args.defaults)
    return not required and not any(ASKS.search(text) for text in [*others, *parameters])


def pick(routes: list[Route], pattern: re.Pattern[str]) -> Route | None:
    """Return the route that fits best: the shallowest and shortest."""
    found = [route for route in routes if pattern.search(route.path)]
    return min(found, key=_nearness) if found else None


def pick_front(routes: list[Route]) -> Route | None:
    """Return a page that everybody may see: the front page, else the shallowest that is no health check."""
    found = [
        route
        for route in routes
        if route.open and not READY.search(route.path) and not HEALTH.search(route.path) and "admin" not in route.path
    ]
    front = [route for route in found if route.path == "/"]
    return min(front or found, key=_nearness) if found else None


def _nearness(route: Route) -> tuple[bool, int, int, str]:
    return (not route.open, route.path.strip("/").count("/"), len(route.path), route.path)
