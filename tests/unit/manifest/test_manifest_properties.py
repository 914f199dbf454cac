"""Whatever a file holds, the outcome is a manifest or one error that helps."""

import json
import math
import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.manifest import check_text, load_text, schema, unsupported
from lading.manifest.diff import diff
from lading.manifest.grammar import MANIFEST
from lading.manifest.kinds import Kind
from lading.manifest.reference import example
from lading.manifest.tables import Either, ListOf, MapOf, Table
from lading.model.canonical import canonical_json
from lading.model.errors import LadingError
from lading.model.manifest import Manifest

VALIDATOR = jsonschema.Draft202012Validator(schema())
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

SCALARS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.sampled_from(["web", "app", "/x", "30s", "1GiB", "0 3 * * *", "A_SECRET", "{{A_SECRET}}", "stage", "*", ""]),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_-. é", max_size=6), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["web", "app", "main", "stage", "A_SECRET", "LOG_LEVEL", "local", "Bad Name"])


def values(kind: Kind, examples: list[Any]) -> st.SearchStrategy[Any]:
    """Values near the grammar: mostly of the right shape, sometimes anything."""
    good = st.sampled_from(examples) if examples else st.nothing()
    if isinstance(kind, Table):
        near: st.SearchStrategy[Any] = tables(kind)
    elif isinstance(kind, Either):
        near = tables(kind.table) | values(kind.short, [])
    elif isinstance(kind, MapOf):
        near = st.dictionaries(NAMES, values(kind.item, []), max_size=2)
    elif isinstance(kind, ListOf):
        near = st.lists(values(kind.item, []), max_size=2)
    else:
        near = SCALARS
    return st.one_of(good, good, near, near, JUNK) if examples else st.one_of(near, near, JUNK)


def tables(table: Table) -> st.SearchStrategy[Any]:
    keys = {
        key.name: st.deferred(lambda key=key: values(key.kind, [tomllib.loads(f"x = {key.example}")["x"]]))
        for key in table.keys.values()
    }
    required = {name: keys[name] for name, key in table.keys.items() if key.required}
    optional = {name: keys[name] for name in keys if name not in required}
    few = st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True) if optional else st.just([])
    return few.flatmap(lambda chosen: st.fixed_dictionaries({**required, **{name: optional[name] for name in chosen}}))


def toml(value: Any) -> str:
    """Write a value as TOML, all tables in line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(name))} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, str):
        # TOML escapes by code point where JSON has surrogate pairs.
        plain = (char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in value)
        return f'"{"".join(plain)}"'
    return json.dumps(value)


def document(tree: dict[str, Any]) -> str:
    return "".join(f"{toml(name)} = {toml(value)}\n" for name, value in tree.items())


def outcome(text: str | bytes) -> Manifest | LadingError:
    """Load, and see that an error is one that helps."""
    try:
        return load_text(text)
    except LadingError as caught:
        error = caught
    assert error.exit_status == 2
    assert error.details
    assert all(line.isprintable() for line in error.details), error.details
    return error


@QUICK
@given(st.binary(max_size=200))
def test_random_bytes(data):
    """Bytes are a manifest or a refusal."""
    outcome(data)


@QUICK
@given(
    st.lists(
        st.sampled_from(["[", "]", "{", "}", "=", ".", ",", '"', "'", "\n", "#", "project", "name", "1", "\\", " "])
    )
)
def test_random_punctuation(parts):
    """So is every sequence of TOML's own signs."""
    outcome("".join(parts))


@QUICK
@given(st.data())
def test_a_damaged_example(data):
    """So is a good manifest with something cut out, doubled or put in."""
    text = example()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    outcome(text[:start] + data.draw(st.text(max_size=5)) + text[end:])


@QUICK
@given(st.dictionaries(st.text(max_size=8), JUNK, max_size=4))
def test_random_trees(tree):
    """So is every TOML tree."""
    outcome(document(tree))


@settings(QUICK, max_examples=150)
@given(tables(MANIFEST))
def test_trees_near_the_grammar(tree):
    """Checker and schema agree; places lie within the text; whatever loads can be encoded, compared and judged."""
    text = document(tree)
    read = tomllib.loads(text)
    result = outcome(text)
    checked = check_text(text)
    assert (checked.manifest is None) == isinstance(result, LadingError)
    for problem in (*checked.problems, *checked.warnings, *checked.notes):
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
    structural = [problem for problem in checked.problems if problem.structural]
    refused = [error.message for error in VALIDATOR.iter_errors(read)]
    assert bool(structural) == bool(refused), (structural, refused)
    if isinstance(result, Manifest):
        assert canonical_json(result)
        assert diff(result, result) == []
        for environment in result.environments:
            unsupported(result, environment)


@pytest.mark.parametrize("text", ["é", 'a"b\\c', "\x7f\u0085\U0001f600", "\0"])
def test_the_test_writes_toml(text):
    """The trees that are tested are the trees that were drawn."""
    assert tomllib.loads(f"x = {toml([text])}") == {"x": [text]}
