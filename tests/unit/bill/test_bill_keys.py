"""The agent's own key: made once, kept private, replaced whole."""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from lading.bill import Problem, accept_rotation, verify_envelope
from lading.bill.keys import FileSigner, KeyRing
from lading.bill.rotation import OVERLAP, Rotation
from lading.model.bill import Statement
from lading.model.errors import LadingError
from tests.unit.bill.cases import DAY, NOW, Case


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys", "stage-host")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "agent.key"


def accepted(ring_envelope: object) -> Rotation:
    assert isinstance(ring_envelope, Rotation), ring_envelope
    return ring_envelope


def test_the_key_is_made_at_first_use_and_kept(ring: KeyRing, key_file: Path) -> None:
    """Nothing is written before the key is needed; from then on it is the same, for its owner only."""
    assert not key_file.exists()
    made = ring.signer.fingerprint
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert FileSigner(key_file, "stage-host").fingerprint == made
    assert os.listdir(key_file.parent) == ["agent.key"]


def test_an_odd_umask_makes_no_key_public(key_file: Path) -> None:
    """The key is private whatever umask the agent was started with."""
    before = os.umask(0)
    try:
        assert FileSigner(key_file, "host").fingerprint
    finally:
        os.umask(before)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_many_starters_get_one_key(key_file: Path) -> None:
    """Signers that are started at the same moment end up with the same key."""
    found: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        signer = FileSigner(key_file, "host")
        barrier.wait()
        found.append(signer.fingerprint)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert os.listdir(key_file.parent) == ["agent.key"]


def test_a_key_that_others_can_read_is_not_used(ring: KeyRing, key_file: Path) -> None:
    """A private key with open permissions is refused with the command that closes it."""
    assert ring.signer.fingerprint
    key_file.chmod(0o640)
    with pytest.raises(LadingError, match="others may read it") as caught:
        FileSigner(key_file, "stage-host").fingerprint  # noqa: B018
    assert caught.value.code == "bill"
    assert caught.value.hint == f"chmod 600 {key_file}"


