"""What visitors of built files are answered, header by header."""

import asyncio
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lading.static.directory import Directory
from lading.static.encoding import Compressed, accepted
from lading.static.server import Server

READY = "/.lading/ready"
SCRIPT = b"console.log('hello');\n" * 200
PAGE = b"<!doctype html><title>shop</title>"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[..., Answer]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    dist = tmp_path / "dist"
    for name, content in {
        "index.html": PAGE,
        "assets/app-BQx3kT9a.js": SCRIPT,
        "data.bin": bytes(range(256)) * 8,
        "guide/index.html": b"<p>guide</p>",
        ".env": b"TOKEN=open-sesame",
        ".git/config": b"[core]",
        ".well-known/security.txt": b"Contact: mailto:a@example.org",
    }.items():
        (dist / name).parent.mkdir(parents=True, exist_ok=True)
        (dist / name).write_bytes(content)
    (tmp_path / "secret.txt").write_bytes(b"not for visitors")
    (dist / "leads-out.txt").symlink_to("../secret.txt")
    (dist / "start.html").symlink_to("index.html")
    return dist


@pytest.fixture
def ask(top: Path) -> Ask:
    return asking(Server(Directory(top), READY))


def asking(server: Server) -> Ask:
    def ask(path: str, method: str = "GET", query: str = "", **headers: str) -> Answer:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3600)
            return {}

        async def send(message: Any) -> None:
            said.append(message)

        asyncio.run(server({**scope, "server": ("shop", 80), "scheme": "http"}, receive, send))
        body = b"".join(message.get("body", b"") for message in said)
        return Answer(said[0]["status"], {key.decode(): value.decode() for key, value in said[0]["headers"]}, body)

    return ask


def test_what_is_named_by_its_content_is_kept_for_good(ask: Ask) -> None:
    """A hashed file never changes under its name; a page does, and is asked for again at every visit."""
    assert ask("/assets/app-BQx3kT9a.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert ask("/").headers["cache-control"] == "no-cache"
    assert ask("/data.bin").headers["cache-control"] == "no-cache"


def test_a_visitor_who_has_it_is_told_so(ask: Ask, top: Path) -> None:
    """The tag is of the content: the same after another build on another day, another when a byte differs."""
    first = ask("/index.html")
    tag = first.headers["etag"]
    assert (first.status, first.body) == (200, PAGE)
    os.utime(top / "index.html", (1, 1))
    again = asking(Server(Directory(top), READY))
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        told = again("/index.html", if_none_match=known)
        assert (told.status, told.body, told.headers["etag"]) == (304, b"", tag)
    (top / "index.html").write_bytes(PAGE + b"!")
    assert asking(Server(Directory(top), READY))("/index.html", if_none_match=tag).status == 200


def test_scripts_are_compressed_for_who_takes_it(ask: Ask) -> None:
    """The compressed form has a tag of its own, and caches on the way keep both apart."""
    small = ask("/assets/app-BQx3kT9a.js", accept_encoding="br;q=1.0, gzip;q=0.8")
    assert small.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small.body) == SCRIPT
    assert int(small.headers["content-length"]) == len(small.body) < len(SCRIPT)
    whole = ask("/assets/app-BQx3kT9a.js", accept_encoding="gzip;q=0")
    assert ("content-encoding" in whole.headers, whole.body) == (False, SCRIPT)
    assert small.headers["vary"] == whole.headers["vary"] == "Accept-Encoding"
    assert small.headers["etag"] != whole.headers["etag"]
    assert ask("/assets/app-BQx3kT9a.js", accept_encoding="gzip", if_none_match=small.headers["etag"]).status == 304
    assert "content-encoding" not in ask("/data.bin", accept_encoding="gzip").headers


def test_what_a_builder_compressed_goes_out_as_it_is(top: Path) -> None:
    """The best form that lies beside a file and that the visitor takes."""
    (top / "assets" / "app-BQx3kT9a.js.br").write_bytes(b"by brotli")
    (top / "assets" / "app-BQx3kT9a.js.gz").write_bytes(b"by gzip")
    ask = asking(Server(Directory(top), READY))
    best = ask("/assets/app-BQx3kT9a.js", accept_encoding="gzip, br")
    assert (best.headers["content-encoding"], best.body) == ("br", b"by brotli")
    assert best.headers["content-type"] == "text/javascript; charset=utf-8"
    assert ask("/assets/app-BQx3kT9a.js", accept_encoding="gzip").body == b"by gzip"
    assert ask("/assets/app-BQx3kT9a.js").body == SCRIPT


