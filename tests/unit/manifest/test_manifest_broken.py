"""A corpus of broken manifests, each with the messages it must give."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from lading.manifest import check_text, load, schema
from lading.model.errors import LadingError

CORPUS = sorted((Path(__file__).parent / "broken").glob("*.toml"))
VALIDATOR = jsonschema.Draft202012Validator(schema())


def readable() -> list[Path]:
    """The part of the corpus that is TOML."""
    found = []
    for path in CORPUS:
        try:
            tomllib.loads(path.read_bytes().decode())
        except (ValueError, RecursionError):
            continue
        if max(map(len, path.read_text().splitlines()), default=0) <= 4096:
            found.append(path)
    return found


def test_the_corpus_is_large_enough():
    """At least sixty ways to get a manifest wrong are kept."""
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_broken_manifest_gives_exactly_its_messages(path):
    """All problems come at once, in the order of the text, each with place, key, what is wrong and a remedy."""
    with pytest.raises(LadingError) as caught:
        load(path)
    assert caught.value.exit_status == 2
    assert caught.value.code == "manifest-invalid"
    assert list(caught.value.details) == path.with_suffix(".expected").read_text().splitlines()


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
