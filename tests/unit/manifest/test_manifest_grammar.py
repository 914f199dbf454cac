"""The table of keys itself."""

import tomllib

import jsonschema
import msgspec
import pytest

from lading.manifest.cron import complaint_about
from lading.manifest.grammar import MANIFEST
from lading.manifest.grammar_smoke import JOB_EXPECT
from lading.manifest.kinds import INVALID, say_seconds
from lading.manifest.problems import Findings
from lading.manifest.reference import keys
from lading.manifest.tables import Key, Table

KEYS = list(keys())
DERIVED = {"SmokeStep": {"method", "path"}, "Size": {"resources"}}


@pytest.mark.parametrize(("path", "key"), KEYS, ids=[path for path, _ in KEYS])
def test_every_example_is_right(path: str, key: Key):
    """The reference shows only what the checker and the schema take."""
    value = tomllib.loads(f"x = {key.example}")["x"]
    findings = Findings()
    assert key.kind.read(value, (key.name,), findings) is not INVALID, findings.all
    jsonschema.Draft202012Validator(key.kind.schema()).validate(value)


@pytest.mark.parametrize(("path", "key"), KEYS, ids=[path for path, _ in KEYS])
def test_every_key_is_explained(path: str, key: Key):
    """A meaning is a sentence."""
    assert key.meaning.endswith(".")
    assert key.meaning[0].isupper()


def tables(table: Table) -> list[Table]:
    from lading.manifest.reference import _sections

    return [found for _, found in _sections("", table)]


def test_every_field_of_the_model_can_be_written():
    """No field of the manifest's model lacks its key, and no key lacks its field."""
    for table in tables(MANIFEST):
        if table.model is None or not issubclass(table.model, msgspec.Struct):
            continue
        fields = set(table.model.__struct_fields__) - DERIVED.get(table.model.__name__, set())
        written = {key.field for key in table.keys.values()}
        if table.model.__name__ == "SmokeStep":
            written -= {"get", "post", "put", "patch", "delete", "head"}
        if table is JOB_EXPECT:  # of what a job must show, the part that is about runs
            fields -= {"status", "json", "headers"}
        assert written == fields, table.model


@pytest.mark.parametrize(
    "line",
    [
        "0 3 * * *",
        "*/5 * * * *",
        "0 0 1,15 * *",
        "0 9-17/2 * * mon-fri",
        "5 4 29 feb *",
        "0 0 31 2 1",
        "@daily",
        "0 0 * * 7",
    ],
)
def test_good_cron_lines(line):
    """Lists, ranges, steps and names are taken."""
    assert complaint_about(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "a * * * *",
        "1--2 * * * *",
        "*-3 * * * *",
        "3- * * * *",
        "1/0 * * * *",
        "0 0 31 4,6 *",
        "@reboot",
        "-1 * * * *",
        "1,, * * * *",
        "0 0 0 0 0 0",
    ],
)
def test_bad_cron_lines(line):
    """What would never run, or not as meant, is refused."""
    assert complaint_about(line)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.05, "50 ms"), (0, "0 s"), (90, "90 s"), (600, "10 m"), (604800, "7 d")]
)
def test_seconds_are_said_in_the_largest_unit_that_fits(seconds, said):
    """Messages speak as people write."""
    assert say_seconds(seconds) == said
