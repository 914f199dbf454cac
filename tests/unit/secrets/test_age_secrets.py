"""Secrets on disk: sealed, private, whole."""

import fcntl
import multiprocessing
import os
import shutil
import stat
from pathlib import Path

import pytest

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.secrets import AgeSecrets

STAGE = "cashback/stage"
VALUE = "hunter2-hunter2"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


@pytest.fixture
def kept(root: Path) -> AgeSecrets:
    """A store that holds one secret."""
    store = AgeSecrets(root)
    store.put(STAGE, {"JWT_KEY": Secret(VALUE)})
    return store


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def unusable(store: AgeSecrets, *words: str) -> None:
    """Assert that reading fails with all these words and without any value or key."""
    with pytest.raises(LadingError) as caught:
        store.versions(STAGE)
    shown = str(caught.value)
    assert caught.value.code == "secrets-unusable"
    assert [word for word in words if word not in shown] == []
    chain = repr(caught.value.__cause__)
    if not caught.value.__suppress_context__:
        chain += repr(caught.value.__context__)
    assert VALUE not in shown + chain
    assert "AGE-SECRET-KEY" not in shown + chain


def test_secrets_outlive_the_store(kept: AgeSecrets, root: Path) -> None:
    """A store opened anew on the same directory has every version."""
    kept.put(STAGE, {"JWT_KEY": Secret("second")})
    again = AgeSecrets(root)
    assert again.get(STAGE, "JWT_KEY", 1).reveal() == VALUE
    assert dict(again.versions(STAGE)) == {"JWT_KEY": 2}


def test_no_value_and_no_name_lies_on_disk_in_the_clear(kept: AgeSecrets, root: Path) -> None:
    """Neither values nor the names of secrets can be read from the files without the identity."""
    sealed = (root / "environments" / "cashback" / "stage.age").read_bytes()
    assert sealed.startswith(b"age-encryption.org/v1")
    assert VALUE.encode() not in sealed
    assert b"JWT_KEY" not in sealed


