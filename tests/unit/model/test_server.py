"""What programs are told of a database's server, once the secret is known."""

import pytest

from lading.model.environment import Login
from lading.model.secret import Secret
from lading.model.server import fill, major_of, role_of, url_of, why_no_url

OWN = Secret("postgres://ann%40x:p%2Fw@db.example.org:6432/books?sslmode=require")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("postgresql://shop:{password}@main.internal:5432/shop", "postgresql://shop:pass@main.internal:5432/shop"),
        ("{password}", "pass"),
        ("postgresql://shop:{password}@{host}:5432/shop", "postgresql://shop:pass@10.0.0.2:5432/shop"),
    ],
)
def test_a_password_goes_into_its_place(template: str, value: str) -> None:
    """And the address of the moment, where a template asks for it."""
    assert fill(template, Secret("pass"), "10.0.0.2").reveal() == value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{scheme}://{rest}", OWN.reveal()),
        ("postgresql+asyncpg://{rest}", OWN.reveal().replace("postgres://", "postgresql+asyncpg://")),
        ("{host}", "db.example.org"),
        ("{port}", "6432"),
        ("{user}", "ann@x"),
        ("{password}", "p/w"),
        ("{name}", "books"),
    ],
)
def test_a_url_is_taken_apart(template: str, value: str) -> None:
    """Parts are told as they are meant, not as a URL quotes them."""
    assert fill(template, OWN).reveal() == value


def test_the_agent_asks_with_the_drivers_own_scheme() -> None:
    """Whatever scheme the program's library wants."""
    login = Login(secret="MAIN_URL", version=1)
    url = url_of(login, Secret("postgresql+psycopg://ann:pw@db/books"), "")
    assert url.reveal() == "postgresql://ann:pw@db/books"
    with pytest.raises(ValueError, match="no host"):
        fill("{host}", Secret("postgresql:///books"))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("postgresql://ann:pw@db/books", ""),
        ("nonsense", "it is no URL"),
        ("postgresql:///books", "it names no host"),
        ("postgresql://ann:pw@db", "it names no database"),
        ("postgresql://ann:p/w@db/books", "its port is no number"),
    ],
)
def test_what_is_no_url_is_said(value: str, why: str) -> None:
    """Before anything is started."""
    assert why_no_url(value) == why


def test_names_are_what_a_server_takes() -> None:
    """A project's role needs no quotes; a tag's major version is what decides whether data can be read."""
    assert role_of("my-shop") == "my_shop"
    assert [major_of(image) for image in ("postgres:17", "postgres:17.4-alpine", "r:5000/postgres:16", None)] == [
        "17",
        "17",
        "16",
        "",
    ]
