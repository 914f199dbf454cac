"""What differs between two manifests."""

from lading.manifest import load_text
from lading.manifest.diff import diff

A = """
[project]
name = "shop"
[build.app]
bundle = "uv.lock"
[services.web]
command = "uvicorn shop:app"
port = 8000
ready = "/ready"
env = { API_TOKEN = "abcd", LOG_LEVEL = "info" }
[jobs.settle]
command = "x"
[[smoke]]
name = "a"
get = "/a"
[[smoke]]
name = "b"
get = "/b"
[environments.stage]
"""


def test_equal_meaning_has_no_differences():
    """Order, spelling and defaults that are written out do not count."""
    other = A.replace('"/ready"', '{ path = "/ready", status = [200], within = "30000ms" }').replace(
        "port = 8000\n", 'grace = 10\nport = 8_000\nbuild = "app"\n'
    )
    assert diff(load_text(A), load_text(A)) == []
    assert diff(load_text(A), load_text(other)) == []


def test_each_difference_is_one_line():
    """Changed, added and removed keys are told apart; what looks like a secret is masked."""
    other = (
        A.replace("8000", "9000")
        .replace('"abcd"', '"efgh"')
        .replace('[jobs.settle]\ncommand = "x"\n', "")
        .replace('"/b"', '"/c"')
        + "replicas = { web = 2 }\n"
    )
    assert diff(load_text(A), load_text(other)) == [
        "+ environments.stage.replicas.web  2",
        '- jobs.settle.build  "app"',
        '- jobs.settle.command  "x"',
        "~ services.web.env.API_TOKEN  ••• → •••",
        "~ services.web.port  8000 → 9000",
        '~ smoke.b.path  "/b" → "/c"',
    ]


def test_an_empty_environment_is_a_difference():
    """A table without keys can come and go."""
    assert diff(load_text(A), load_text(A + "[environments.local]\n")) == ["+ environments.local  a table"]


def test_a_truth_value_is_not_a_number():
    """true and 1 are different in an expectation."""
    one = A + "[databases]\n" + '[[smoke]]\nname = "c"\nget = "/"\nexpect = { json = { a = 1 } }\n'
    assert diff(load_text(one), load_text(one.replace("a = 1", "a = true"))) == ["~ smoke.c.expect.json.a  1 → true"]
