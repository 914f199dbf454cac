"""Where packages come from on this machine: what pip was told, said to uv for one run and written nowhere.

uv has its own settings and ignores pip's. A machine whose administrator set a mirror for pip expects it to be used.
"""

import configparser
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from lading.model.secret import Secret

# pip's setting → uv's variable; whatever the user told uv itself stands.
TRANSLATED = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
OLDER_NAMES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
CREDENTIALS = re.compile(r"//[^/@:\s]*:([^/@\s]+)@")


def pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings of :data:`TRANSLATED` as pip itself would see them: variables over user over machine."""
    settings: dict[str, str] = {}
    for path in _configuration_files(environment):
        settings |= _read(path)
    for name in TRANSLATED:
        value = environment.get("PIP_" + name.upper().replace("-", "_"), "").strip()
        if value:
            settings[name] = value
    return settings


def uv_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make uv find packages where pip finds them."""
    settings = pip_settings(environment)
    variables = {}
    for name, variable in TRANSLATED.items():
        told = environment.get(variable) or environment.get(OLDER_NAMES.get(variable, ""))
        if name in settings and not told:
            places = settings[name].split()
            if variable == "UV_FIND_LINKS":
                # pip passes over a directory that is not there; uv would end at it.
                places = [place for place in places if "://" in place or Path(place).exists()]
            if places:
                variables[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(places)
    if "UV_INDEX" in variables and "UV_INDEX_STRATEGY" not in environment:
        # pip looks for a version in all indexes; every file is checked by its hash, so none can slip in another.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    certificate = environment.get("PIP_CERT")
    if certificate and "SSL_CERT_FILE" not in environment:
        variables["SSL_CERT_FILE"] = certificate
    return variables


def without_indexes(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without any word about indexes."""
    names = {*TRANSLATED.values(), *OLDER_NAMES.values()}
    return {name: value for name, value in environment.items() if name not in names}


def index_passwords(environment: Mapping[str, str]) -> list[Secret]:
    """Return the passwords that stand in index addresses: they must not show up in output or artifacts."""
    values = [*pip_settings(environment).values(), *(v for k, v in environment.items() if k.startswith("UV_"))]
    return [Secret(password) for value in values for password in CREDENTIALS.findall(value)]


def _configuration_files(environment: Mapping[str, str]) -> list[Path]:
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path(environment.get("HOME", "/"))
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    paths = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip/pip.conf", settings / "pip/pip.conf"]
    return [*paths, Path(sys.prefix, "pip.conf"), *([Path(chosen)] if chosen else [])]


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        # pip itself would complain about it; a build that needs no package from there should still work.
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {name: value for name, value in parser.items(section) if name in TRANSLATED and value.strip()}
    return found
