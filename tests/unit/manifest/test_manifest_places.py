"""Where keys stand."""

import pytest

from lading.manifest.places import Places

TEXT = """\
top = 1
[project]
name   = "shop"  # a comment
a.b."c d" = { x = 1, y.z = [1, {k = 2}] }

[[smoke]]
name = "ä"
"é" = { "x" = "ö", y = 3 }
[smoke.expect]
status = 200
[[smoke]]
[[smoke.deep]]
k = 1
[[smoke.deep]]
k = 2
[services."we\\u0062".ready]
list = [
  1,
  # between
  "two",
]
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("top",), (1, 1), (1, 7)),
        (("project",), (2, 2), (2, 2)),
        (("project", "name"), (3, 1), (3, 10)),
        (("project", "a"), (4, 1), (4, 1)),
        (("project", "a", "b", "c d"), (4, 5), (4, 13)),
        (("project", "a", "b", "c d", "x"), (4, 15), (4, 19)),
        (("project", "a", "b", "c d", "y", "z", 1, "k"), (4, 33), (4, 37)),
        (("smoke", 0), (6, 3), (6, 3)),
        (("smoke", 0, "é", "y"), (8, 20), (8, 24)),
        (("smoke", 0, "expect", "status"), (10, 1), (10, 10)),
        (("smoke", 1), (11, 3), (11, 3)),
        (("smoke", 1, "deep", 1, "k"), (15, 1), (15, 5)),
        (("services", "web", "ready"), (16, 22), (16, 22)),
        (("services", "web", "ready", "list", 1), (17, 1), (20, 3)),
    ],
)
def test_keys_and_values_have_their_places(path, key, value):
    """Lines and columns count from 1, columns in characters; headers below [[table]] belong to its latest entry."""
    places = Places(TEXT)
    assert tuple(places.key(path)) == key
    assert tuple(places.value(path)) == value


def test_what_is_not_written_down_is_at_the_table_around_it():
    """A missing key is reported where it could be added."""
    places = Places(TEXT)
    assert tuple(places.value(("project", "version"))) == (2, 2)
    assert tuple(places.value(("nowhere", "at", "all"))) == (1, 1)


def test_broken_text_has_places_too():
    """Places never fail: what the parser could make out is known."""
    assert tuple(Places('[a]\nx = = 1\n[b]\ny = "z"').value(("b", "y"))) == (4, 5)
    assert tuple(Places("").value(("a",))) == (1, 1)


def test_windows_line_ends_do_not_shift_places():
    """A carriage return is no character of its own line's keys."""
    assert tuple(Places("[a]\r\nx = 1\r\ny = 2\r\n").value(("a", "y"))) == (3, 5)


@pytest.mark.parametrize(
    ("text", "key", "place"),
    [
        ("x = 1\nx = 2", ("x",), (2, 1)),
        ("[a]\n[b]\n[a]", ("a",), (3, 2)),
        ("[a]\nx = { k = 1 }\n[a.x]", ("a", "x"), (3, 4)),
        ("a = { k = 1, k = 2 }", ("a", "k"), (1, 14)),
    ],
)
def test_repetitions_are_known(text, key, place):
    """The second writing of a key or table is found."""
    assert [(path, tuple(at)) for path, at in Places(text).repeated] == [(key, place)]
