"""The placeholder certificate: made once, by a program of its own."""

import ssl
import sys
from pathlib import Path

import pytest

from lading.model.errors import LadingError
from lading.router.certificate import ensure_certificate


def test_it_is_made_once_and_its_key_is_its_owners(tmp_path: Path) -> None:
    """The files fit together, the key is the owner's alone, and the next call leaves both as they are."""
    files = ensure_certificate(tmp_path)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files["certFile"], files["keyFile"])
    assert Path(files["keyFile"]).stat().st_mode & 0o077 == 0
    before = Path(files["certFile"]).read_bytes()
    assert ensure_certificate(tmp_path) == files
    assert Path(files["certFile"]).read_bytes() == before


def test_what_keeps_it_from_being_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last words of the program that makes it, and the place."""
    with pytest.raises(LadingError, match="No such file or directory") as told:
        ensure_certificate(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(told.value)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LadingError, match="it ended with 1"):
        ensure_certificate(tmp_path)
