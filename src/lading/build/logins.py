"""Logins at registries as ``docker login`` keeps them: in its configuration, or in a helper that it names."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lading.build.registry import HUB, Login
from lading.model.secret import Secret

HELPER_LIMIT = 10.0  # seconds a helper may take
HUB_KEY = "https://index.docker.io/v1/"


def docker_login(host: str) -> Login | None:
    """Return the login of this user for a registry's host, None where there is none that can be read."""
    place = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        settings = json.loads((place / "config.json").read_bytes())
    except (OSError, ValueError, RuntimeError):
        return None
    if not isinstance(settings, dict):
        return None
    key = HUB_KEY if host == HUB else host
    helper = _table(settings, "credHelpers").get(key) or settings.get("credsStore")
    return (_helped(str(helper), key) if helper else None) or _written(_table(settings, "auths").get(key))


def _table(settings: dict[str, Any], name: str) -> dict[str, Any]:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}


def _written(entry: Any) -> Login | None:
    try:
        user, colon, password = base64.b64decode(entry["auth"]).decode().partition(":")
    except (TypeError, KeyError, ValueError):
        return None
    return Login(user, Secret(password)) if colon else None


def _helped(helper: str, key: str) -> Login | None:
    words = [f"docker-credential-{helper}", "get"]
    try:
        done = subprocess.run(words, input=key, capture_output=True, text=True, check=True, timeout=HELPER_LIMIT)
        said = json.loads(done.stdout)
        return Login(str(said["Username"]), Secret(str(said["Secret"])))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
