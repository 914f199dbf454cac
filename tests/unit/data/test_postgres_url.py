"""What the agent says of a database's URL that it cannot use."""

from pathlib import Path

import pytest

from lading.data.postgres import PostgresServers
from lading.model.errors import LadingError
from lading.model.secret import Secret


@pytest.mark.parametrize("password", ["horse%battery", "horse%horse", "horse battery", "horse@battery", "%zzbattery"])
def test_no_piece_of_a_password_is_quoted(password: str, tmp_path: Path) -> None:
    """One that was not percent-encoded makes a URL that no driver reads; the words say how to write it, and no more."""
    servers, url = PostgresServers(tmp_path), Secret(f"postgresql://ann:{password}@127.0.0.1:1/books")
    assert "must be written %25, %40 and %20" in servers.trouble(url)
    with pytest.raises(LadingError) as refused:
        servers.size(url)
    assert not any(word in repr(refused.value) + str(refused.value.hint) for word in ("horse", "battery"))
    assert refused.value.__cause__ is None


def test_a_server_that_does_not_answer_is_told_as_the_driver_says_it(tmp_path: Path) -> None:
    """Encoded, the URL is used."""
    url = Secret("postgresql://ann:horse%25%40battery@127.0.0.1:1/books")
    assert "refused" in PostgresServers(tmp_path).trouble(url)
