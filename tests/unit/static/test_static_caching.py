"""Which names say what their content is."""

import pytest

from lading.static.caching import is_hashed


@pytest.mark.parametrize(
    "name",
    [
        "assets/index-DiwrgT4d.js",
        "assets/index-BQx3kT9a.css",
        "assets/index-BQx3kT9a.js.map",
        "assets/chunk.C8ZzQm_1.js",
        "app.3f2a9c41.js",
        "3f2a9c41.js",
        "js/8c1e20fa.chunk.js",
        "_next/static/chunks/main-5d1f3e2a7b8c9d0e.js",
        "img/logo.0123456789abcdef0123456789abcdef.png",
    ],
)
def test_what_bundlers_name_by_content(name: str) -> None:
    """Vite's and Rollup's eight characters, webpack's and others' hexadecimal digits."""
    assert is_hashed(name)


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "app.js", "style.css", "favicon.ico", "README", "sw.js", "manifest.webmanifest"),
        *("logo-1200x630.png", "bootstrap-5-bundle.js", "jquery-3.7.1-slim.min.js", "report-20240101.pdf"),
        *("chart-Settings.js", "user-MyWidget.js", "Chart-2Columns.js", "decade-effaced.png", "3f2a9c41/app.js"),
    ],
)
def test_what_people_name(name: str) -> None:
    """Words, sizes, dates and versions are no digests: who kept such a file for good would never see it change."""
    assert not is_hashed(name)