def test_parts_are_of_the_file_itself(ask: Ask) -> None:
    """A range counts the file's own bytes, never compressed ones; a tag that is no longer right gives all of it."""
    part = ask("/data.bin", range="bytes=4-7", accept_encoding="gzip")
    assert (part.status, part.body, part.headers["content-range"]) == (206, bytes([4, 5, 6, 7]), "bytes 4-7/2048")
    assert ask("/assets/app-BQx3kT9a.js", range="bytes=0-6", accept_encoding="gzip").body == SCRIPT[:7]
    assert ask("/data.bin", range="bytes=0-0", if_range=part.headers["etag"]).status == 206
    assert ask("/data.bin", range="bytes=0-0", if_range='"another"').status == 200
    assert ask("/data.bin", range="bytes=9000-").status == 416


def test_head_says_what_get_would(ask: Ask) -> None:
    """The same headers, no content."""
    for path in ("/data.bin", "/index.html", "/somewhere", "/gone.js"):
        head, get = ask(path, "HEAD"), ask(path)
        assert (head.status, head.headers) == (get.status, get.headers)
    assert ask("/data.bin", "HEAD").body == b""
    refused = ask("/index.html", "POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../secret.txt",
            "/assets/../../secret.txt",
            "//etc/passwd.txt",
            "/..\\secret.txt",
            "/assets/..%2f..%2fsecret.txt",
        ),
        *("/leads-out.txt", "/.env", "/.git/config", "/index.html\0.txt", "/\udcff.txt"),
    ],
)
def test_nothing_but_the_directory_s_files_can_be_had(ask: Ask, path: str) -> None:
    """Names are looked up among those found at the start; no path of a request ever reaches the file system."""
    answer = ask(path)
    assert b"not for visitors" not in answer.body
    assert b"open-sesame" not in answer.body
    assert answer.status == 404 or answer.body == PAGE


def test_an_application_s_own_paths_get_its_page(ask: Ask) -> None:
    """A path without an ending is the application's; what looks like a file and is none is missing."""
    assert (ask("/orders/7").status, ask("/orders/7").body) == (200, PAGE)
    assert ask("/orders/7").headers["cache-control"] == "no-cache"
    assert ask("/assets/app-OLDhash9.js").status == 404
    assert ask("/start.html").body == PAGE
    assert ask("/.well-known/security.txt").status == 200


def test_a_site_with_a_page_for_what_is_missing_is_no_application(top: Path) -> None:
    """Its page comes with status 404, so that search engines and monitors see what visitors see."""
    (top / "404.html").write_bytes(b"<p>no such page</p>")
    ask = asking(Server(Directory(top), READY))
    missing = ask("/orders/7", if_none_match="*")
    assert (missing.status, missing.body) == (404, b"<p>no such page</p>")


def test_a_directory_is_its_index(ask: Ask) -> None:
    """Its links are relative to it, so the visitor is sent to where they are right, whatever prefix was taken off."""
    assert ask("/guide/").body == b"<p>guide</p>"
    sent = ask("/guide", query="a=1")
    assert (sent.status, sent.headers["location"]) == (307, "./guide/?a=1")


def test_ready_is_answered_below_any_prefix(ask: Ask) -> None:
    """The router and the prober ask for it; no cache keeps it."""
    for path in (READY, f"/docs{READY}"):
        assert (ask(path).status, ask(path).headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("", set()),
        ("gzip", {"gzip"}),
        ("GZIP ; q=0.5, br", {"gzip", "br"}),
        ("*", {"gzip", "br", "zstd"}),
        ("*, gzip;q=0", {"br", "zstd"}),
        ("gzip;q=0.000, identity", set()),
        ("deflate", set()),
    ],
)
def test_encodings_are_taken_as_the_header_says(header: str, takes: set[str]) -> None:
    """What is refused with a weight of nothing is not sent."""
    assert accepted(header) == takes


def test_memory_for_compressed_files_is_bounded(top: Path) -> None:
    """The form asked for longest ago goes first."""
    kept, directory = Compressed(kept=150), Directory(top)
    for name in ("index.html", "guide/index.html", "assets/app-BQx3kT9a.js"):
        file = directory.get(name)
        assert file is not None
        kept.get(name, file)
    assert "index.html" not in kept.names()
    assert "assets/app-BQx3kT9a.js" in kept.names()
