"""Where packages come from: what pip was told holds for a build too."""

from pathlib import Path

import pytest

from lading.build.indexes import index_passwords, pip_settings, uv_variables, without_indexes


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "chosen.conf"
    config.write_text("[global]\nextra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n")
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(config)}


def test_pips_settings_are_said_to_uv(environment: dict[str, str], tmp_path: Path) -> None:
    """Index, further indexes and directories of wheels are translated, from file and variables."""
    environment |= {
        "PIP_INDEX_URL": "https://mirror.example/simple",
        "PIP_FIND_LINKS": f"{tmp_path} /not/there https://wheels.example/",
    }
    variables = uv_variables(environment)
    assert variables["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert variables["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert variables["UV_FIND_LINKS"] == f"{tmp_path},https://wheels.example/"


@pytest.mark.parametrize("name", ["UV_INDEX", "UV_EXTRA_INDEX_URL"])
def test_what_uv_was_told_itself_stands(environment: dict[str, str], name: str) -> None:
    """A setting of uv's own is never overridden by pip's."""
    assert "UV_INDEX" not in uv_variables(environment | {name: "https://own.example/simple"})


def test_a_variable_wins_over_a_file(environment: dict[str, str]) -> None:
    """As with pip itself."""
    environment["PIP_EXTRA_INDEX_URL"] = "https://c.example/simple"
    assert pip_settings(environment)["extra-index-url"] == "https://c.example/simple"


def test_users_file_is_read_and_a_broken_one_is_passed_over(tmp_path: Path) -> None:
    """The user's pip.conf counts; one that pip could not read either does not stop a build."""
    settings = tmp_path / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[install]\nfind-links = /mine\n")
    assert pip_settings({"HOME": str(tmp_path)})["find-links"] == "/mine"
    settings.write_text("no section\n")
    assert pip_settings({"HOME": str(tmp_path)}).get("find-links") != "/mine"


def test_pip_can_be_told_to_read_no_file() -> None:
    """PIP_CONFIG_FILE=/dev/null leaves variables only."""
    assert uv_variables({"PIP_CONFIG_FILE": "/dev/null"}) == {}


def test_passwords_in_addresses_are_known(environment: dict[str, str]) -> None:
    """Credentials of an index count as secrets during a build."""
    environment |= {"PIP_INDEX_URL": "https://bob:hunter22@mirror.example/simple", "UV_INDEX": "https://x:s3cret!@y/s"}
    assert {secret.reveal() for secret in index_passwords(environment)} == {"hunter22", "s3cret!"}


def test_indexes_can_be_left_out() -> None:
    """Checking a lock hears nothing of mirrors."""
    assert without_indexes({"UV_INDEX": "x", "UV_INDEX_URL": "y", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_pips_certificates_are_used_unless_others_are_set() -> None:
    """A machine's own certificate authority is trusted by the build as by pip."""
    told = {"PIP_CONFIG_FILE": "/dev/null", "PIP_CERT": "/ca.pem"}
    assert uv_variables(told) == {"SSL_CERT_FILE": "/ca.pem"}
    assert uv_variables(told | {"SSL_CERT_FILE": "/own.pem"}) == {}
