"""Pages as a browser sees them, and what holds for each that a bundler built."""

import re
import urllib.error
import urllib.request
from typing import NamedTuple

FOR_GOOD = "public, max-age=31536000, immutable"
SCRIPT = re.compile(r'src="(/assets/index-[\w-]{8}\.js)"')


class Page(NamedTuple):
    """What was answered; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(url: str, **headers: str) -> Page:
    """Ask for an address and return the answer, whatever its status; ``_`` in a header's name stands for ``-``."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=given), timeout=10) as found:
            return Page(found.status, {name.lower(): value for name, value in found.headers.items()}, found.read())
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def built_page(url: str) -> Page:
    """Return the page of an application that Vite built, after a look at how it and what it names are served."""
    page = fetch(f"{url}/any/page")
    assert (page.status, page.headers["cache-control"]) == (200, "no-cache")
    (script,) = SCRIPT.findall(page.body.decode())
    asset = fetch(url + script, accept_encoding="gzip")
    assert (asset.status, asset.headers["cache-control"], asset.headers["content-encoding"]) == (200, FOR_GOOD, "gzip")
    assert fetch(f"{url}/assets/index-00000000.js").status == 404
    return page
