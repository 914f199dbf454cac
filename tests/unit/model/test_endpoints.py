"""Where something is, without who one is there."""

import pytest

from lading.model.endpoints import endpoint


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("https://user:password@pay.example:8443/v1/?key=1#x", "https://pay.example:8443/v1"),
        ("postgres://shop@db/shop", "postgres://db/shop"),
        ("postgresql+psycopg://db.example/shop", "postgresql+psycopg://db.example/shop"),
        ("http://[::1]:80", "http://[::1]:80"),
        (" redis://cache ", "redis://cache"),
        ("sqlite:////srv/main.db", "sqlite:////srv/main.db"),
        ("not a url", ""),
        ("a b://c", ""),
        ("http://[::1", ""),
        ("http://db:port/x", ""),
        ("", ""),
    ],
)
def test_an_endpoint_is_scheme_host_port_and_path(value: str, place: str) -> None:
    """User, password, query and fragment never show; what is no URL has no endpoint."""
    assert endpoint(value) == place
