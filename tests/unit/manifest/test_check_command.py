"""``lading check`` as it is typed: whatever a file holds, it ends with 0 or 2, and tells everything at once."""

import contextlib
import io
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.cli.main import main
from lading.manifest.reference import example
from tests.unit.manifest.corpus import corpus

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALID = example()
LINES = VALID.splitlines(keepends=True)
JUNK = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["[", "]", "[[smoke]]\n", "[services.web]\n", "=", '"', "'''", "\t", "\r", "\0", "\ufeff", "{{X}}"]
    ),
)
# Independent mistakes: what is written instead of what, and the key that must be named for it.
SLIPS = {
    'name        = "cashback"': ('name = "Cash Back"', "project.name"),
    'bundle = "uv.lock"': ('bundle = "/uv.lock"', "build.app.bundle"),
    "port    = 8000": ('port = "8000"', "services.web.port"),
    'grace   = "20s"': ('grace = "20 seconds"', "services.web.grace"),
    'WEB_CONCURRENCY = "1"': ("WEB_CONCURRENCY = 1", "services.web.env.WEB_CONCURRENCY"),
    'timeout = "10m"': ('timeout = "soon"', "jobs.settle.timeout"),
    'LOG_LEVEL = "info"': ("LOG-LEVEL = 'info'", "env.LOG-LEVEL"),
    'memory = "2GiB"': ('memory = "2 gigs"', "sizes.large.memory"),
}


def checked(data: bytes) -> tuple[int, dict[str, object], int]:
    """Return the exit status, the object that is told, and how many lines the file has."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "lading.toml"
        file.write_bytes(data)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["check", "--json", str(file)])
    assert err.getvalue() == ""
    return status, json.loads(out.getvalue().splitlines()[-1]), data.count(b"\n") + 1


def answered(data: bytes) -> None:
    """See that a file is answered as one may expect of any file."""
    status, told, lines = checked(data)
    assert status in (0, 2)
    if status == 0:
        assert told["manifest"]["valid"] is True
        return
    error = told["error"]
    assert error["code"] == "manifest-invalid"
    assert error["details"]
    for message in error["details"]:
        place = re.match(r"lading\.toml(?::(\d+):(\d+))?  ", message)
        assert place or message.startswith("lading.toml  and "), message
        assert not place or place[1] is None or (1 <= int(place[1]) <= lines and int(place[2]) >= 1), message


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """A file may hold anything."""
    answered(data)


@QUICK
@given(st.data())
def test_a_valid_manifest_with_lines_lost_doubled_and_moved(data: st.DataObject) -> None:
    """What an editor, a merge or a careless paste makes of a manifest."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at, to = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
        act = data.draw(st.sampled_from(["lose", "double", "move", "cut", "join"]))
        if act == "lose":
            del lines[at]
        elif act == "double":
            lines.insert(to, lines[at])
        elif act == "move":
            lines.insert(to, lines.pop(at))
        elif act == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            lines[at] = lines[at].rstrip("\n")
    answered("".join(lines).encode())


@QUICK
@given(st.data())
def test_a_valid_manifest_with_junk_in_it(data: st.DataObject) -> None:
    """Anything anywhere, in any of the usual encodings."""
    at = data.draw(st.integers(0, len(VALID)))
    text = VALID[:at] + data.draw(JUNK) + VALID[at + data.draw(st.integers(0, 3)) :]
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    answered(text.encode(encoding, errors="replace"))


@QUICK
@given(st.sampled_from(corpus()), st.data())
def test_a_broken_manifest_broken_once_more(path: Path, data: st.DataObject) -> None:
    """What is wrong already may get worse in any way."""
    held = path.read_bytes()
    at = data.draw(st.integers(0, len(held)))
    answered(held[:at] + data.draw(st.binary(max_size=6)) + held[at:])


@QUICK
@given(st.lists(st.sampled_from(sorted(SLIPS)), min_size=1, unique=True))
def test_all_mistakes_are_told_at_once(slips: list[str]) -> None:
    """However many mistakes of different kinds there are, the first answer names each."""
    text = VALID
    for right in slips:
        assert text.count(right) == 1
        text = text.replace(right, SLIPS[right][0])
    status, told, _ = checked(text.encode())
    assert status == 2
    named = [message.split("  ")[1] for message in told["error"]["details"]]
    expected = [key for right, (_, key) in SLIPS.items() if right in slips]
    assert set(named) == set(expected)
    assert len(named) == len(expected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_an_encoding_is_called_by_its_name(encoding: str) -> None:
    """What an editor calls "Unicode" is told apart from broken text."""
    status, told, _ = checked(VALID.encode(encoding))
    assert status == 2
    assert re.search("UTF-16|UTF-32|byte order mark", told["error"]["details"][0])


def test_windows_line_ends_and_tabs_are_no_mistake() -> None:
    """TOML takes both."""
    status, _, _ = checked(VALID.replace("\n", "\r\n").replace("    ", "\t").encode())
    assert status == 0
