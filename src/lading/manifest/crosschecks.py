"""Rules that span several keys: names that must exist, keys that exclude each other, values that must not repeat.

They work on what the TOML says, not on the model, so that they speak even when other keys are wrong; whatever has the
wrong type is left to the grammar's own message.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from lading.manifest.crosschecks_backing import check_backing
from lading.manifest.crosschecks_smoke import check_smoke
from lading.manifest.crosschecks_stores import check_stores, secrets_of_store
from lading.manifest.problems import Findings, Path, printable
from lading.manifest.raw import items, listed, table, tables, text
from lading.manifest.references import known_or_say
from lading.manifest.words import CODE_RULE, CODE_VARIABLES, SECRET_PATTERN

_PLACED = {"url", "resources"}
_IMAGE_ONLY = ("target", "args", "secrets", "network", "registry")
_OF_PROGRAMS = (
    *("command", "entrypoint", "port", "health", "ready", "env", "volumes", "files", "egress", "aliases"),
    *("user", "home", "relax"),
)


def cross_check(data: dict[str, Any], findings: Findings) -> None:
    """Note every problem that no single key shows."""
    for check in (
        _check_builds,
        _check_build_references,
        _check_services,
        check_backing,
        _check_paths,
        _check_databases,
        _check_jobs,
        _check_places,
        _check_variables,
        _check_secrets,
        _check_environments,
        _check_stacks,
        check_stores,
        check_smoke,
    ):
        check(data, findings)


def _check_builds(data: dict[str, Any], findings: Findings) -> None:
    for path, build in tables(data, "build"):
        forms = [form for form in ("bundle", "dockerfile") if form in build]
        if len(forms) != 1:
            what = "has both bundle and dockerfile" if forms else "has neither bundle nor dockerfile"
            findings.add(path, what, 'write one of them, for example bundle = "uv.lock"')
        if forms == ["bundle"]:
            for name in _IMAGE_ONLY:
                if name in build:
                    findings.add((*path, name), "is for images, and this build is a bundle", "remove it", at_key=True)


def _check_build_references(data: dict[str, Any], findings: Findings) -> None:
    builds = [str(path[1]) for path, _ in tables(data, "build")]
    for kind in ("services", "jobs", "databases"):
        for path, user in tables(data, kind):
            if "build" in user:
                known_or_say((*path, "build"), text(user, "build"), builds, "[build.{}]", findings)
            elif "image" not in user and (kind != "databases" or "migrate" in user):
                _need_one_build(path, builds, findings)


def _need_one_build(path: Path, builds: list[str], findings: Findings) -> None:
    if not builds:
        findings.add(path, "has nothing to run from", 'add a [build.app] with bundle = "uv.lock"')
    elif len(builds) > 1:
        findings.add((*path, "build"), "is missing", f"there are several builds, so name one: {', '.join(builds)}")


def _check_services(data: dict[str, Any], findings: Findings) -> None:
    builds = {str(path[1]): build for path, build in tables(data, "build")}
    for path, service in tables(data, "services"):
        if "image" in service:
            continue
        name = text(service, "build") or (next(iter(builds)) if len(builds) == 1 else "")
        build = builds.get(name, {})
        if "bundle" in build and "command" not in service and "static" not in service:
            findings.add(
                (*path, "command"),
                "is missing: a bundle has no command of its own",
                'write for example command = "uvicorn app.main:app"',
            )
        if "bundle" in build and (text(service, "static") or "").startswith("/"):
            remedy = 'name one of its source, such as "dist"'
            findings.add((*path, "static"), "is a directory of an image, and its build is a bundle", remedy)
        _check_service_keys(path, service, findings)


def _check_service_keys(path: Path, service: dict[str, Any], findings: Findings) -> None:
    user = text(service, "user") or ""
    if user.partition(":")[0] in ("root", "0") and "user" not in [item for _, item in listed(service, "relax")]:
        remedy = 'name another user, or add relax = ["user"], knowing what that means'
        findings.add((*path, "user"), "is root, and no container runs as root by default", remedy)
    if "static" in service:
        for name in _OF_PROGRAMS:
            if name in service:
                what = "has no meaning beside static: files are served, and no program of yours runs"
                findings.add((*path, name), what, "remove it", at_key=True)
    elif "port" not in service:
        for name in ("health", "ready", "path", "strip_prefix", "affinity"):
            if name in service:
                findings.add((*path, name), "needs a port: without one the service takes no requests", "add port")
    if service.get("strip_prefix") is True and service.get("path", "/") == "/":
        findings.add((*path, "strip_prefix"), "has no prefix to strip", 'add a path such as "/api", or remove it')


def _is_web(service: dict[str, Any]) -> bool:
    return ("port" in service or "static" in service) and "image" not in service


def _check_paths(data: dict[str, Any], findings: Findings) -> None:
    seen: dict[str, str] = {}
    for path, service in tables(data, "services"):
        prefix = service.get("path", "/")
        if not _is_web(service) or not isinstance(prefix, str):
            continue
        prefix = prefix.rstrip("/") or "/"
        if prefix in seen:
            where = (*path, "path") if "path" in service else path
            remedy = 'give each web service a path of its own, for example path = "/api"'
            findings.add(where, f"is routed at {printable(prefix)}, and so is services.{seen[prefix]}", remedy)
        else:
            seen[prefix] = str(path[1])


def _check_databases(data: dict[str, Any], findings: Findings) -> None:
    for path, database in tables(data, "databases"):
        if "env" not in database and "env_parts" not in database:
            findings.add((*path, "env"), "is missing: no program would learn of it", 'write env = "DATABASE_URL"')
        for key in ("version", "alias"):
            if database.get("engine") == "sqlite" and key in database:
                findings.add((*path, key), "is for postgres: SQLite comes with Python", "remove it", at_key=True)
        for name, part in items(database, "env_parts"):
            if database.get("engine") == "postgres" and part == "path":
                findings.add((*path, "env_parts", name), 'is "path", and a server has none', "remove it")
            if database.get("engine") == "sqlite" and part in ("host", "port", "user", "password", "name"):
                remedy = f'write {name} = "path", or remove it'
                findings.add((*path, "env_parts", name), f'is "{part}", and an SQLite file has a path only', remedy)


def _check_jobs(data: dict[str, Any], findings: Findings) -> None:
    sizes = [str(path[1]) for path, _ in tables(data, "sizes")]
    for path, job in tables(data, "jobs"):
        if "size" in job:
            known_or_say((*path, "size"), text(job, "size"), sizes, "[sizes.{}]", findings)
        for name in ("timezone", "catch_up"):
            if name in job and "schedule" not in job:
                findings.add((*path, name), "has no meaning without a schedule", "add schedule, or remove it")


def _check_places(data: dict[str, Any], findings: Findings) -> None:
    """A volume or file is told somehow, and no two of one service lie at the same path."""
    for kind in ("services", "jobs"):
        for path, user in tables(data, kind):
            taken: dict[str, str] = {}
            for key, example in (("volumes", "RECEIPTS_DIR"), ("files", "CONFIG_DIR")):
                for name, value in items(user, key):
                    here = (*path, key, name)
                    if isinstance(value, dict) and not value:
                        findings.add(here, "says neither env nor path", f'write for example {{ env = "{example}" }}')
                    target = value.get("path") if isinstance(value, dict) else value
                    if isinstance(target, str):
                        target = target.rstrip("/")
                        if target in taken:
                            findings.add(here, f"lies at the same path as {taken[target]}", "give it another path")
                        taken.setdefault(target, f"{key}.{printable(name)}")


def _check_variables(data: dict[str, Any], findings: Findings) -> None:
    """A variable has one source: a text, a secret, a database, a volume or a file."""
    taken = {name: "a secret" for key in ("required", "optional") for _, name in listed(table(data, "secrets"), key)}
    for path, database in tables(data, "databases"):
        names = [text(database, "env"), *(name for name, _ in items(database, "env_parts"))]
        for name in filter(None, names):
            if name in taken:
                findings.add(path, f"gives {printable(name)}, and that is {taken[name]} already", "rename one of them")
            taken[name] = f"given by databases.{path[1]}"
    for path, name in _variables(data):
        if name in taken:
            remedy = "one source a variable: remove it here or there"
            findings.add(path, f"is {taken[name]} already", remedy, at_key=path[-1] == name)


def _variables(data: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    for name, _ in items(data, "env"):
        yield ("env", name), name
    for kind in ("services", "jobs", "environments"):
        for path, owner in tables(data, kind):
            for name, _ in items(owner, "env"):
                yield (*path, "env", name), name
            for key in ("volumes", "files"):
                for place, value in items(owner, key):
                    if isinstance(value, dict) and isinstance(value.get("env"), str):
                        yield (*path, key, place, "env"), value["env"]


def declared_secrets(data: dict[str, Any]) -> list[str]:
    """Return the names in [secrets], and those that stacks have for themselves."""
    own = [name for _, stack in tables(data, "stacks") for _, name in listed(stack, "secrets")]
    return [*(name for key in ("required", "optional") for _, name in listed(table(data, "secrets"), key)), *own]


def _check_stacks(data: dict[str, Any], findings: Findings) -> None:
    taken = {str(path[1]) for path, _ in tables(data, "services")}
    taken |= {name for _, service in tables(data, "services") for _, name in listed(service, "aliases")}
    for path, stack in tables(data, "stacks"):
        for alias, _ in items(stack, "aliases"):
            if alias in taken:
                findings.add((*path, "aliases", alias), "is the name of something else already", "choose another name")
            taken.add(alias)
        for name, _ in items(stack, "env"):
            if name in {secret for _, secret in listed(stack, "secrets")}:
                findings.add((*path, "env", name), "is among its secrets too", "keep it in one of them")


def _check_secrets(data: dict[str, Any], findings: Findings) -> None:
    required = {name for _, name in listed(table(data, "secrets"), "required")}
    for path, name in listed(table(data, "secrets"), "optional"):
        if name in required:
            findings.add(("secrets", *path), "is among the required ones too", "keep it in one of the lists")
    for key in ("required", "optional"):
        for path, name in listed(table(data, "secrets"), key):
            if name in CODE_VARIABLES:
                findings.add(("secrets", *path), CODE_RULE, "set it in the env of the project or service")
    declared = declared_secrets(data)
    for path, build in tables(data, "build"):
        for place, name in listed(build, "secrets"):
            _need_secret((*path, *place), name, declared, findings)


def _need_secret(path: Path, name: str | None, declared: list[str], findings: Findings) -> None:
    # The name is not repeated: somebody may have written the secret itself.
    if name is not None and re.fullmatch(SECRET_PATTERN, name) and name not in declared:
        findings.add(path, "names a secret that [secrets] does not list", "add its name to required or optional")


def _check_environments(data: dict[str, Any], findings: Findings) -> None:
    services = [str(path[1]) for path, _ in tables(data, "services")]
    databases = {str(path[1]): text(database, "engine") for path, database in tables(data, "databases")}
    names = [str(path[1]) for path, _ in tables(data, "environments")]
    declared = declared_secrets(data)
    for path, environment in tables(data, "environments"):
        for key in ("replicas", "resources", "egress"):
            for name, _ in items(environment, key):
                known_or_say((*path, key, name), name, services, "[services.{}]", findings)
        for name, placement in items(environment, "databases"):
            known_or_say((*path, "databases", name), name, list(databases), "[databases.{}]", findings)
            # What no environment may set at all has its own message.
            if databases.get(name) == "sqlite" and isinstance(placement, dict) and {*placement} <= _PLACED:
                findings.add((*path, "databases", name), "is a file of Lading's own: SQLite has no server", "remove it")
            if isinstance(placement, dict) and "url" in placement and "resources" in placement:
                findings.add((*path, "databases", name, "resources"), "has no meaning beside url", "remove one of them")
        for name in [name for name, _ in items(environment, "env") if name in CODE_VARIABLES]:
            findings.add((*path, "env", name), CODE_RULE, "set it in the env of the project or service", at_key=True)
        _check_environment_secrets(path, environment, declared, findings)
        _check_requires(path, environment, names, findings)
        _check_strategy(path, environment, findings)
        _check_edge(path, environment, findings)
    _check_circles(data, findings)


def _check_environment_secrets(
    path: Path, environment: dict[str, Any], declared: list[str], findings: Findings
) -> None:
    tls = table(environment, "tls")
    if isinstance(environment.get("tls"), dict):
        if ("certificate" in tls) != ("key" in tls) or ("acme" in tls) == ("key" in tls):
            findings.add((*path, "tls"), "needs either acme, or certificate and key together", "")
        if "domain" not in environment:
            findings.add((*path, "tls"), "needs a domain: a certificate is for a name", 'add domain = "example.org"')
    for name, placement in items(environment, "databases"):
        if isinstance(placement, dict):
            _need_secret((*path, "databases", name, "url"), text(placement, "url"), declared, findings)
    for name, source in items(environment, "secrets"):
        of_edge = (text(table(environment, "access"), "basic"), *(text(tls, key) for key in tls))
        if name not in (*declared, *of_edge, *secrets_of_store(environment)):
            findings.add((*path, "secrets", name), "is not listed in [secrets]", "add it there", at_key=True)
        if isinstance(source, dict) and len(source) != 1:
            findings.add((*path, "secrets", name), "needs exactly one of command, env and file", "")


def _wanted(environment: dict[str, Any]) -> list[tuple[Path, str]]:
    """Return the environments that a release must have passed, each with its place in the key."""
    requires = table(environment, "requires")
    passed = requires.get("passed")
    return [((), passed)] if isinstance(passed, str) else listed(requires, "passed", bare=True)


def _check_requires(path: Path, environment: dict[str, Any], names: list[str], findings: Findings) -> None:
    for place, name in _wanted(environment):
        here = (*path, "requires", "passed", *place)
        if name == path[1]:
            findings.add(here, "names the environment itself, which no release could ever enter", "name another")
        elif name != "*":
            known_or_say(here, name, names, "[environments.{}]", findings)


def _check_circles(data: dict[str, Any], findings: Findings) -> None:
    """Note environments that wait for each other: no release could ever enter any of them."""
    waits = {
        str(path[1]): [name for _, name in _wanted(environment)] for path, environment in tables(data, "environments")
    }
    clear: set[str] = set()
    for start in waits:
        chain: list[str] = []
        pending = [(start, 0)]
        while pending:
            name, depth = pending.pop()
            del chain[depth:]
            if name in chain and chain.index(name) < depth - 1:
                circle = [*chain[chain.index(name) :], name]
                path = ("environments", chain[-1], "requires", "passed")
                shown = " → ".join(printable(one) for one in circle[:8])
                findings.add(path, f"closes a circle, so that no release could ever enter: {shown}", "let one go first")
            elif name in waits and name not in clear and name not in chain:
                clear.add(name)
                chain.append(name)
                pending += [(other, depth + 1) for other in reversed(waits[name])]


def _check_strategy(path: Path, environment: dict[str, Any], findings: Findings) -> None:
    strategy = table(environment, "strategy")
    for key in ("canary", "canary_for", "latency"):
        if key in strategy and strategy.get("kind") != "canary":
            findings.add((*path, "strategy", key), 'needs kind = "canary"', "")
    shares = strategy.get("canary")
    if isinstance(shares, list) and all(isinstance(share, int | float) for share in shares):
        for index, (before, share) in enumerate(pairwise(shares), start=1):
            if share < before:
                place = (*path, "strategy", "canary", index)
                findings.add(place, f"is smaller than the share before it, {before:g}", "let the shares rise")


def _check_edge(path: Path, environment: dict[str, Any], findings: Findings) -> None:
    if environment.get("access") in ({}, {"allow": []}):
        findings.add((*path, "access"), "restricts nobody", 'write for example { basic = "STAGE_LOGIN" }, or remove it')
    elif table(environment, "access").get("allow") == []:
        findings.add((*path, "access", "allow"), "lets nobody in", "name a network, or remove it")
    limits = table(environment, "limits")
    if "burst" in limits and "rate" not in limits:
        findings.add((*path, "limits", "burst"), "has no meaning without rate", "add rate, or remove it", at_key=True)
