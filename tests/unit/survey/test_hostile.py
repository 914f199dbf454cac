"""Repositories that nobody meant for reading: none gives a traceback, none takes long, none gets out of itself."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.manifest import check_text
from lading.survey import draft, findings, next_steps, survey
from lading.survey.files import DEEPEST, LARGEST, Repository

LIMIT = 10.0  # seconds for any repository of these, on a busy machine
MAIN = 'from fastapi import FastAPI\napp = FastAPI()\n\n\n@app.get("/ready")\ndef ready():\n    return {}\n'


def looked_at(root: Path) -> tuple[str, tuple[str, ...]]:
    """Survey and draft, and see that the draft is a valid manifest and that every line can be printed."""
    began = time.monotonic()
    found = survey(root)
    drafted = draft(found)
    lines = [*drafted.doubts, *next_steps(found, drafted, up=True), *(line for one in findings(found) for line in one)]
    assert time.monotonic() - began < LIMIT
    checked = check_text(drafted.text)
    assert (checked.problems, checked.notes) == ((), ())
    assert all(line.isprintable() for line in [*lines, *drafted.text.splitlines()])
    return drafted.text, drafted.doubts


def not_utf8(root: Path) -> None:
    (root / "main.py").write_bytes(b"# caf\xe9\n" + MAIN.encode())
    (root / "requirements.txt").write_bytes(b"fastapi\nuvicorn\n# \xff\xfe\xfa\n")
    (root / ".env.example").write_bytes(b"NAME=\xe9\xe8\n\x00=\x01\n")


def utf16(root: Path) -> None:
    (root / "requirements.txt").write_bytes("fastapi\nuvicorn\n".encode("utf-16"))
    (root / "main.py").write_bytes(MAIN.encode("utf-16"))


def broken_files(root: Path) -> None:
    (root / "pyproject.toml").write_text('[project\nname = "x')
    (root / "main.py").write_text("def broken(:\n")
    (root / "compose.yaml").write_text("services: [\n")
    (root / "Dockerfile").write_text('CMD ["uvicorn"\nFROM\nEXPOSE 99999999\nUSER\n')
    (root / "Procfile").write_text("web:\n: x\nweb uvicorn\n")
    (root / "Pipfile").write_text("=")


def wrong_types(root: Path) -> None:
    (root / "pyproject.toml").write_text(
        'tool = 3\n[project]\nname = ["x"]\ndependencies = { a = 1 }\nscripts = "no"\ndescription = 4\n'
        "requires-python = [1]\n"
    )
    (root / "compose.yaml").write_text("services:\n  web: 3\n  db: {image: [1], ports: x, build: 1, environment: 5}\n")


def poetry_of_wrong_types(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool]\npoetry = { dependencies = [1], scripts = 3, name = 4 }\n")


def injections(root: Path) -> None:
    (root / "pyproject.toml").write_text(
        '[project]\nname = "x\\"\\n[services.evil]\\ncommand = \\"rm\\""\n'
        'description = "a \\" b \\\\ \\u001b[31m \\n[x]"\n'
        'dependencies = ["fastapi", "uvicorn"]\n[project.scripts]\n"a b\\"" = "main:app"\n'
    )
    (root / "main.py").write_text(
        MAIN.replace("/ready", '/ready"\\n[x]\\u202e') + 'import os\nX = os.getenv("A_B", "\\"\\n[evil]\\x1b")\n'
    )
    (root / ".env.example").write_text('GREETING="\\"]\x1b[31m"\nOTHER=\x85 x\n')
    (root / "Procfile").write_text("web: uvicorn main:app --host '\"\"\" \\u0007'\nworker: python 'x\"y.py'\n")
    (root / 'a\nb"].py').write_text(MAIN)


def links(root: Path) -> None:
    (root / "loop").symlink_to(".")
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "requirements.txt").symlink_to(root.parent / "outside" / "requirements.txt")
    (root / "main.py").symlink_to(root.parent / "outside" / "main.py")


def no_files(root: Path) -> None:
    os.mkfifo(root / "requirements.txt")
    os.mkfifo(root / "main.py")
    (root / "Dockerfile").mkdir()
    (root / ".env.example").mkdir()


def enormous(root: Path) -> None:
    (root / "main.py").write_text(MAIN)
    for name in ("requirements.txt", "dump.py", "pyproject.toml", ".env.example", "compose.yaml"):
        with (root / name).open("wb") as file:
            file.truncate(50 * 1024 * 1024)


def deep(root: Path) -> None:
    place = root
    for _ in range(60):
        place = place / "d"
        place.mkdir()
    (place / "main.py").write_text(MAIN)


def nested(root: Path) -> None:
    (root / "main.py").write_text(f"{MAIN}x = {'(' * 20_000}{')' * 20_000}\n")
    (root / "app.py").write_text(f"{MAIN}x = {'-' * 50_000}1\n")
    (root / "api.py").write_text(MAIN + "x = " + "a." * 20_000 + "a\n")
    (root / "wsgi.py").write_text(MAIN + "x = " + " + ".join(['"a"'] * 5_000) + "\napp.include_router(app, prefix=x)\n")
    (root / "pyproject.toml").write_text(f"x = {'[' * 20_000}{']' * 20_000}\n")
    (root / "compose.yaml").write_text("[" * 20_000)
    (root / "Dockerfile").write_text(f"CMD {'[' * 20_000}\n")


def yaml_bomb(root: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (root / "compose.yaml").write_text("\n".join([*lines, "services: *a29", "x: !!python/object/apply:os.system [id]"]))


def circles(root: Path) -> None:
    (root / "main.py").write_text(
        "from fastapi import APIRouter\nfrom other import a as b\n" + MAIN + "a = APIRouter()\nc = APIRouter()\n"
        "a.include_router(c)\nc.include_router(a)\n\n\n@a.get('/health')\ndef health():\n    return {}\n"
    )
    (root / "other.py").write_text("from main import b as a\nfrom fastapi import FastAPI\n")
    (root / "requirements.txt").write_text(
        "-r requirements.txt\n-r ../../../etc/passwd\n-r other.txt\nfastapi\nuvicorn\n"
    )
    (root / "other.txt").write_text("-r requirements.txt\n")
    (root / "urls.py").write_text('from django.urls import include, path\nurlpatterns = [path("", include("urls"))]\n')
    (root / "settings.py").write_text('INSTALLED_APPS = []\nROOT_URLCONF = "urls"\nfrom settings import *\n')


CASES: list[Callable[[Path], None]] = [
    not_utf8,
    utf16,
    broken_files,
    wrong_types,
    poetry_of_wrong_types,
    injections,
    links,
    no_files,
    enormous,
    deep,
    nested,
    yaml_bomb,
    circles,
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "requirements.txt").write_text("flask-from-outside\n")
    (outside / "main.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_hostile_repository_gives_a_valid_draft(make: Callable[[Path], None], root: Path) -> None:
    """Whatever lies there, the draft passes the check, in bounded time, and holds nothing a terminal acts upon."""
    make(root)
    text, _ = looked_at(root)
    assert "evil" not in [line.strip("[]") for line in text.splitlines()]
    assert "flask" not in text, "nothing outside was read"


def test_what_was_left_out_is_said(root: Path) -> None:
    """Links, files too large and directories too deep are named among what is not sure."""
    (root / "loop").symlink_to(".")
    (root / "big.py").write_bytes(b"import os\n" + bytes(LARGEST))
    deep(root)
    _, doubts = looked_at(root)
    said = "\n".join(doubts)
    assert "not looked at: loop, a link" in said
    assert "not looked at: big.py, 0.3 MB" in said
    assert f"deeper than {DEEPEST} levels" in said


def test_encodings_are_read(root: Path) -> None:
    """A file in another encoding than UTF-8 is read as well as it can be."""
    utf16(root)
    text, _ = looked_at(root)
    assert 'command = "uvicorn main:app"' in text


def test_no_code_is_run(root: Path) -> None:
    """Not even importing happens: a module that ends the program when imported ends nothing."""
    (root / "main.py").write_text(f"{MAIN}\nimport sys, pathlib\npathlib.Path('ran').write_text('')\nsys.exit(9)\n")
    (root / "setup.py").write_text("raise SystemExit(9)\n")
    (root / "sitecustomize.py").write_text("raise SystemExit(9)\n")
    before = set(sys.modules)
    looked_at(root)
    assert not (root / "ran").exists()
    assert "main" not in set(sys.modules) - before


def test_many_files_are_too_many(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of files looked at is bounded, and that some were left is said."""
    monkeypatch.setattr("lading.survey.files.MOST_ENTRIES", 50)
    for number in range(200):
        (root / f"file{number}.py").write_text("")
    repository = Repository(root)
    assert len(repository.files) == 50
    assert repository.left == ["everything after the first 50 files"]


def test_a_file_that_becomes_a_link_is_not_followed(root: Path) -> None:
    """What is exchanged for a link between listing and reading is not read."""
    (root / "main.py").write_text(MAIN)
    repository = Repository(root)
    (root / "main.py").unlink()
    (root / "main.py").symlink_to(root.parent / "outside" / "main.py")
    assert repository.text("main.py") is None
