"""Finds the application object: FastAPI, Starlette, Litestar, Flask, Quart, in a module or made by a function."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from lading.survey.code import Code, Module, calls
from lading.survey.values import App

FRAMEWORKS = {
    "fastapi.FastAPI": "fastapi",
    "fastapi.applications.FastAPI": "fastapi",
    "starlette.applications.Starlette": "starlette",
    "litestar.Litestar": "litestar",
    "litestar.app.Litestar": "litestar",
    "flask.Flask": "flask",
    "flask.app.Flask": "flask",
    "quart.Quart": "quart",
    "dash.Dash": "dash",
}
TITLES = {
    "fastapi": "FastAPI",
    "starlette": "Starlette",
    "litestar": "Litestar",
    "flask": "Flask",
    "quart": "Quart",
    "dash": "Dash",
    "django": "Django",
    "streamlit": "Streamlit",
    "gradio": "Gradio",
}
ASGI = ("fastapi", "starlette", "litestar", "quart")
# Where people put it, and how they call it, most usual first.
USUAL_MODULES = ("main", "app", "asgi", "wsgi", "server", "api", "application", "__init__", "web", "run")
USUAL_NAMES = ("app", "application", "api", "server", "create_app", "make_app", "get_app", "build_app")
SCRIPTED = {"streamlit": "streamlit", "gradio": "gradio"}


def find_apps(code: Code) -> list[App]:
    """Return all applications, the likeliest first."""
    made = {f"{module.name}.{app.name}": app for module in code.modules for app in _factories(code, module)}
    instances = [app for module in code.modules for app in _instances(code, module, made)]
    mounted = {name for module in code.modules for name in _mounted(code, module)}
    found = [app for app in instances if f"{app.module}.{app.name}" not in mounted]
    found.sort(key=_likelihood)
    return found + sorted(made.values(), key=_likelihood)


def find_scripts(code: Code) -> list[App]:
    """Return scripts that are an application by themselves: Streamlit and Gradio."""
    found = []
    for module in code.modules:
        for package, framework in SCRIPTED.items():
            if package in {target.partition(".")[0] for target in module.imports.values()}:
                node = next(iter(_imports_of(module, package)), module.tree)
                found.append(App(framework=framework, module=module.name, name="", place=module.place(node)))
    return sorted(found, key=lambda app: ("pages/" in app.place.file, *_likelihood(app)))


def _imports_of(module: Module, package: str) -> Iterator[ast.AST]:
    for node in ast.walk(module.tree):
        names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if package in {name.partition(".")[0] for name in names}:
            yield node


def _likelihood(app: App) -> tuple[int, int, int, str, str]:
    stem = PurePosixPath(app.place.file).stem
    return (
        USUAL_MODULES.index(stem) if stem in USUAL_MODULES else len(USUAL_MODULES),
        USUAL_NAMES.index(app.name) if app.name in USUAL_NAMES else len(USUAL_NAMES),
        app.place.file.count("/"),
        app.place.file,
        app.name,
    )


def _framework(code: Code, module: Module, value: ast.expr) -> str | None:
    return FRAMEWORKS.get(code.canonical(module.full(value.func))) if isinstance(value, ast.Call) else None


def _instances(code: Code, module: Module, made: dict[str, App]) -> Iterator[App]:
    for target, value in _top_level(module.tree.body):
        framework = _framework(code, module, value)
        if framework is None and isinstance(value, ast.Call):
            maker = made.get(code.canonical(module.full(value.func)))
            framework = maker.framework if maker is not None else None
        if framework is not None:
            yield App(framework=framework, module=module.name, name=target, place=module.place(value))
    yield from _made_on_demand(code, module, made)


def _made_on_demand(code: Code, module: Module, made: dict[str, App]) -> Iterator[App]:
    """Give the applications that a module's ``__getattr__`` makes when they are asked for."""
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name != "__getattr__":
            continue
        for branch in ast.walk(node):
            names = (
                [part.value for part in ast.walk(branch.test) if isinstance(part, ast.Constant)]
                if isinstance(branch, ast.If)
                else []
            )
            maker = next(
                (found for call in calls(branch) if (found := made.get(code.canonical(module.full(call.func))))), None
            )
            if maker is not None and names and isinstance(names[0], str):
                yield App(framework=maker.framework, module=module.name, name=names[0], place=module.place(branch))


def _top_level(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Give assignments that importing the module makes, those in if, try and with among them."""
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            yield node.target.id, node.value
        elif isinstance(node, ast.If) and not _is_main_guard(node):
            yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try | ast.With):
            yield from _top_level(node.body)


def _is_main_guard(node: ast.If) -> bool:
    return "__name__" in ast.dump(node.test)


def has_main_guard(module: Module) -> bool:
    """Tell whether running the module does something: ``if __name__ == "__main__"``."""
    return any(isinstance(node, ast.If) and _is_main_guard(node) for node in module.tree.body)


def _factories(code: Code, module: Module) -> Iterator[App]:
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef) or not _returns(node):
            continue
        framework = next((found for call in calls(node) if (found := _framework(code, module, call))), None)
        if framework is not None:
            needs = len(node.args.posonlyargs) + len(node.args.args) > len(node.args.defaults)
            needs = needs or any(default is None for default in node.args.kw_defaults)
            place = module.place(node)
            yield App(
                framework=framework, module=module.name, name=node.name, place=place, factory=True, arguments=needs
            )


def _returns(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(function))


def _mounted(code: Code, module: Module) -> Iterator[str]:
    for call in calls(module.tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "mount" and len(call.args) > 1:
            yield code.canonical(module.full(call.args[1]))
