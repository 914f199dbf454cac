"""Names of servers as containers know them, put into addresses for programs of the host: only where a host is meant."""

import pytest

from lading.dev.addresses import Addresses

HOSTS = {"cache": "10.1.0.3", "cache-2": "10.1.0.4", "main.internal": "10.1.0.2"}


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("CACHE_URL", "redis://cache:6379/0", "redis://10.1.0.3:6379/0"),
        ("CACHE_URL", "redis://user:p@ss@cache/0", "redis://user:p@ss@10.1.0.3/0"),
        ("CACHE_URL", "redis://cache", "redis://10.1.0.3"),
        ("CACHE_URL", "redis://cache-2:6379", "redis://10.1.0.4:6379"),
        ("DSN", "postgresql+asyncpg://a:b@main.internal:5432/a", "postgresql+asyncpg://a:b@10.1.0.2:5432/a"),
        ("NODES", "cache:6379,cache-2:6379", "10.1.0.3:6379,10.1.0.4:6379"),
        ("REDIS_HOST", "cache", "10.1.0.3"),
        ("SERVER", "cache", "10.1.0.3"),
    ],
)
def test_where_a_host_must_be_meant_it_is_put(variable: str, value: str, wanted: str) -> None:
    """At the beginning of a URL, before a port, and alone in a variable that is called after a host."""
    assert Addresses(HOSTS).put_into(variable, value) == wanted


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BACKEND", "cache"),
        ("GHOSTS", "cache"),
        ("CACHE_URL", "redis://cached:6379"),
        ("CACHE_URL", "redis://other:6379/cache"),
        ("CACHE_URL", "redis://cache.example.org"),
        ("PREFIX", "cache:items"),
        ("DIRECTORY", "/var/cache"),
    ],
)
def test_everything_else_stays(variable: str, value: str) -> None:
    """A word may be the name of a server and mean something else."""
    assert Addresses(HOSTS).put_into(variable, value) == value


def test_who_has_no_server_has_nothing_put() -> None:
    """Values stay as they are."""
    assert Addresses({}).put_into("REDIS_HOST", "cache") == "cache"
