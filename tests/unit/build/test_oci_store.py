"""The store on disk: what crashes, full disks and changed bytes do to it."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lading.build import binding, disk, laid
from lading.build.entries import Tree, from_bytes
from lading.build.pack import chunks_of, pack
from lading.build.store import OciStore
from lading.build.unpack import make_writable
from lading.model.errors import LadingError
from lading.model.release import Layer
from lading.ports.store.conformance import FILES, code_of, release_of
from lading.ports.store.memory import make_layer, sha256

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{MINOR}/site-packages"


@pytest.fixture
def store(tmp_path: Path) -> OciStore:
    return OciStore(tmp_path / "store", young=-1.0)


def stored(store: OciStore, role: str = "source", files: dict[str, bytes] = FILES) -> Layer:
    layer, blob = make_layer(role, files)
    store.put(layer.digest, iter([blob]))
    return layer


def environment_layer(store: OciStore) -> Layer:
    return stored(store, "environment", {f"{SITE}/greet.py": b"print('hi')\n"})


def left_over(store: OciStore) -> list[str]:
    return [path.name for path in (*store.blobs.iterdir(), *store.layers.iterdir()) if path.name.startswith(".")]


def test_the_root_is_an_oci_layout(store: OciStore) -> None:
    """Other tools for OCI layouts can read the store."""
    assert json.loads((store.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((store.root / "index.json").read_text())["manifests"] == []


def test_a_full_disk_while_storing_keeps_nothing(store: OciStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without space, the error says so, nothing is left behind, and the blob can be stored later."""

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert code_of(store.put, sha256(b"x"), iter([b"x"])) == "no-space"
    assert left_over(store) == []
    store.put(sha256(b"x"), iter([b"x"]))
    assert store.has(sha256(b"x"))


