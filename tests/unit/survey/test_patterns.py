"""Ways in which people write the same thing: each is understood."""

from pathlib import Path

import pytest

from lading.survey import draft, survey
from lading.survey.commands import dissect, joined, listening, server_of
from lading.survey.dependencies import python_doubt
from lading.survey.names import valid_name
from lading.survey.values import Survey, Variable

FASTAPI = "from fastapi import APIRouter, FastAPI\n"


def surveyed(root: Path, **files: str) -> Survey:
    """Survey a repository of some files; __ in a name stands for / and _DOT_ for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return survey(root)


def variables(root: Path, text: str, **files: str) -> dict[str, Variable]:
    found = surveyed(root, **{"settings_DOT_py": text, **files})
    return {variable.name: variable for variable in found.variables}


@pytest.mark.parametrize(
    ("text", "name", "factory"),
    [
        ("from fastapi import FastAPI\napp = FastAPI()\n", "app", False),
        ("import fastapi\napi: fastapi.FastAPI = fastapi.FastAPI()\n", "api", False),
        ("from fastapi import FastAPI as F\nif True:\n    app = F()\n", "app", False),
        ("from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    return app\n", "create_app", True),
        ("from fastapi import FastAPI\ndef make():\n    return FastAPI()\napp = make()\n", "app", False),
        (
            "from fastapi import FastAPI\ndef make(x):\n    return FastAPI()\n"
            "def __getattr__(name):\n    if name == 'app':\n        return make(1)\n",
            "app",
            False,
        ),
        ("from fastapi import FastAPI\nsub = FastAPI()\napp = FastAPI()\napp.mount('/sub', sub)\n", "app", False),
    ],
)
def test_applications(tmp_path: Path, text: str, name: str, factory: bool):
    """An object in a module, whatever it is called, or a function that makes one."""
    app = surveyed(tmp_path, main_DOT_py=text).app
    assert app is not None
    assert (app.module, app.name, app.factory) == ("main", name, factory)


def test_an_application_of_a_test_is_none(tmp_path: Path):
    """Tests, documents and examples are no part of what runs."""
    assert surveyed(tmp_path, tests__app_DOT_py=FASTAPI + "app = FastAPI()\n").app is None


def test_a_package_that_calls_itself_src_keeps_its_name(tmp_path: Path):
    """Where the code imports src.…, that is its name; elsewhere src is a folder on the path."""
    text = FASTAPI + "from src.other import x\napp = FastAPI()\n"
    app = surveyed(tmp_path, src__main_DOT_py=text, src__other_DOT_py="x = 1\n").app
    assert app is not None
    assert app.module == "src.main"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("app = FastAPI()\n@app.get('/healthz')\ndef h(): ...\n", "/healthz"),
        ("app = FastAPI()\nr = APIRouter(prefix='/a')\n@r.get('/health')\ndef h(): ...\n"
         "app.include_router(r, prefix='/b')\n", "/b/a/health"),
        ("V = '/v1'\napp = FastAPI()\nr = APIRouter()\n@r.get('/health')\ndef h(): ...\n"
         "app.include_router(r, prefix=f'/api{V}')\n", "/api/v1/health"),
        ("app = FastAPI()\nr = APIRouter()\ns = APIRouter()\n@r.get('/health')\ndef h(): ...\n"
         "s.include_router(r, prefix='/x')\nfor one in (s,):\n    app.include_router(one, prefix='/y')\n",
         "/y/x/health"),
        ("app = FastAPI()\nasync def h(): ...\napp.add_api_route('/ping', h)\n", "/ping"),
        ("from starlette.routing import Route\nx = [Route('/livez', None)]\napp = FastAPI()\n", "/livez"),
        ("app = FastAPI()\nr = APIRouter()\n@r.get('/health')\ndef h(): ...\n", None),
        ("app = FastAPI()\n@app.post('/health')\ndef h(): ...\n", None),
        ("app = FastAPI()\n@app.get('/users/{id}/health')\ndef h(): ...\n", None),
    ],
)  # fmt: skip
def test_routes(tmp_path: Path, text: str, path: str | None):
    """Prefixes add up along routers; what nobody includes, takes no GET or has parameters is no route to ask."""
    health = surveyed(tmp_path, main_DOT_py=FASTAPI + text).health
    assert (health.path if health is not None else None) == path


@pytest.mark.parametrize(
    ("text", "required", "default"),
    [
        ("import os\nX = os.environ['NAME']\n", True, None),
        ("from os import environ as e\nX = e['NAME']\n", True, None),
        ("from os import getenv\nX = getenv('NAME', 'x')\n", False, "x"),
        ("import os\nK = 'NAME'\nX = os.environ.get(K)\n", False, None),
        ("from decouple import config\nX = config('NAME', default=3, cast=int)\n", False, "3"),
        ("from decouple import config\nX = config('NAME')\n", True, None),
        ("import environ\nenv = environ.Env()\nX = env.int('NAME', default=4)\n", False, "4"),
        ("from environs import env\nX = env.str('NAME')\n", True, None),
        ("from starlette.config import Config\nc = Config()\nX = c('NAME', default='y')\n", False, "y"),
        ("import os\ndef need(name):\n    if not os.environ.get(name):\n        raise SystemExit\n    return 1\n"
         "X = need('NAME')\n", True, None),
        ("from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    name: str\n", True, None),
        ("from pydantic_settings import BaseSettings\nclass B(BaseSettings): ...\nclass S(B):\n    name: str = 'z'\n",
         False, "z"),
        ("from pydantic_settings import BaseSettings\nfrom pydantic import Field\nclass S(BaseSettings):\n"
         "    x: str = Field(..., alias='NAME')\n", True, None),
    ],
)  # fmt: skip
def test_variables(tmp_path: Path, text: str, required: bool, default: str | None):
    """However a program reads a variable, its name, whether it has to be there, and its default are known."""
    found = variables(tmp_path, text)["NAME"]
    assert (found.required, found.default) == (required, default)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nX = os.environ['SECRET_KEY']\n",
        "import os\nX = os.getenv('STRIPE_API_KEY', 'sk-live-1234567890abcdef1234')\n",
        "import os\nX = os.getenv('BROKER', 'amqp://me:hunter2@broker')\n",
        "from pydantic import SecretStr\nfrom pydantic_settings import BaseSettings\nclass S(BaseSettings):\n"
        "    pin: SecretStr = SecretStr('hunter2')\n",
        "import os\nX = os.getenv('JWT_KEY', 'hunter2')\n",
    ],
)
def test_secrets_are_told_apart_and_their_values_forgotten(tmp_path: Path, text: str):
    """By name, by the form of a value, by type; no value of one is in the draft or anything that is said."""
    found = surveyed(tmp_path, settings_DOT_py=text)
    (variable,) = found.variables
    assert variable.sensitive
    said = repr(found) + repr(draft(found))
    assert f'"{variable.name}",' in draft(found).text
    assert not any(value in said for value in ("hunter2", "sk-live"))


def test_an_env_file_is_never_read(tmp_path: Path):
    """.env holds what is secret; only its sample is looked at."""
    files = {"_DOT_env": "FROM_ENV=hunter2\n", "_DOT_env_DOT_example": "FROM_SAMPLE=1\n"}
    assert list(variables(tmp_path, "", **files)) == ["FROM_SAMPLE"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("uvicorn app:app --host 0.0.0.0 --port 80 --reload", "uvicorn app:app"),
        ("sh -c 'alembic upgrade head && exec uvicorn app:app --port ${PORT:-80}'", "uvicorn app:app"),
        ("poetry run gunicorn -b :8000 -w 4 app:app", "gunicorn --bind {host}:{port} -w 4 app:app"),
        ("uv run fastapi run app/main.py --port 80", "fastapi run app/main.py --host {host} --port {port}"),
        ("python manage.py runserver 0.0.0.0:8000", "python manage.py runserver {host}:{port} --noreload"),
        ("python -m uvicorn app:app", "uvicorn app:app"),
        ("/usr/local/bin/gunicorn --bind=0.0.0.0:80 app:app", "gunicorn --bind {host}:{port} app:app"),
        ("daphne -b 0.0.0.0 -p 8000 app.asgi:application", "daphne -b {host} -p {port} app.asgi:application"),
        ("waitress-serve --listen=*:8000 app:app", "waitress-serve --listen={host}:{port} app:app"),
        ("FOO=1 exec hypercorn app:app --bind 0.0.0.0:1", "hypercorn --bind {host}:{port} app:app"),
    ],
)
def test_start_commands(command: str, words: str):
    """The place to listen is left to Lading, and what only starts the server is dropped."""
    parts = dissect(command)
    server = server_of(parts.words)
    assert server is not None
    assert joined(listening(parts.words, server)) == words


def test_what_runs_before_the_server_is_known():
    """Migrations are told apart from what would be lost."""
    parts = dissect("python manage.py migrate && ./prepare.sh && gunicorn app:app")
    assert parts.migrations == ("python manage.py migrate",)
    assert parts.lost == ("./prepare.sh",)


def test_a_start_script_is_followed(tmp_path: Path):
    """A Dockerfile's entry point that is a script of the repository says what starts."""
    found = surveyed(
        tmp_path,
        Dockerfile='FROM python\nCOPY . .\nEXPOSE 9000\nENTRYPOINT ["./scripts/start.sh"]\n',
        scripts__start_DOT_sh="#!/bin/sh\nset -e\nalembic upgrade head\nexec uvicorn shop.main:app --host 0.0.0.0\n",
    )
    assert 'command = "uvicorn shop.main:app"' in draft(found).text
    assert found.port == (9000, "Dockerfile:3")
    assert found.migration is not None
    assert found.migration.command == "alembic upgrade head"


