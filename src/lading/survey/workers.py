"""Finds programs that take work from a queue, and scripts that run to their end."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from lading.survey.apps import has_main_guard
from lading.survey.code import Code, Module, assignments, calls
from lading.survey.names import valid_name
from lading.survey.values import Place, Program

QUEUES = {"celery.Celery": "celery", "huey.RedisHuey": "huey", "huey.SqliteHuey": "huey"}


def find_workers(code: Code, packages: frozenset[str], manage: str | None) -> list[Program]:
    """Return the workers that the code itself shows: Celery, Dramatiq, arq, Django-RQ."""
    found = list(_celery(code))
    actors = [module for module in code.modules if _has_actor(code, module)]
    if actors:
        names = " ".join(module.name for module in actors)
        found.append(_program("worker", f"dramatiq {names}", actors[0].place(actors[0].tree), "dramatiq actors"))
    for module in code.modules:
        if any(isinstance(node, ast.ClassDef) and node.name == "WorkerSettings" for node in module.tree.body):
            found.append(_program("worker", f"arq {module.name}.WorkerSettings", Place(module.path), "arq settings"))
    if "django-rq" in packages and manage is not None:
        found.append(_program("worker", f"python {manage} rqworker default", Place("dependencies"), "django-rq"))
    return found


def _program(name: str, command: str, place: Place, reason: str) -> Program:
    return Program(name=name, command=command, place=place, reason=reason)


def _celery(code: Code) -> Iterator[Program]:
    for module in code.modules:
        for name, value in assignments(module.tree):
            if isinstance(value, ast.Call) and code.canonical(module.full(value.func)) == "celery.Celery":
                target = module.name if name in ("app", "celery") else f"{module.name}:{name}"
                if module.name.endswith(".celery") and name == "app":
                    target = module.name.removesuffix(".celery")
                place = module.place(value)
                yield _program("worker", f"celery -A {target} worker --loglevel info", place, f"{name} = Celery(…)")
                if any(_schedules(other) for other in code.modules):
                    yield _program("beat", f"celery -A {target} beat --loglevel info", place, "it has a beat schedule")
                return


def _schedules(module: Module) -> bool:
    return any(
        isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id).lower()
        in ("beat_schedule", "celery_beat_schedule", "celerybeat_schedule")
        for node in ast.walk(module.tree)
    )


def _has_actor(code: Code, module: Module) -> bool:
    return any(
        code.canonical(module.full(mark.func if isinstance(mark, ast.Call) else mark)) == "dramatiq.actor"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for mark in node.decorator_list
    )


def find_scripts(code: Code, data: dict[str, Any], place: str) -> list[Program]:
    """Return the console scripts of a pyproject.toml, as commands that need no installed project."""
    found: list[Program] = []
    for name, target in _declared(data):
        if valid_name(name) in {valid_name(program.name) for program in found}:
            continue
        module_name, _, function = target.partition(":")
        module = code.named(module_name.strip())
        if module is None or not re.fullmatch(r"[A-Za-z_]\w*", function) or _serves(code, module):
            continue
        whole = module.name.removesuffix(".__main__") if module.name.endswith(".__main__") else module.name
        if has_main_guard(module) or module.name.endswith(".__main__") or code.named(f"{whole}.__main__") is not None:
            command = f"python -m {whole}"
        else:
            command = f"python -c 'import sys; from {module_name} import {function}; sys.exit({function}())'"
        found.append(_program(name, command, Place(place), f'script {name} = "{target}"'))
    return found


def _declared(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    tool = data.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    for owner in (data.get("project"), poetry):
        scripts = owner.get("scripts") if isinstance(owner, dict) else None
        for name, target in scripts.items() if isinstance(scripts, dict) else ():
            if isinstance(target, str):
                yield name, target


def _serves(code: Code, module: Module) -> bool:
    return any(
        code.canonical(module.full(call.func)) in ("uvicorn.run", "hypercorn.run") for call in calls(module.tree)
    )