def test_a_full_disk_while_laying_out_keeps_nothing(store: OciStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without space no tree appears, nothing is left behind, and laying out works once there is space."""
    layer = stored(store)

    def full(_tree: Path) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(laid, "sync_tree", full)
        assert code_of(store.lay_out, layer) == "no-space"
    assert list(store.layers.iterdir()) == []
    assert Path(store.lay_out(layer), "README").read_bytes() == FILES["README"]


def test_other_errors_of_the_disk_are_not_called_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a full disk or quota is ``no-space``."""
    with pytest.raises(PermissionError), disk.room_for("writing"):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("where", ["make_read_only", "sync_tree", "write_whole", "sync_directory"])
def test_a_killed_lay_out_is_done_again(store: OciStore, where: str) -> None:
    """Killed at any point, the next call gives the whole tree, never a half-unpacked one."""
    layer = stored(store)
    code = f"""
        import os, signal, sys
        from pathlib import Path
        from lading.build import laid
        from lading.build.store import OciStore
        from lading.ports.store.conformance import FILES
        from lading.ports.store.memory import make_layer
        setattr(laid, {where!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        OciStore(Path(sys.argv[1])).lay_out(make_layer("source", FILES)[0])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(store.root)], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    fresh = OciStore(store.root, young=-1.0)
    tree = Path(fresh.lay_out(layer))
    assert {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()} == set(FILES)
    fresh.verify(release_of(layer))


def test_what_a_crash_left_is_pruned_once_it_is_old(store: OciStore) -> None:
    """Half-written things go with the next pruning that finds them old, not while they may be under way."""
    blob, tree = store.blobs / ".1.0.new", store.layers / ".0123.1.0.new"
    blob.write_bytes(b"half")
    tree.mkdir(mode=0o555)
    assert store.prune(()) == 0
    for path in (blob, tree):
        os.utime(path, (0, 0))
    assert store.prune(()) == 4
    assert left_over(store) == []


def test_young_things_are_not_pruned(tmp_path: Path) -> None:
    """What was just put, asked for or laid out may belong to a release that is being recorded."""
    store = OciStore(tmp_path / "store", young=600.0)
    layer = stored(store)
    store.lay_out(layer)
    assert store.prune(()) == 0
    for path in (*store.blobs.iterdir(), *store.layers.glob("*.json")):
        os.utime(path, (0, 0))
    assert store.has(layer.digest)
    assert store.prune(()) > 0, "the tree is old"
    assert store.has(layer.digest), "the blob was asked for a moment ago"


def test_a_changed_blob_is_set_aside_so_that_fetching_mends_it(store: OciStore) -> None:
    """Once found, a bad blob does not count as there: it can be put again, and all is well."""
    layer = stored(store)
    (store.blobs / layer.digest.removeprefix("sha256:")).write_bytes(b"changed")
    with pytest.raises(LadingError, match="was changed"):
        store.verify(release_of(layer))
    assert not store.has(layer.digest)
    store.verify(release_of(stored(store)))


def test_an_unreadable_blob_is_called_changed(store: OciStore) -> None:
    """Changed bytes that are no archive any more are named as what they are, by digest."""
    layer = stored(store)
    (store.blobs / layer.digest.removeprefix("sha256:")).write_bytes(b"no archive at all")
    with pytest.raises(LadingError, match=f"blob {layer.digest} was changed"):
        store.lay_out(layer)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", "md5:" + "0" * 64, "sha256:" + "A" * 64])
def test_what_is_no_digest_names_no_file(store: OciStore, digest: str) -> None:
    """A digest from outside never becomes a path."""
    assert not store.has(digest)
    assert code_of(store.put, digest, iter([b""])) == "artifact-corrupt"
    with pytest.raises(KeyError):
        store.open(digest)
    layer = Layer(role="source", diff_id=digest, digest=digest, size=0, media_type="x.tar")
    assert code_of(store.lay_out, layer) == "artifact-corrupt"


def test_two_stores_on_one_root_lay_out_once(store: OciStore) -> None:
    """Another process's store returns the directory that is there."""
    layer = stored(store)
    assert OciStore(store.root).lay_out(layer) == store.lay_out(layer)


def test_a_log_in_the_working_directory_is_no_damage(store: OciStore) -> None:
    """A program that writes beside its source must not make going back to it impossible."""
    layer = stored(store)
    tree = Path(store.lay_out(layer))
    make_writable(tree)
    (tree / "debug.log").write_text("line\n")
    store.verify(release_of(layer))


@pytest.mark.parametrize("name", [f"{SITE}/notes.txt", f"{SITE}/greet.pyc", "bin/tool"])
def test_nothing_may_be_added_to_an_environment(store: OciStore, name: str) -> None:
    """No program has business writing among its packages."""
    layer = environment_layer(store)
    tree = Path(store.lay_out(layer))
    make_writable(tree)
    (tree / name).write_text("x")
    with pytest.raises(LadingError, match=name.rpartition("/")[2]):
        store.verify(release_of(layer))


def test_a_file_replaced_by_a_pipe_or_link_is_found(store: OciStore) -> None:
    """A file must be that file: what merely reads the same, or never ends, is a change."""
    layer = stored(store)
    tree = Path(store.lay_out(layer))
    make_writable(tree)
    readme = tree / "README"
    copy = tree / "copy"
    readme.rename(copy)
    readme.symlink_to("copy")
    assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"
    readme.unlink()
    os.mkfifo(readme)
    assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"


def test_a_lost_inventory_is_damage_until_laid_out_again(store: OciStore) -> None:
    """Without its inventory a tree proves nothing; laying out again makes both anew."""
    layer = stored(store)
    tree = Path(store.lay_out(layer))
    tree.with_name(f"{tree.name}.json").unlink()
    assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"
    assert store.lay_out(layer) == str(tree)
    store.verify(release_of(layer))


def test_an_environment_runs_on_this_host(store: OciStore) -> None:
    """A laid-out environment has a Python of its minor version that finds its packages, at no extra process."""
    layer = environment_layer(store)
    tree = Path(store.lay_out(layer))
    done = subprocess.run([tree / "bin" / "python", "-m", "greet"], capture_output=True, text=True, check=True)
    assert done.stdout == "hi\n"
    store.verify(release_of(layer))


def test_an_environment_follows_an_interpreter_that_moved(store: OciStore) -> None:
    """After an upgrade of the host's Python, laying out ties the same tree to one that is there."""
    layer = environment_layer(store)
    tree = Path(store.lay_out(layer))
    note = tree.with_name(f"{tree.name}.python")
    interpreter = note.read_text()
    note.chmod(0o644)
    note.write_text("/gone/bin/python")
    assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"
    assert store.lay_out(layer) == str(tree)
    assert note.read_text() == interpreter
    store.verify(release_of(layer))


def test_another_interpreter_in_its_place_is_found(store: OciStore) -> None:
    """What a host adds to an environment is checked like what the layer brought."""
    layer = environment_layer(store)
    tree = Path(store.lay_out(layer))
    make_writable(tree)
    (tree / "bin" / "python").unlink()
    (tree / "bin" / "python").write_text("#!/bin/sh\n")
    with pytest.raises(LadingError, match="bin/python was changed"):
        store.verify(release_of(layer))


def test_an_environment_for_another_python_is_refused(store: OciStore) -> None:
    """A host without the minor version says which one is missing, before anything starts."""
    layer = stored(store, "environment", {"lib/python3.2/site-packages/greet.py": b""})
    with pytest.raises(LadingError, match=r"Python 3\.2") as refusal:
        store.lay_out(layer)
    assert refusal.value.code == "platform"
    assert not (store.layers / layer.diff_id.removeprefix("sha256:")).exists()


@pytest.mark.parametrize("name", ["bin/python", "pyvenv.cfg"])
def test_an_environment_may_not_bring_its_own_interpreter(store: OciStore, name: str) -> None:
    """What the host provides cannot be smuggled in by a layer."""
    layer = stored(store, "environment", {f"{SITE}/greet.py": b"", name: b"#!/bin/sh\n"})
    with pytest.raises(LadingError, match="brings its own"):
        store.lay_out(layer)


def test_a_manifest_stays_as_long_as_its_layers(store: OciStore) -> None:
    """Pruning keeps a kept artifact's manifest, configuration and bill of materials, and drops the others'."""
    names = {}
    for word in (b"kept", b"gone"):
        layer = stored(store, files={"word": word})
        config, bill = b'{"config": "%s"}' % word, b'{"bill": "%s"}' % word
        manifest = json.dumps(
            {
                "config": {"digest": sha256(config)},
                "layers": [{"digest": layer.digest}],
                "annotations": {"dev.lading.sbom": sha256(bill)},
            }
        ).encode()
        for content in (config, bill, manifest):
            store.put(sha256(content), iter([content]))
        store.index(sha256(manifest), {"org.opencontainers.image.ref.name": word.decode()})
        names[word] = (layer, [sha256(content) for content in (config, bill, manifest)])
    kept, blobs = names[b"kept"]
    store.prune({kept.digest, kept.diff_id})
    assert all(store.has(digest) for digest in blobs)
    assert not any(store.has(digest) for digest in names[b"gone"][1])
    assert [entry["digest"] for entry in json.loads((store.root / "index.json").read_text())["manifests"]] == blobs[2:]


def test_a_compressed_layer_is_laid_out(store: OciStore, tmp_path: Path) -> None:
    """What pack makes, lay_out unpacks, more files than are synced one by one included."""
    tree: Tree = {f"part/{number}.txt": from_bytes(str(number).encode()) for number in range(disk.MANY_FILES + 1)}
    layer = pack("source", tree, tmp_path / "blob")
    store.put(layer.digest, chunks_of(tmp_path / "blob"))
    assert len(list(Path(store.lay_out(layer), "part").iterdir())) == len(tree)
    store.verify(release_of(layer))


def test_binding_needs_no_environment(tmp_path: Path) -> None:
    """A tree without a Python library is left as it is."""
    binding.bind(tmp_path, tmp_path / "note")
    assert list(tmp_path.iterdir()) == []
    assert binding.problem(tmp_path, tmp_path / "note") == ""
