"""Looks at a repository and says what it is: every part of the survey, put together."""

import ast
from pathlib import Path
from typing import Any

import msgspec

from lading.survey.apps import find_apps, find_scripts
from lading.survey.code import Code, Module
from lading.survey.commands import dissect, named_port, needs_shell
from lading.survey.containers import Image, Stack, is_web, read_compose, read_dockerfile, read_procfile
from lading.survey.data import find_database, find_migration
from lading.survey.dependencies import find_context, find_dependencies, python_doubt
from lading.survey.django import Django, allowed_hosts, django_routes, facts, find_django
from lading.survey.files import Repository, is_aside
from lading.survey.names import valid_name
from lading.survey.packages import read_toml
from lading.survey.routes import HEALTH, READY, Routes, pick, pick_front
from lading.survey.values import App, Dependencies, DotEnv, Migration, Place, Program, Survey, Variable
from lading.survey.variables import SAMPLES, find_variables, variable
from lading.survey.workers import find_scripts as find_jobs
from lading.survey.workers import find_workers

MOST_SHOWN = 5


def survey(directory: Path) -> Survey:
    """Return what a repository is. It is read only, and none of its code is run."""
    return _Surveyor(Repository(directory)).whole()


class _Surveyor:
    """One look at a repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.context, self.elsewhere = find_context(repository)
        self.code = Code(repository, self.context)
        self.at = "" if self.context == "." else f"{self.context}/"
        self.project: dict[str, Any] = read_toml(repository, f"{self.at}pyproject.toml") or {}
        self.doubts: list[str] = []

    def whole(self) -> Survey:
        """Return everything that was found."""
        repository, code = self.repository, self.code
        dependencies = find_dependencies(repository, self.context, code.foreign_packages())
        packages = dependencies.packages or frozenset(name.lower() for name in code.foreign_packages())
        dependencies = msgspec.structs.replace(dependencies, packages=packages)
        image, stack = read_dockerfile(repository, self.context), read_compose(repository)
        procfile = read_procfile(repository, self.context)
        django = find_django(code, packages)
        apps = find_apps(code)
        app = django.app if django is not None else next(iter(apps), None)
        scripts = find_scripts(code) if app is None else []
        app = app or next(iter(scripts), None)
        variables = self._variables(image, stack)
        served = frozenset(engine for engine, _ in stack.beside)
        web, migrations = self._web(app, procfile, image, stack)
        routes = django_routes(code, django) if django is not None else Routes(code).all
        hosts = allowed_hosts(code, django) if django is not None else None
        database = find_database(code, django, variables, packages, served)
        migration = find_migration(repository, django, self.context, packages, app, self.elsewhere) or _named_migration(
            migrations
        )
        name, reason = self._name()
        self._doubt(dependencies, stack, code)
        return Survey(
            name=name,
            name_reason=reason,
            description=self._description(),
            dependencies=dependencies,
            app=app,
            others=tuple(other for other in (apps if django is None else []) if other != app),
            django=facts(django) if django is not None else None,
            hosts=hosts,
            web=web,
            port=self._port(web, image, stack),
            health=pick(routes, HEALTH),
            ready=pick(routes, READY),
            front=pick_front(routes),
            workers=tuple(self._workers(procfile, stack, packages, django)),
            jobs=tuple(find_jobs(code, self.project, f"{self.at}pyproject.toml")),
            database=database,
            migration=migration,
            variables=tuple(variables),
            beside=stack.beside,
            image=image.file if image is not None else "",
            front_end=self._front_end(),
            doubts=tuple(dict.fromkeys(self.doubts)),
            has_git=repository.exists(".git"),
            dotenv=self._dotenv(),
            tells_openapi=not any(_hides_openapi(module) for module in code.modules),
            schema=repository.has(".lading.schema.json"),
        )

    def _name(self) -> tuple[str, str]:
        project, poetry = self.project.get("project"), self.project.get("tool", {})
        poetry = poetry.get("poetry") if isinstance(poetry, dict) else None
        for owner in (project, poetry):
            name = owner.get("name") if isinstance(owner, dict) else None
            if isinstance(name, str) and name:
                return valid_name(name), f"{self.at}pyproject.toml"
        return valid_name(self.repository.name), "the directory's name"

    def _description(self) -> str:
        project = self.project.get("project")
        text = project.get("description") if isinstance(project, dict) else None
        return text.strip()[:200] if isinstance(text, str) and text.isprintable() else ""

    def _dotenv(self) -> DotEnv:
        samples = [name for name in SAMPLES if self.repository.has(name)]
        return DotEnv(
            there=self.repository.exists(".env"), example=next(iter(samples), ""), ignored=_ignores_env(self.repository)
        )

    def _front_end(self) -> str:
        """Return the directory of a front end that npm builds, empty where there is none."""
        found = [name for name in self.repository.files if name.rpartition("/")[2] == "package.json"]
        return next((name.rpartition("/")[0] or "." for name in found if not is_aside(name)), "")

    def _variables(self, image: Image | None, stack: Stack) -> list[Variable]:
        found = find_variables(self.repository, self.code, self.context)
        known = {item.name: place for place, item in enumerate(found)}
        extra = [*(image.variables if image is not None else ()), *stack.variables]
        for name, value, place in extra:
            if name in known:
                item = found[known[name]]
                if value and not item.sensitive:
                    found[known[name]] = msgspec.structs.replace(item, default=value, place=place, required=True)
            elif not name.startswith(("PIP_", "UV_", "POETRY_", "PYTHON", "POSTGRES_", "DEBIAN_")):
                made = variable(name, place, required=True, default=value)
                found.append(made)
                known[name] = len(found) - 1
        return found

    def _web(
        self, app: App | None, procfile: list[Program], image: Image | None, stack: Stack
    ) -> tuple[Program | None, tuple[str, ...]]:
        """Return the web server's command as the repository has it, and the migrations that run before it."""
        named = [program for program in procfile if program.name == "web"]
        built = [Program(name="web", command=image.command, place=image.place or Place(image.file))] if image else []
        composed = [program for program in stack.programs if program.command and is_web(program)]
        migrations: list[str] = []
        for program in procfile:
            if program.name == "release":
                migrations += dissect(program.command).migrations
        for program in (*named, *built, *composed):
            parts = dissect(program.command)
            migrations += parts.migrations
            if is_web(program) and not needs_shell(parts.words):
                if parts.lost:
                    self.doubts.append(
                        f"{program.place} runs more before the server, which is left out: {parts.lost[0]}"
                    )
                return program, tuple(migrations)
        other = next((program for program in (*named, *built) if program.command), None)
        return (other if app is None else None), tuple(migrations)

    def _workers(
        self, procfile: list[Program], stack: Stack, packages: frozenset[str], django: Django | None
    ) -> list[Program]:
        manage = django.manage.removeprefix(self.at) if django is not None and django.manage is not None else None
        listed = [program for program in procfile if program.name not in ("web", "release")]
        if not listed:
            listed = [program for program in stack.programs if program.command and not is_web(program)]
        found: dict[str, Program] = {}
        for program in listed:
            words = dissect(program.command).words
            if not words or needs_shell(words) or valid_name(program.name) in found:
                self.doubts.append(f"{program.place}: {program.name} needs a shell, and Lading runs none")
                continue
            found[valid_name(program.name)] = program
        for program in find_workers(self.code, packages, manage) if not found else []:
            found.setdefault(program.name, program)
        return list(found.values())

    def _port(self, web: Program | None, image: Image | None, stack: Stack) -> tuple[int, str] | None:
        if image is not None and image.port is not None and 1 <= image.port[0] <= 65535:
            return image.port[0], f"{image.port[1]}"
        port = named_port(dissect(web.command).words) if web is not None else None
        if web is not None and port is not None:
            return port, f"{web.place}"
        return (stack.ports[0][1], "the compose file") if stack.ports else None

    def _doubt(self, dependencies: Dependencies, stack: Stack, code: Code) -> None:
        self.doubts += dependencies.doubts
        self.doubts += stack.doubts
        doubt = python_doubt(dependencies.python)
        self.doubts += [doubt] if doubt else []
        for path in code.broken[:MOST_SHOWN]:
            self.doubts.append(f"{path} is no Python of this version, so nothing was read from it")
        for left in self.repository.left[:MOST_SHOWN]:
            self.doubts.append(f"not looked at: {left}")
        if len(self.repository.left) > MOST_SHOWN:
            self.doubts.append(f"not looked at: {len(self.repository.left) - MOST_SHOWN} more files and directories")
        for place in self.elsewhere[:MOST_SHOWN]:
            self.doubts.append(f"{place}/ has dependencies of its own: a service of it needs a [build.NAME] of its own")


def _hides_openapi(module: Module) -> bool:
    """Tell whether a module says where, or whether, the description of the interface is answered."""
    return any(
        (isinstance(node, ast.keyword) and node.arg == "openapi_url")
        or (isinstance(node, ast.Constant) and node.value == "openapi_url")
        for node in ast.walk(module.tree)
    )


def _named_migration(migrations: tuple[str, ...]) -> Migration | None:
    words = dissect(migrations[0]).migrations if migrations else ()
    return Migration(command=words[0], place=Place("start command")) if words else None


def _ignores_env(repository: Repository) -> bool:
    lines = (repository.text(".gitignore") or "").splitlines()
    return any(line.strip() in (".env", "/.env", "*.env", ".env*", ".env.*", "**/.env") for line in lines)
