"""What deserves a second look although it is allowed."""

import re
from typing import Any

from lading.manifest.crosschecks_stores import plain_endpoints
from lading.manifest.problems import Findings, Path, looks_like_secret
from lading.manifest.raw import items, listed, table, tables, text

_SECRET_NAME = re.compile(
    r"(^|_)(SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL"
    r"|(API|ACCESS|PRIVATE|SIGNING|SECRET|JWT|AUTH|SESSION|ENCRYPTION|MASTER|FERNET)_?KEY)S?$",
    re.IGNORECASE,
)
# What the runtime tells a service with a port, over anything the manifest says.
_GIVEN = ("PORT", "HOST", "UVICORN_PORT", "UVICORN_HOST", "FORWARDED_ALLOW_IPS")

# What each line of ``relax`` gives up.
_RELAXED = {
    "user": "the program may run as root within its container",
    "read-only": "the program can change its own files, and what it writes there is lost with the container",
    "capabilities": "the program keeps the engine's usual capabilities, such as changing owners of files",
    "new-privileges": "the program can gain rights by setuid programs of the image",
    "limits": "the program can take all memory and processes of the host",
}


def looks_secret(name: str, value: str) -> bool:
    """Tell whether a variable's name or value looks like a secret: ``API_TOKEN``, ``postgres://user:password@…``."""
    return bool(value) and bool(_SECRET_NAME.search(name) or looks_like_secret(value))


def advise(data: dict[str, Any]) -> Findings:
    """Return the warnings of a manifest; they never repeat a value."""
    findings = Findings()
    _look((), "env", data, findings)
    for kind in ("services", "jobs", "environments"):
        for path, owner in tables(data, kind):
            _look(path, "env", owner, findings)
    for path, build in tables(data, "build"):
        _look(path, "args", build, findings)
    _advise_given(data, findings)
    _advise_relaxed(data, findings)
    _advise_static(data, findings)
    _advise_latest(data, findings)
    _advise_production(data, findings)
    _advise_recreate(data, findings)
    for path in plain_endpoints(data):
        remedy = 'write "https://…", unless it is reached by a private network'
        findings.add(path, "sends outputs where everyone on the way can read them", remedy)
    return findings


def _look(path: Path, key: str, owner: dict[str, Any], findings: Findings) -> None:
    for name, value in items(owner, key):
        if isinstance(value, str) and looks_secret(name, value):
            remedy = "list its name in [secrets] and remove it here; if it ever was committed, change the secret"
            findings.add((*path, key, name), "looks like a secret, and the manifest is read by everybody", remedy)


def _advise_given(data: dict[str, Any], findings: Findings) -> None:
    web = [(path, service) for path, service in tables(data, "services") if "port" in service]
    owners: list[tuple[Path, dict[str, Any]]] = [((), data), *tables(data, "environments")] if web else []
    for path, owner in [*owners, *web]:
        for name, _ in items(owner, "env"):
            if name in _GIVEN:
                findings.add(
                    (*path, "env", name), "has no effect on services with a port: Lading gives it", "remove it"
                )


def _advise_relaxed(data: dict[str, Any], findings: Findings) -> None:
    for path, service in tables(data, "services"):
        for place, name in listed(service, "relax"):
            if name in _RELAXED:
                findings.add((*path, *place), f"gives up a safe default: {_RELAXED[name]}", "remove it if it can be")


def _advise_latest(data: dict[str, Any], findings: Findings) -> None:
    for path, service in tables(data, "services"):
        if (text(service, "image") or "").endswith(":latest"):
            found = "is another image from one release to the next, and nobody decided so"
            findings.add((*path, "image"), found, "name a version")


def _advise_static(data: dict[str, Any], findings: Findings) -> None:
    for path, service in tables(data, "services"):
        prefix = (text(service, "path") or "/").strip("/")
        if "static" in service and prefix and service.get("strip_prefix") is not True:
            found = f"is looked for in the folder {prefix} of {service['static']}"
            findings.add((*path, "path"), found, "add strip_prefix = true, unless the files lie there")


def _advise_egress(path: Path, environment: dict[str, Any], data: dict[str, Any], findings: Findings) -> None:
    """Say what may reach everything; only containers can be restricted."""
    own = dict(items(environment, "egress"))
    images = [str(place[1]) for place, build in tables(data, "build") if "dockerfile" in build]
    users = [*tables(data, "services"), *tables(data, "jobs")]
    free = [
        str(place[1])
        for place, user in users
        if "egress" not in user
        and "static" not in user
        and (place[1] not in own or place[0] == "jobs")
        and (text(user, "build") or next(iter(images), "")) in images
    ]
    if free:
        remedy = 'list what they need: egress = ["api.example.org:443"]; [] for nothing'
        findings.add(path, f"restricts no outbound traffic of {', '.join(free)}", remedy)


def _advise_production(data: dict[str, Any], findings: Findings) -> None:
    for path, environment in tables(data, "environments"):
        tier = text(environment, "tier") or ("production" if path[1] in ("production", "prod") else "")
        if tier == "production":
            if not data.get("smoke"):
                findings.add(path, "takes no release whose smoke suite is empty", "add a [[smoke]] step")
            _advise_egress(path, environment, data, findings)
            if "domain" in environment and "tls" not in environment:
                remedy = (
                    'add tls = { acme = "ops@example.org" }, unless a proxy of your own in front has the certificate'
                )
                findings.add((*path, "domain"), "is answered by plain HTTP, readable on the way", remedy)
    for path, service in tables(data, "services"):
        if "port" in service and "ready" not in service:
            remedy = 'add ready = "/ready"; without it traffic comes as soon as the port answers'
            findings.add(path, "has no ready check", remedy)
    if not table(data, "environments"):
        findings.add(
            ("environments",), "names no environment, so there is nowhere to deploy to", "add [environments.local]"
        )


def _advise_recreate(data: dict[str, Any], findings: Findings) -> None:
    for path, environment in tables(data, "environments"):
        strategy = environment.get("strategy")
        kind = strategy.get("kind") if isinstance(strategy, dict) else strategy
        for name, number in items(environment, "replicas"):
            if kind == "recreate" and isinstance(number, int) and number > 1:
                remedy = "leave it at 1, if only one may run"
                findings.add((*path, "replicas", name), f"runs {number} at once, and recreate is for one alone", remedy)