def test_only_the_owner_reads(root: Path) -> None:
    """Files have mode 0600 and directories 0700, whatever the umask."""
    before = os.umask(0)
    try:
        AgeSecrets(root).put(STAGE, {"JWT_KEY": Secret(VALUE)})
    finally:
        os.umask(before)
    for path in [root, *root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_age_tool_could_read_it(kept: AgeSecrets, root: Path) -> None:
    """Files are plain age for the identity in keys/age.key: nothing of Lading is needed to open them."""
    import pyrage

    identity = pyrage.x25519.Identity.from_str((root / "keys" / "age.key").read_text().strip())
    plain = pyrage.decrypt((root / "environments/cashback/stage.age").read_bytes(), [identity])
    assert b'"JWT_KEY":["' + VALUE.encode() + b'"]' in plain


def test_reading_writes_nothing(root: Path) -> None:
    """Looking into an empty store makes neither files nor a key."""
    store = AgeSecrets(root)
    assert dict(store.versions(STAGE)) == {}
    assert dict(store.all_values()) == {}
    assert not root.exists()


def test_an_unchanged_put_does_not_rewrite(kept: AgeSecrets, root: Path) -> None:
    """Putting what is there already leaves the file as it is."""
    path = root / "environments/cashback/stage.age"
    before = path.read_bytes()
    kept.put(STAGE, {"JWT_KEY": Secret(VALUE)})
    assert path.read_bytes() == before


def test_a_damaged_file_is_named(kept: AgeSecrets, root: Path) -> None:
    """A changed byte anywhere is noticed: the file is named and no part of it is used."""
    path = root / "environments/cashback/stage.age"
    whole = path.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        unusable(kept, str(path), "damaged")
    path.write_bytes(b"")
    unusable(kept, str(path), "damaged")


def test_sealed_junk_shows_nothing(kept: AgeSecrets, root: Path) -> None:
    """A file that opens but holds no list of secrets is refused without quoting what it holds."""
    import pyrage

    identity = pyrage.x25519.Identity.from_str((root / "keys" / "age.key").read_text().strip())
    for junk in (VALUE, f'{{"format": 1, "secrets": {{"A": "{VALUE}"}}}}'):
        path = root / "environments/cashback/stage.age"
        path.write_bytes(pyrage.encrypt(junk.encode(), [identity.to_public()]))
        unusable(kept, str(path), "no list of secrets")


def test_another_agents_key_opens_nothing(kept: AgeSecrets, root: Path, tmp_path: Path) -> None:
    """Files copied to another agent cannot be read there, and the error says whose key is needed."""
    other = AgeSecrets(tmp_path / "other")
    other.put("x/y", {"A": Secret("value")})
    shutil.copytree(root / "environments" / "cashback", tmp_path / "other" / "environments" / "cashback")
    unusable(other, "another agent's key")


def test_a_lost_key_is_not_replaced(kept: AgeSecrets, root: Path) -> None:
    """When the identity is gone and secrets are there, no new one is made: that would hide the loss."""
    (root / "keys" / "age.key").unlink()
    unusable(kept, "it is gone")
    with pytest.raises(LadingError, match="it is gone"):
        kept.put("cashback/other", {"A": Secret("value")})
    assert files(root) == ["environments/cashback/stage.age", "lock"]


@pytest.mark.parametrize("text", ["", "junk", "AGE-SECRET-KEY-1JUNK", "é"])
def test_a_damaged_key_is_named(kept: AgeSecrets, root: Path, text: str) -> None:
    """A key file without an identity is an error that does not quote it."""
    (root / "keys" / "age.key").write_text(text)
    unusable(kept, "age.key", "no age identity")


def test_a_key_that_others_can_read_is_not_used(kept: AgeSecrets, root: Path) -> None:
    """Open permissions are refused with the command that closes them."""
    (root / "keys" / "age.key").chmod(0o644)
    unusable(kept, "others may read it (mode 0644)", "chmod 600")


@pytest.mark.parametrize("name", ["stage", "", "/", "a/", "/b", "a/../b", "../a/b", "a/b/c", "a/b\n", "./b", "a b/c"])
def test_an_environments_name_never_leaves_the_directory(kept: AgeSecrets, root: Path, name: str) -> None:
    """Only project/name is an environment; paths are refused before any file is touched."""
    before = files(root)
    for act in (kept.versions, lambda e: kept.get(e, "A", 1), lambda e: kept.put(e, {"A": Secret(VALUE)})):
        with pytest.raises(LadingError, match="written project/name") as caught:
            act(name)
        assert VALUE not in str(caught.value)
    assert files(root) == before


@pytest.mark.parametrize(("number", "code"), [(28, "no-space"), (122, "no-space"), (5, "secrets-unusable")])
@pytest.mark.parametrize("call", ["replace", "fsync", "open"])
def test_a_failing_disk_changes_nothing(
    kept: AgeSecrets, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    """When a write fails the earlier secrets are all there, no half file is left, and the error says so."""
    before = files(root)

    def broken(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(f"lading.secrets.age_file.os.{call}", broken)
        with pytest.raises(LadingError, match="the secrets are as they were") as caught:
            kept.put(STAGE, {"JWT_KEY": Secret("changed-value")})
    assert caught.value.code == code
    assert "changed-value" not in str(caught.value)
    assert files(root) == before
    assert dict(kept.versions(STAGE)) == {"JWT_KEY": 1}
    assert dict(kept.put(STAGE, {"JWT_KEY": Secret("changed-value")})) == {"JWT_KEY": 2}


def _put_many(root: Path, prefix: str, count: int) -> None:
    store = AgeSecrets(root)
    for number in range(count):
        store.put(STAGE, {f"{prefix}_{number}": Secret("value"), "SHARED": Secret(f"{prefix} {number}")})


def test_writers_of_several_processes_take_turns(root: Path) -> None:
    """Concurrent writers lose none of each other's secrets or versions."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put_many, args=(root, prefix, 10)) for prefix in ("A", "B", "C")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    versions = AgeSecrets(root).versions(STAGE)
    assert len(versions) == 31
    assert versions["SHARED"] == 30


def test_a_held_lock_is_told_and_not_waited_for_in_vain(
    kept: AgeSecrets, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that never ends makes others fail with ``busy`` instead of hanging; readers do not wait at all."""
    monkeypatch.setattr("lading.secrets.age_file.LOCK_TIMEOUT", 0.05)
    with open(root / "lock") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(LadingError, match="another program") as caught:
            kept.put(STAGE, {"A": Secret("value")})
        assert caught.value.code == "busy"
        assert kept.get(STAGE, "JWT_KEY", 1).reveal() == VALUE
    assert dict(kept.put(STAGE, {"A": Secret("value")})) == {"A": 1}
