"""Rules of the smoke suite: one form a step, names that exist, values that are there when a step needs them."""

import re
from collections.abc import Iterator
from typing import Any

from lading.manifest.grammar_smoke import METHODS
from lading.manifest.problems import Findings, Path, printable
from lading.manifest.raw import items, listed, table, tables, text
from lading.manifest.references import known_or_say
from lading.manifest.words import VARIABLE_PATTERN

_TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")
_HTTP_ONLY = ("headers", "json", "form", "auth", "redirects", "capture")
_HTTP_EXPECTATIONS = ("status", "json", "headers")
_RUN_EXPECTATIONS = ("exit", "files")


def check_smoke(data: dict[str, Any], findings: Findings) -> None:
    """Note what is wrong between the steps, and between them and the rest of the manifest."""
    smoke = data.get("smoke")
    steps = [(("smoke", index), step) for index, step in enumerate(smoke if isinstance(smoke, list) else [])]
    secrets = table(data, "secrets")
    known = {name for key in ("required", "optional") for _, name in listed(secrets, key)}
    names: set[str] = set()
    for path, step in steps:
        if not isinstance(step, dict):
            continue
        name = text(step, "name")
        if name is not None and name in names:
            findings.add((*path, "name"), f"is the name of an earlier step: {printable(name)}", "choose another")
        names.add(name or "")
        _check_form(path, step, findings)
        _check_references(path, step, data, findings)
        _check_values(path, step, known, findings)
        known |= {captured for captured, _ in items(step, "capture")}


def _check_form(path: Path, step: dict[str, Any], findings: Findings) -> None:
    forms = [form for form in (*METHODS, "command", "job") if form in step]
    if len(forms) != 1:
        what = f"has {' and '.join(forms)}" if forms else "asks nothing"
        findings.add(path, what, "a step has one of get, post, put, patch, delete, head, command and job")
        return
    expect = table(step, "expect")
    if forms[0] in METHODS:
        _refuse(path, step, ("args",), "is for commands and jobs, and this step is a request", findings)
        _refuse((*path, "expect"), expect, _RUN_EXPECTATIONS, "is for commands and jobs, not for requests", findings)
        if "json" in step and "form" in step:
            findings.add((*path, "form"), "stands beside json, and a request has one body", "remove one", at_key=True)
        auth = table(step, "auth")
        if "auth" in step and len(auth) != 1:
            findings.add((*path, "auth"), "needs one of bearer and basic", "")
        return
    if "{{" in (text(step, "command") or ""):
        # An argument list can be read by every user of the host.
        remedy = "secrets and captured values are in its environment under their own names"
        findings.add((*path, "command"), "holds {{, and a command's arguments take no values", remedy)
    _refuse(path, step, _HTTP_ONLY, f"is for requests, and this step is a {forms[0]}", findings)
    _refuse((*path, "expect"), expect, _HTTP_EXPECTATIONS, f"is for requests, not for a {forms[0]}", findings)


def _refuse(path: Path, owner: dict[str, Any], names: tuple[str, ...], reason: str, findings: Findings) -> None:
    for name in names:
        if name in owner:
            findings.add((*path, name), reason, "remove it", at_key=True)


def _check_references(path: Path, step: dict[str, Any], data: dict[str, Any], findings: Findings) -> None:
    jobs = [str(job[1]) for job, _ in tables(data, "jobs")]
    services = {str(service[1]): value for service, value in tables(data, "services")}
    job, service = text(step, "job"), text(step, "service")
    known_or_say((*path, "job"), job, jobs, "[jobs.{}]", findings)
    known_or_say((*path, "service"), service, services, "[services.{}]", findings)
    if (service is None or service in services) and any(method in step for method in METHODS):
        _check_asked(path, step, services, findings)


def _check_asked(path: Path, step: dict[str, Any], services: dict[str, Any], findings: Findings) -> None:
    web = {name: value for name, value in services.items() if "port" in value or "static" in value}
    service = text(step, "service")
    asked = next((text(step, method) for method in METHODS if method in step), None)
    if service is not None:
        if service not in web:
            findings.add((*path, "service"), f"names {service}, which takes no requests", "add a port to it")
    elif not web:
        findings.add(path, "sends a request, but no service has a port", "add a port to a service")
    elif len(web) > 1 and asked is not None:
        prefixes = {name: value.get("path", "/") for name, value in web.items()}
        texts = {name: prefix for name, prefix in prefixes.items() if isinstance(prefix, str)}
        if len(texts) == len(prefixes) and service_for(asked, texts) is None:
            findings.add(path, "asks for a path that no service is routed at", f"add service, one of {', '.join(web)}")


def service_for(asked: str, prefixes: dict[str, str]) -> str | None:
    """Return the service whose path prefix is the longest that fits, as the router chooses."""
    where = asked.partition("?")[0]
    fitting = [
        (len(prefix), name)
        for name, prefix in prefixes.items()
        if where == prefix.rstrip("/") or where.startswith(prefix.rstrip("/") + "/")
    ]
    return max(fitting)[1] if fitting else None


def _check_values(path: Path, step: dict[str, Any], known: set[str], findings: Findings) -> None:
    remedy = "list its name in [secrets], or capture it in an earlier step"
    for key in ("bearer", "basic"):
        name = text(table(step, "auth"), key)
        if name is not None and re.fullmatch(VARIABLE_PATTERN, name) and name not in known:
            # Not repeated: somebody may have written the secret itself.
            findings.add((*path, "auth", key), "names neither a secret nor a value captured before", remedy)
    for place, template in _templates(step):
        for name in _TEMPLATE.findall(template):
            if name not in known:
                what = f"{{{{{printable(name)}}}}} is neither a secret nor a value captured before"
                findings.add((*path, *place), what, remedy)
        if "{{" in _TEMPLATE.sub("", template):
            findings.add((*path, *place), "holds {{ without a name and }}", "a template is written {{NAME}}")


def _templates(step: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Give every text of a step that may hold templates."""
    for key in METHODS:
        if isinstance(step.get(key), str):
            yield (key,), step[key]
    pending: list[tuple[Path, Any]] = [((key,), step.get(key)) for key in ("headers", "json", "form")]
    while pending:
        place, value = pending.pop()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            pending.extend(((*place, name), inner) for name, inner in value.items())
        elif isinstance(value, list):
            pending.extend(((*place, index), inner) for index, inner in enumerate(value))
