"""A corpus of broken manifests, each with the messages it must give."""

import json
import re
import tomllib
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from lading.manifest import check_text, load, schema
from lading.manifest.schema import shipped, text
from lading.manifest.text import LONGEST_LINE, MOST_PARTS
from lading.model.errors import LadingError
from tests.unit.manifest.corpus import corpus, expected

ROOT = Path(__file__).parents[3]
ANEW = "run python -m tests.unit.manifest.corpus and look at the difference"

CORPUS = corpus()
EXAMPLES = [
    *sorted(ROOT.glob("examples/*/lading.toml")),
    *sorted(ROOT.glob("tests/unit/survey/shapes/*/lading.toml")),
    Path(str(resources.files("lading.manifest").joinpath("example.toml"))),
]
VALIDATOR = jsonschema.Draft202012Validator(schema())


def readable() -> list[Path]:
    """The part of the corpus that is TOML."""
    found = []
    for path in CORPUS:
        try:
            tomllib.loads(path.read_bytes().decode())
        except (ValueError, RecursionError):
            continue
        lines = path.read_text().splitlines()
        if (
            max(map(len, lines), default=0) <= LONGEST_LINE
            and max(line.count(".") for line in lines or "-") < MOST_PARTS
        ):
            found.append(path)
    return found


def test_the_corpus_is_large_enough():
    """A hundred and fifty ways to get a manifest wrong are kept."""
    assert len(CORPUS) >= 150


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_broken_manifest_gives_exactly_its_messages(path):
    """All problems come at once, in the order of the text, each with place, key, what is wrong and a remedy."""
    with pytest.raises(LadingError) as caught:
        load(path)
    assert caught.value.exit_status == 2
    assert caught.value.code == "manifest-invalid"
    assert list(caught.value.details) == expected(path), ANEW


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_message_names_a_line_that_is_there(path):
    """A place lies within the file; only what concerns the file as a whole has none."""
    lines = path.read_bytes().count(b"\n") + 1
    for message in expected(path):
        place = re.match(rf"{re.escape(path.name)}(?::(\d+):(\d+))?  ", message)
        assert place, message
        assert place[1] is None or (1 <= int(place[1]) <= lines and int(place[2]) >= 1), message
        assert place[1] is not None or len(expected(path)) == 1


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_what_is_shown_as_right_is_right_to_the_schema(path):
    """Every manifest of the examples, of the reference and of lading init passes the schema and the checker."""
    data = tomllib.loads(path.read_text())
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []
    assert check_text(path.read_text()).problems == ()


def test_the_schema_catches_most_of_the_corpus():
    """An editor that knows the schema shows all but what spans several keys, and what is no TOML at all."""
    caught = [path for path in readable() if not VALIDATOR.is_valid(tomllib.loads(path.read_bytes().decode()))]
    assert len(caught) >= 60


def test_the_shipped_schema_is_that_of_the_grammar():
    """The file in the package is written by make docs: python -m lading.manifest.schema."""
    assert shipped() == text()


def test_the_schema_explains_every_key():
    """What an editor shows beside a key is the key's meaning."""
    pending = [schema()]
    while pending:
        part = pending.pop()
        for key, value in part.get("properties", {}).items():
            assert value["description"], key
        pending += [item for item in _inner(part) if isinstance(item, dict)]


def _inner(part):
    yield from part.get("properties", {}).values()
    yield from part.get("anyOf", [])
    yield part.get("additionalProperties")
    yield part.get("items")


@pytest.mark.parametrize("path", readable(), ids=lambda path: path.stem)
def test_schema_and_checker_agree_on_structure(path):
    """The JSON Schema refuses a manifest exactly when the checker finds a structural problem in it."""
    text = path.read_bytes().decode()
    structural = [problem for problem in check_text(text).problems if problem.structural]
    refused = [error.message for error in VALIDATOR.iter_errors(tomllib.loads(text))]
    assert bool(structural) == bool(refused), (structural, refused)


def test_no_message_repeats_what_may_be_a_secret():
    """Values where secrets are likely to be written by mistake are never repeated."""
    for path in CORPUS:
        said = path.with_suffix(".expected").read_text()
        for secret in ("hunter2", "sk-live", "root:pw", "12345678"):
            assert secret not in said, path.name


def test_schema_is_valid_and_can_be_written_as_json():
    """The schema is itself a valid draft 2020-12 schema."""
    jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(schema())))
