"""What deserves a second look although it is allowed."""

import re
from typing import Any

from lading.manifest.problems import Findings, Path
from lading.manifest.raw import items, table, tables, text

_SECRET_NAME = re.compile(
    r"(^|_)(SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SIGNING_?KEY|CREDENTIALS?)S?$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"-----BEGIN |^(sk|pk|rk)[-_][A-Za-z0-9_-]{16}|^gh[pousr]_[A-Za-z0-9]{20}|^xox[abprs]-|^AKIA[A-Z0-9]{12}"
    r"|^eyJ[A-Za-z0-9_-]{20}"
    r"|://[^/@\s:]*:[^/@\s]+@"
)


def looks_secret(name: str, value: str) -> bool:
    """Tell whether a variable's name or value looks like a secret: ``API_TOKEN``, ``postgres://user:password@…``."""
    return bool(value) and bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))


def advise(data: dict[str, Any]) -> Findings:
    """Return the warnings of a manifest; they never repeat a value."""
    findings = Findings()
    _look((), "env", data, findings)
    for kind in ("services", "jobs", "environments"):
        for path, owner in tables(data, kind):
            _look(path, "env", owner, findings)
    for path, build in tables(data, "build"):
        _look(path, "args", build, findings)
    _advise_production(data, findings)
    return findings


def _look(path: Path, key: str, owner: dict[str, Any], findings: Findings) -> None:
    for name, value in items(owner, key):
        if isinstance(value, str) and looks_secret(name, value):
            remedy = "list its name in [secrets] and remove it here; if it ever was committed, change the secret"
            findings.add((*path, key, name), "looks like a secret, and the manifest is read by everybody", remedy)


def _advise_production(data: dict[str, Any], findings: Findings) -> None:
    for path, environment in tables(data, "environments"):
        tier = text(environment, "tier") or ("production" if path[1] in ("production", "prod") else "")
        if tier == "production" and not data.get("smoke"):
            findings.add(path, "takes no release whose smoke suite is empty", "add a [[smoke]] step")
    for path, service in tables(data, "services"):
        if "port" in service and "ready" not in service:
            remedy = 'add ready = "/ready"; without it traffic comes as soon as the port answers'
            findings.add(path, "has no ready check", remedy)
    if not table(data, "environments"):
        findings.add(
            ("environments",), "names no environment, so there is nowhere to deploy to", "add [environments.local]"
        )