@pytest.mark.parametrize(
    ("text", "name"),
    [("My Shop!", "my-shop"), ("_private", "private"), ("2fast", "fast"), ("äöü", "app"), ("", "app"),
     ("a" * 60, "a" * 40), ("shop_api.v2", "shop-api-v2"), ("-" * 50, "app")],
)  # fmt: skip
def test_names_are_made_valid(text: str, name: str):
    """Whatever a directory or project is called, the manifest takes the name."""
    assert valid_name(text) == name


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [(">=3.8", True), ("^3.11", True), (">=3.11,<4.0", True), ("", True), (">=3.99", False), ("~3.9", False),
     ("<3.10", False), ("==3.8.*", False)],
)  # fmt: skip
def test_pythons_that_do_not_fit_are_said(wanted: str, fits: bool):
    """Lading builds with the Python it runs on; a project that asks for another is told so."""
    assert bool(python_doubt(wanted)) is not fits


def test_host_headers_that_are_written_down_are_sent(tmp_path: Path):
    """A Django that takes only certain hosts is asked by one of them, by probes and smoke check alike."""
    found = surveyed(
        tmp_path,
        requirements_DOT_txt="django\ngunicorn\n",
        manage_DOT_py="import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_settings')\n",
        site_settings_DOT_py="ROOT_URLCONF = 'urls'\nALLOWED_HOSTS = ['shop.example.org']\nDATABASES = {}\n",
        urls_DOT_py="from django.urls import path\nurlpatterns = [path('', None), path('health/', None)]\n",
    )
    text = draft(found).text
    assert 'health  = { path = "/health/", host = "shop.example.org" }' in text
    assert 'headers = { Host = "shop.example.org" }' in text


def test_hosts_of_a_variable_are_set_for_the_checks(tmp_path: Path):
    """A Django whose hosts come from a variable gets those that Lading asks by, with the separator it splits at."""
    found = surveyed(
        tmp_path,
        requirements_DOT_txt="django\ngunicorn\n",
        manage_DOT_py="import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_settings')\n",
        site_settings_DOT_py="import os\nROOT_URLCONF = 'urls'\nDATABASES = {}\n"
        "ALLOWED_HOSTS = os.environ.get('HOSTS_ALLOWED', '').split(';')\n",
        urls_DOT_py="from django.urls import path\nurlpatterns = [path('', None)]\n",
    )
    assert 'HOSTS_ALLOWED = "127.0.0.1;localhost"' in draft(found).text
