"""The rules every adapter of Checks judges by: containment, templates, reasons."""

import json
import string
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.model.secret import MASK, Secret
from lading.ports.checks.containment import difference, pick
from lading.ports.checks.expectations import Seen, captured, reason_line
from lading.ports.checks.templates import UnknownName, fill, fill_json, fill_path

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
TEXT_WITHOUT_TEMPLATES = st.text().filter(lambda text: "{{" not in text)


def with_more(data: object, draw: st.DrawFn) -> object:
    """Return JSON data with further keys in its tables, at every depth."""
    if isinstance(data, dict):
        more = draw(st.dictionaries(st.text(min_size=6, max_size=8), SCALARS, max_size=2))
        return {**more, **{key: with_more(value, draw) for key, value in data.items()}}
    if isinstance(data, list):
        return [with_more(item, draw) for item in data]
    return data


@st.composite
def contained_pairs(draw: st.DrawFn) -> tuple[object, object]:
    expected = draw(JSON)
    return expected, with_more(expected, draw)


@given(JSON)
def test_everything_contains_itself(data: object) -> None:
    """Any JSON contains itself, also after a way over the wire."""
    assert difference(data, data) == ""
    assert difference(data, json.loads(json.dumps(data))) == ""


@given(contained_pairs())
def test_further_keys_do_not_matter(pair: tuple[object, object]) -> None:
    """Keys that nobody expects change nothing, at any depth."""
    expected, actual = pair
    assert difference(expected, actual) == ""


@given(contained_pairs(), st.sampled_from(["object", "list", "nothing"]))
def test_wrapped_is_something_else(pair: tuple[object, object], how: str) -> None:
    """What is missing, or lies one level deeper, is not contained, and the place is named."""
    expected, actual = pair
    wrapped = {"object": {"x": {"inner": actual}}, "list": {"x": [actual, actual]}, "nothing": {}}[how]
    if how == "object" and isinstance(expected, dict) and not (expected.keys() - {"inner"}):
        return  # an empty table, or one that asks for just what it was wrapped in
    found = difference({"x": {"key": expected}}, wrapped)
    assert found.startswith("json.x")


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ("1", 1, False),
        ([], [1], False),
        ([1, 2], [2, 1], False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ({}, {"a": 1}, True),
        ({}, [], False),
        ([], {}, False),
        ((1, 2), [1, 2], True),
        ("a", "ab", False),
        ({"a": None}, {}, False),
    ],
)
def test_what_is_equal(expected: object, actual: object, same: bool) -> None:
    """Numbers are compared by value, everything by kind; lists have one length and order."""
    assert (difference(expected, actual) == "") is same


@given(JSON, JSON)
def test_difference_never_raises(expected: object, actual: object) -> None:
    """Any two values can be compared, and a difference names a place."""
    found = difference(expected, actual)
    assert found == "" or found.startswith("json")


def test_pick() -> None:
    """A dotted path goes through tables by key and through lists by index, and nowhere else."""
    data = {"data": [{"token": "t"}], "0": "zero"}
    assert pick(data, "data.0.token") == "t"
    assert pick(data, "0") == "zero"
    for path in ("", "data.1", "data.-1", "data.x", "data.0.token.0", "data.²", "data..token"):
        with pytest.raises(KeyError):
            pick(data, path)


@given(st.lists(TEXT_WITHOUT_TEMPLATES, min_size=1), st.text())
def test_fill_replaces_just_the_templates(parts: list[str], value: str) -> None:
    """What is around a template stays, and a value is never filled again."""
    text = "{{NAME}}".join(parts)
    assert fill(text, {"NAME": Secret(value)}) == value.join(parts)
    assert fill("{{NAME}}", {"NAME": Secret("{{NAME}}")}) == "{{NAME}}"


@given(st.text())
def test_value_in_path_is_one_piece(value: str) -> None:
    """A value in a path or query holds no character that ends or splits it, and comes back whole."""
    filled = fill_path("/a/{{V}}/b", {"V": Secret(value)})
    assert set(filled) <= set(string.ascii_letters + string.digits + "/_.-~%")
    assert filled.count("/") == 3
    assert unquote(filled) == f"/a/{value}/b"


@given(JSON)
def test_fill_json_keeps_the_shape(data: object) -> None:
    """JSON without templates stays what it is."""
    assert fill_json(data, {"N": Secret("x")}) == data


def test_fill_json_at_every_depth() -> None:
    """Every string is filled, names with spaces around included; keys are not."""
    filled = fill_json({"{{N}}": ["{{N}}", {"b": "a{{ N }}c"}, 1, None]}, {"N": Secret("x")})
    assert filled == {"{{N}}": ["x", {"b": "axc"}, 1, None]}


def test_unknown_name() -> None:
    """A name without value is named; braces around anything else are just text."""
    with pytest.raises(UnknownName, match="NOWHERE"):
        fill("{{NOWHERE}}", {"N": Secret("x")})
    assert fill("{{ 1 + 1 }} {N} {{}} {{N", {}) == "{{ 1 + 1 }} {N} {{}} {{N"


@given(st.text(), st.lists(st.text(min_size=4), max_size=3))
def test_reason_is_safe(reason: str, values: list[str]) -> None:
    """No reason shows a value, spans lines or grows beyond its limit."""
    line = reason_line(f"{reason}{reason.join(values)}", [Secret(value) for value in values])
    assert len(line) <= 300
    assert line.isprintable()
    assert not any(value in line for value in values if value.strip(f"{MASK[0]}… "))


def test_reason_masks_before_it_cuts() -> None:
    """A value that stands across the end of a long reason does not leave its first half."""
    line = reason_line("x" * 295 + " correct-horse-battery", [Secret("correct-horse-battery")])
    assert "correct" not in line
    assert "corr" not in line


def test_half_a_character_is_not_captured() -> None:
    """JSON can spell what no text can hold; it is not captured, and nothing raises."""
    found, reason = captured({"T": "t", "U": "u"}, Seen(status=200, body=b'{"t": "\\ud800", "u": "\\u00fc"}'))
    assert found == {"U": Secret("ü")}
    assert "T" in reason
