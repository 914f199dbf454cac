"""Built files beside a program, everything real: served by an instance like any other, rolled back with the rest."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents import RealAgent, ended
from tests.pages import Page, fetch
from tests.projects import make_project
from tests.support_agent import commit

pytestmark = pytest.mark.system

UI = """
[services.ui]
static       = "dist"
path         = "/ui"
strip_prefix = true

[[smoke]]
name   = "page"
get    = "/ui/"
expect = { text = "orders" }
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAgent]:
    """An agent with two releases of a program and its front end; the second has another script and another page."""
    home = tmp_path_factory.mktemp("static")
    project = make_project(home / "project")
    (project / "lading.toml").write_text((project / "lading.toml").read_text() + UI)
    for version, digest in (("v2.0.0", "BQx3kT9a"), ("v2.1.0", "C8ZzQm_1")):
        make_front(project / "dist", digest)
        commit(project, version, tag=version)
    agent = RealAgent(home / "home", project)
    with ended([agent]):
        agent.secret("local")
        for version in ("v2.0.0", "v2.1.0"):
            agent.checkout(version)
            assert agent.lading("release").exit == 0
            told = agent.deploy(version)
            assert (told.exit, told.outcome) == (0, "succeeded"), told
        yield agent


def make_front(dist: Path, digest: str) -> None:
    """What a bundler leaves: a page that names the script by its content's digest."""
    for old in dist.rglob("*.js"):
        old.unlink()
    (dist / "assets").mkdir(parents=True, exist_ok=True)
    (dist / "index.html").write_text(f'<title>orders</title><script src="/ui/assets/app-{digest}.js"></script>')
    (dist / "assets" / f"app-{digest}.js").write_text("fetch('/status');\n" * 200)


def get(agent: RealAgent, path: str, **headers: str) -> Page:
    return fetch(agent.url() + path, **headers)


def test_files_and_program_share_an_origin_and_a_rollback(agent: RealAgent) -> None:
    """Through the router: kept for good, compressed, asked for again, in parts; and back to what was before."""
    status, headers, body = get(agent, "/ui/assets/app-C8ZzQm_1.js", accept_encoding="gzip")
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert len(body) < 200
    assert get(agent, "/ui/assets/app-C8ZzQm_1.js", range="bytes=0-4")[::2] == (206, b"fetch")
    page = get(agent, "/ui/orders/7")
    assert (page[0], page[1]["cache-control"], b"C8ZzQm_1" in page[2]) == (200, "no-cache", True)
    assert get(agent, "/ui/orders/7", if_none_match=page[1]["etag"])[0] == 304
    assert json.loads(get(agent, "/status", authorization="Bearer orders-token-5e2f81")[2])["release"] == "v1.0.0"
    assert agent.rollback().outcome == "succeeded"
    assert b"BQx3kT9a" in get(agent, "/ui/")[2]
    assert get(agent, "/ui/assets/app-C8ZzQm_1.js")[0] == 404
