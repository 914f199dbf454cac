"""Reads a Django project: which settings serve, its hosts, databases, URL patterns."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from lading.survey.code import Code, Module, argument, calls, keyword
from lading.survey.routes import PLAIN
from lading.survey.values import App, DjangoFacts, Hosts, Place, Route

SETTINGS = "DJANGO_SETTINGS_MODULE"
PRODUCTION = ("production", "prod", "deploy")
MOST_INCLUDES = 6  # URL files within URL files


class Django(NamedTuple):
    """What a Django project says of itself; ``reads`` are its settings modules, the one that serves first."""

    app: App
    settings: str
    split: bool
    reads: tuple[Module, ...]
    manage: str | None
    has_static: bool
    debug: Place | None


def find_django(code: Code, packages: frozenset[str]) -> Django | None:
    """Return the Django project, None where there is none."""
    manage = next((path for path in code.paths if path.rpartition("/")[2] == "manage.py"), None)
    named = dict(_named_settings(code))
    candidates = [module for module in code.modules if _is_settings(module)]
    if not candidates or ("django" not in packages and manage is None):
        return None
    serving = _serving(code, candidates, named)
    related = _related(code, serving)
    split = len(candidates) > 1 and serving.name.rpartition(".")[0].endswith("settings")
    app = _application(code, serving)
    installed = any("staticfiles" in ast.dump(value) for value in _values(related, "INSTALLED_APPS"))
    debug = next((place for module in related for place in _hard_debug(module)), None)
    return Django(app, serving.name, split, tuple(related), manage, installed, debug)


def _is_settings(module: Module) -> bool:
    names = {target for target, _ in _assigned(module)}
    in_package = "settings" in module.name.split(".")[:-1] and any(name.isupper() for name in names)
    return in_package or bool(names & {"INSTALLED_APPS", "ROOT_URLCONF", "DATABASES", "MIDDLEWARE"})


def _assigned(module: Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            yield node.target.id, node.value


def _values(modules: list[Module], name: str) -> Iterator[ast.expr]:
    return (value for module in modules for target, value in _assigned(module) if target == name)


def _named_settings(code: Code) -> Iterator[tuple[str, str]]:
    """Give the settings that manage.py, wsgi.py and asgi.py name, by the file's last name."""
    for module in code.modules:
        for call in calls(module.tree):
            sets = code.canonical(module.full(call.func)) == "os.environ.setdefault"
            if sets and code.string(argument(call, 0, "key")) == SETTINGS:
                yield module.path.rpartition("/")[2], code.string(argument(call, 1, "value")) or ""


def _serving(code: Code, candidates: list[Module], named: dict[str, str]) -> Module:
    """Return the settings that serve: named for production, else what wsgi.py, asgi.py or manage.py names."""
    chosen = next((module for want in PRODUCTION for module in candidates if _last(module) == want), None)
    if chosen is not None:
        return chosen
    for name in ("wsgi.py", "asgi.py", "manage.py"):
        module = code.named(named.get(name, ""))
        if module is not None:
            return module
    return candidates[0]


def _last(module: Module) -> str:
    return module.name.rpartition(".")[2]


def _related(code: Code, serving: Module) -> list[Module]:
    """Return the settings module and those it takes everything from."""
    found, pending = [], [serving]
    while pending:
        module = pending.pop(0)
        if module in found:
            continue
        found.append(module)
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and any(item.name == "*" for item in node.names):
                base = module.imports.get("*", "").removesuffix(".*")
                target = code.named(base)
                pending += [target] if target is not None else []
    return found


def _application(code: Code, serving: Module) -> App:
    package = serving.name.partition(".")[0]
    for last, framework in (("wsgi", "django"), ("asgi", "django-asgi")):
        for module in code.modules:
            if module.name.rpartition(".")[2] == last and any(name == "application" for name, _ in _assigned(module)):
                node = next(value for name, value in _assigned(module) if name == "application")
                return App(framework=framework, module=module.name, name="application", place=module.place(node))
    return App(framework="django", module=f"{package}.wsgi", name="application", place=Place(serving.path))


def _hard_debug(module: Module) -> Iterator[Place]:
    for target, value in _assigned(module):
        if target == "DEBUG" and isinstance(value, ast.Constant) and value.value is True:
            yield module.place(value)


def allowed_hosts(code: Code, django: Django) -> Hosts | None:
    """Return what the serving settings say of ALLOWED_HOSTS, None when they say nothing."""
    for module in django.reads:
        for target, value in _assigned(module):
            if target == "ALLOWED_HOSTS":
                place = module.place(value)
                if isinstance(value, ast.List | ast.Tuple):
                    known = [code.string(item) for item in value.elts]
                    return Hosts(place=place, hosts=tuple(item for item in known if item is not None))
                name = next((text for text in _texts(value) if re.fullmatch(r"[A-Z][A-Z0-9_]*", text)), "")
                return Hosts(place=place, variable=name, separator=_separator(value))
    return None


def _texts(value: ast.AST) -> Iterator[str]:
    return (node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _separator(value: ast.AST) -> str:
    for call in calls(value):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "split":
            first = argument(call, 0, "sep")
            return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else " "
    return ","


def django_routes(code: Code, django: Django) -> list[Route]:
    """Return the literal paths of the URL patterns."""
    root = next((code.string(value) for value in _values(list(django.reads), "ROOT_URLCONF")), None)
    module = code.named(root or "")
    if module is None:
        module = next((item for item in code.modules if item.name.rpartition(".")[2] == "urls"), None)
    return list(_patterns(code, module, "/", MOST_INCLUDES)) if module is not None else []


def _patterns(code: Code, module: Module, prefix: str, left: int) -> Iterator[Route]:
    if not left:
        return
    for call in calls(module.tree):
        name = code.canonical(module.full(call.func)).rpartition(".")[2]
        text = code.string(argument(call, 0, "route")) if name in ("path", "re_path", "url") else None
        if text is None or len(call.args) < 2:
            continue
        if name != "path":
            text = text.removeprefix("^").removesuffix("$")
        view = call.args[1]
        if isinstance(view, ast.Call) and code.canonical(module.full(view.func)).endswith("include"):
            target = code.string(argument(view, 0, "arg"))
            inner = code.named(target or "")
            if inner is not None and inner is not module:
                yield from _patterns(code, inner, prefix + text, left - 1)
        elif PLAIN.fullmatch(prefix + text):
            open_ = not re.search(r"login_required|admin|permission", ast.dump(view))
            yield Route(path=prefix + text, place=module.place(call), open=open_)


def database_values(django: Django) -> Iterator[tuple[Module, ast.expr]]:
    """Give the default database of each settings module, the serving one's first."""
    for module in django.reads:
        for target, value in _assigned(module):
            if target == "DATABASES" and isinstance(value, ast.Dict):
                for key, item in zip(value.keys, value.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "default":
                        yield module, item


def entry(value: ast.expr, name: str) -> ast.expr | None:
    """Return the value of a key in a dictionary that is written out or made by ``dict(…)``."""
    if isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == name:
                return item
    return keyword(value, name) if isinstance(value, ast.Call) else None


def facts(django: Django) -> DjangoFacts:
    """Return what a draft needs to know of the project."""
    return DjangoFacts(settings=django.settings, split=django.split, debug=django.debug, statics=django.has_static)
