"""What gives a secret away is refused, and never printed."""

import pytest

from lading.build.entries import Tree, from_bytes, link_to
from lading.build.leaks import find_leaks, find_values, is_environment_file, refuse_leaks
from lading.model.errors import LadingError
from lading.model.secret import Secret

BASE64 = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA"


def leaks(content: bytes, *secrets: str, name: str = "a.txt") -> list[str]:
    return find_leaks({name: from_bytes(content)}, [Secret(value) for value in secrets])


@pytest.mark.parametrize("name", [".env", "app/.env", ".env.local", "deploy/.env.production", ".ENV"])
def test_environment_files_are_leaks(name: str) -> None:
    """A file of environment variables does not belong into a commit, wherever it lies."""
    assert is_environment_file(name)


@pytest.mark.parametrize(
    "name", [".env.example", ".env.sample", ".env.template", "env", "x.env", ".environment", ".envrc"]
)
def test_samples_are_none(name: str) -> None:
    """A sample shows which variables there are, and holds no value."""
    assert not is_environment_file(name)


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN PRIVATE KEY-----\n" + BASE64,
        b"-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00\r\n\r\n" + BASE64,
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + BASE64,
        b'{"private_key": "-----BEGIN PRIVATE KEY-----\\n' + BASE64 + b'"}',
        b"AGE-SECRET-KEY-1" + b"Q" * 58,
        b"PuTTY-User-Key-File-3: ssh-ed25519\n",
    ],
    ids=["pem", "encrypted pem", "openssh", "json", "age", "putty"],
)
def test_private_keys_are_leaks(content: bytes) -> None:
    """A private key is found in whatever file, with its line."""
    assert leaks(b"first line\n" + content) == ["a.txt:2  a private key"]


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN PUBLIC KEY-----\n" + BASE64,
        b'if "-----BEGIN PRIVATE KEY-----" in text:\n    raise ValueError\n',
        b"-----BEGIN CERTIFICATE-----\n" + BASE64,
    ],
)
def test_talking_about_keys_is_no_leak(content: bytes) -> None:
    """Public keys, certificates and code that looks for keys are let through."""
    assert leaks(content) == []


def test_a_known_value_is_found_with_its_line_and_not_printed() -> None:
    """The refusal names file and line of every known value, in text and in binary files, never the value."""
    tree: Tree = {
        "b.bin": from_bytes(b"\0\xff hunter22 \0"),
        "a.py": from_bytes("# ключ\nKEY = 'hunter22'\n".encode()),
        "c.txt": link_to("a.py"),
    }
    found = find_leaks(tree, [Secret("hunter22")])
    assert found == ["a.py:2  the value of a known secret", "b.bin:1  the value of a known secret"]
    with pytest.raises(LadingError) as refusal:
        refuse_leaks("checking", found)
    assert refusal.value.code == "secret-in-source"
    assert "a.py:2" in str(refusal.value)
    assert "hunter22" not in str(refusal.value)


def test_short_values_are_not_looked_for() -> None:
    """A value of a few characters stands in any file by chance."""
    assert leaks(b"x = 12345\n", "12345") == []
    assert leaks(b"x = 123456\n", "123456") == ["a.txt:1  the value of a known secret"]


@pytest.mark.parametrize("value", ["changeme", "password", "<your-key>"])
def test_words_of_every_example_are_not_looked_for(value: str) -> None:
    """Who set one of them locally is not told that the example file gives it away."""
    assert leaks(f"KEY={value}\n".encode(), value) == []


def test_a_name_that_holds_a_secret_is_not_printed() -> None:
    """A file may be called like the secret; then not even its name is shown."""
    found = find_values({"x-hunter22.txt": from_bytes(b"")}, [Secret("hunter22")])
    assert found == ["a file whose name holds the value of a known secret"]


def test_a_long_list_is_cut() -> None:
    """The first places are enough to act on."""
    with pytest.raises(LadingError) as refusal:
        refuse_leaks("checking", [f"{number}.txt:1  a private key" for number in range(50)])
    assert len(refusal.value.details) == 21
    assert refusal.value.details[-1] == "and 30 more"