@pytest.mark.parametrize("text", ["", "junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "é"])
def test_a_damaged_key_is_refused_and_never_replaced(key_file: Path, text: str) -> None:
    """A file that holds no key is an error; making a new key there would throw away who the agent is."""
    key_file.parent.mkdir()
    key_file.write_text(text)
    key_file.chmod(0o600)
    with pytest.raises(LadingError, match=r"agent\.key cannot be used"):
        FileSigner(key_file, "host").fingerprint  # noqa: B018
    assert key_file.read_text() == text


def test_a_key_in_an_impossible_place_is_explained(tmp_path: Path) -> None:
    """When the key can neither be read nor made, the error names the file and what is untouched."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LadingError, match="what serves is untouched") as caught:
        FileSigner(tmp_path / "file" / "agent.key", "host").fingerprint  # noqa: B018
    assert caught.value.code == "bill"


def test_no_key_material_is_shown(ring: KeyRing, key_file: Path) -> None:
    """Printing a signer or a ring shows where the key lies, not the key."""
    assert ring.signer.fingerprint
    secret = key_file.read_text().splitlines()[1]
    assert secret not in f"{ring!r} {ring.signer!r}"


def test_a_rotation_is_believed_where_the_old_key_was(ring: KeyRing, case: Case) -> None:
    """Shown the introduction, another agent believes the new key at once and the old one for the overlap."""
    old = ring.signer.trusted_key(NOW)
    before = case.say(by=ring.signer)
    rotation = accepted(accept_rotation(ring.rotate(NOW), [old], NOW + 60))
    after = case.say(by=ring.signer)
    both = [rotation.old, rotation.new]
    assert rotation.new.name == "stage-host"
    assert rotation.new.fingerprint == ring.signer.fingerprint != old.fingerprint
    for envelope in (before, after):
        assert isinstance(verify_envelope(envelope, both, NOW + OVERLAP), Statement)
    assert isinstance(verify_envelope(before, both, NOW + OVERLAP + 1), Problem)
    assert isinstance(verify_envelope(after, both, NOW + OVERLAP + 1), Statement)


def test_a_rotation_lasts(ring: KeyRing, key_file: Path) -> None:
    """The new key, the introductions and the agent's own earlier keys are there after a restart."""
    first = ring.signer.trusted_key(NOW)
    introductions = (ring.rotate(NOW, overlap=DAY), ring.rotate(NOW + 60, overlap=DAY))
    again = KeyRing(key_file.parent, "stage-host")
    assert again.signer.fingerprint == ring.signer.fingerprint
    assert again.introductions() == introductions
    assert [key.until for key in again.earlier()] == [NOW + DAY, NOW + 60 + DAY]
    assert again.earlier()[0].fingerprint == first.fingerprint
    assert again.earlier()[0].public == first.public
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_introductions_can_be_followed_one_after_the_other(ring: KeyRing) -> None:
    """An agent that missed two rotations follows both, in their order."""
    trusted = ring.signer.trusted_key(NOW)
    for envelope in (ring.rotate(NOW), ring.rotate(NOW + 60)):
        trusted = accepted(accept_rotation(envelope, [trusted], NOW + 120)).new
    assert trusted.fingerprint == ring.signer.fingerprint


def test_a_failed_rotation_changes_nothing(ring: KeyRing, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new key cannot be written the old one stays, with its introductions, and no file is left behind."""
    before = ring.signer.fingerprint

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for broken in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(f"lading.bill.keys.os.{broken}", full)
            with pytest.raises(LadingError, match="No space left"):
                ring.rotate(NOW)
        assert ring.signer.fingerprint == before
        assert KeyRing(key_file.parent, "stage-host").signer.fingerprint == before
        assert ring.introductions() == ()
        assert os.listdir(key_file.parent) == ["agent.key"]


def test_a_replaced_key_introduces_no_other(ring: KeyRing, key_file: Path, tmp_path: Path) -> None:
    """Who steals the old key after a rotation cannot use it to bring in a key of his own."""
    believed = ring.signer.trusted_key(NOW)
    theft = tmp_path / "thief" / "agent.key"
    theft.parent.mkdir()
    shutil.copy(key_file, theft)
    replaced = accepted(accept_rotation(ring.rotate(NOW), [believed], NOW)).old
    stolen = KeyRing(theft.parent, "stage-host")
    found = accept_rotation(stolen.rotate(NOW + 60), [replaced], NOW + 60)
    assert isinstance(found, Problem)
    assert "was replaced already" in found.text


def test_only_introductions_introduce(ring: KeyRing, case: Case, stranger: FileSigner) -> None:
    """Another statement, or one by an unknown key, introduces nobody."""
    trusted = [ring.signer.trusted_key(NOW)]
    found = accept_rotation(case.say(by=ring.signer), trusted, NOW)
    assert isinstance(found, Problem)
    assert "introduces no key" in found.text
    unknown = accept_rotation(ring.rotate(NOW), [stranger.trusted_key(NOW)], NOW)
    assert isinstance(unknown, Problem)
    assert unknown.kind == "unknown-key"


@pytest.mark.parametrize("facts", [{}, {"public": "!"}, {"public": "QUJD"}, {"public": "QUJD", "overlap": "long"}])
def test_an_unreadable_introduction_introduces_nobody(case: Case, facts: dict[str, str]) -> None:
    """An introduction whose key is damaged, or not the one it names, changes nothing."""
    envelope = case.say("rotation", facts=facts)
    assert isinstance(accept_rotation(envelope, case.trusted, NOW), Problem)


def test_an_overlap_is_never_longer_than_the_longest(ring: KeyRing) -> None:
    """The receiving agent bounds the overlap, however long the introduction asks for and whenever it is shown."""
    old = ring.signer.trusted_key(NOW)
    envelope = ring.rotate(NOW, overlap=1000 * DAY)
    assert accepted(accept_rotation(envelope, [old], NOW + DAY)).old.until == NOW + OVERLAP
    assert accepted(accept_rotation(envelope, [old], NOW - DAY)).old.until == NOW - DAY + OVERLAP


def test_recovery_makes_a_key_that_nobody_believes(ring: KeyRing, key_file: Path, case: Case) -> None:
    """After the loss of a key, or its theft, a new one is made that must be pinned by hand."""
    old = ring.signer.trusted_key(NOW)
    ring.rotate(NOW)
    key_file.unlink()
    recovered = ring.recover()
    assert recovered == ring.signer.fingerprint
    assert ring.introductions() == ()
    assert isinstance(verify_envelope(case.say(by=ring.signer), [old], NOW), Problem)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
