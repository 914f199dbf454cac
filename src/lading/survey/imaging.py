"""Writes the Dockerfile that a survey suggests: two stages, dependencies as they are locked, no root, one process."""

import json
import re
import shlex
import sys
from typing import NamedTuple

from lading.survey.serving import port_row, start_of
from lading.survey.values import Survey

USER = 10001  # a number, as no list of users has to be there to tell that it is not root's
NEWEST = (3, 13)  # the Python that is taken where nothing asks for another
IGNORED = (
    ".git",
    ".env",
    ".env.*",
    ".venv",
    "**/__pycache__",
    "**/*.pyc",
    "**/node_modules",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".dockerignore",
    "Dockerfile",
    "lading.toml",
)


class Drafted(NamedTuple):
    """A Dockerfile and the list of what stays out of it, with the paths they belong at."""

    path: str
    text: str
    ignore_path: str
    ignore: str


def image_files(survey: Survey, uv: str) -> Drafted:
    """Return the files for a repository; ``uv`` is the version that is pinned in them."""
    at = "" if survey.dependencies.context == "." else f"{survey.dependencies.context}/"
    return Drafted(f"{at}Dockerfile", _dockerfile(survey, uv), f"{at}.dockerignore", "\n".join(IGNORED) + "\n")


def _dockerfile(survey: Survey, uv: str) -> str:
    base = f"python:{python_of(survey.dependencies.python)}-slim"
    return f"""# Drafted by lading init: dependencies as they are locked, two stages, no root.
# A tag may move; to hold on to these very bytes: FROM {base}@sha256:… (docker images --digests)
FROM {base} AS build
RUN pip install --no-cache-dir uv=={uv}
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
{_installing(survey.dependencies.bundle)}

FROM {base}
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app:/app/src PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# The dependencies first: their layer stays as it is until the lock changes, and a changed line is some kilobytes.
COPY --from=build /app/.venv /app/.venv
COPY . .
USER {USER}
{_start(survey)}"""


def _installing(bundle: str) -> str:
    if bundle == "uv.lock":
        return "COPY pyproject.toml uv.lock ./\nRUN uv sync --frozen --no-dev --no-install-project"
    name = shlex.quote(bundle)
    return f"COPY {name} ./\nRUN uv venv && uv pip install --require-hashes --requirement {name}"


def _start(survey: Survey) -> str:
    """Return what is started. Lading says where to listen by variables and placeholders; elsewhere these hold."""
    start, port = start_of(survey), port_row(survey).value
    if start is None:
        return ""
    words = [word.replace("{host}", "0.0.0.0").replace("{port}", port) for word in shlex.split(start.command)]
    variables = f"ENV UVICORN_HOST=0.0.0.0 UVICORN_PORT={port}\n" if words[0] == "uvicorn" else ""
    return f"{variables}EXPOSE {port}\nCMD {json.dumps(words)}\n"


def python_of(wanted: str) -> str:
    """Return the minor version for ``requires-python``: this one's where it fits, else the lowest that is asked for."""
    here = min(sys.version_info[:2], NEWEST)
    found = re.findall(r"(>=|\^|~=|==|~|<)\s*(\d+)\.(\d+)", wanted)
    lowest = [(int(major), int(minor)) for sign, major, minor in found if sign != "<"]
    exact = [(int(major), int(minor)) for sign, major, minor in found if sign in ("==", "~")]
    above = [(int(major), int(minor)) for sign, major, minor in found if sign == "<"]
    fits = all(here >= one for one in lowest) and all(here < one for one in above) and (not exact or here in exact)
    major, minor = here if fits else exact[0] if exact else max(lowest, default=here)
    return f"{major}.{minor}"
