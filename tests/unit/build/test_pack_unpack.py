"""Tree → layer → tree: the same bytes from the same files, and nothing outside the tree, whatever an archive says."""

import io
import os
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.build.entries import Tree, below, from_bytes, link_to, read_archive, read_directory, write_tree
from lading.build.names import UnsafeArchive
from lading.build.pack import pack
from lading.build.unpack import HashingReader, decompressed, unpack
from tests.unit.build.archives import Member, archive, member

TREE: Tree = {
    "app/main.py": from_bytes(b"print()\n"),
    "app/run": from_bytes(b"#!/bin/sh\n")._replace(executable=True),
    "app/" + "long" * 40 + "/ä.txt": from_bytes("ß".encode()),
    "current": link_to("app/main.py"),
    "empty": from_bytes(b""),
}


def unpacked(data: bytes, target: Path) -> None:
    unpack(HashingReader(io.BytesIO(data)), target)


def test_the_same_files_give_the_same_layer(tmp_path: Path) -> None:
    """Order, umask, time and owner of the files on disk change neither diff id nor digest."""
    first = pack("source", TREE, tmp_path / "first")
    before = os.umask(0o077)
    try:
        write_tree(dict(reversed(TREE.items())), tmp_path / "tree")
    finally:
        os.umask(before)
    for number, path in enumerate(sorted((tmp_path / "tree").rglob("*"))):
        os.utime(path, (number, number), follow_symlinks=False)
    (tmp_path / "tree" / "empty").chmod(0o666)
    second = pack("source", read_directory(tmp_path / "tree"), tmp_path / "second")
    assert first == second


@pytest.mark.parametrize(
    "changed",
    [
        {"app/main.py": from_bytes(b"print( \n")},
        {"app/run": from_bytes(b"#!/bin/sh\n")},
        {"current": link_to("app/run")},
        {"added": from_bytes(b"")},
    ],
    ids=["content", "executable bit", "link", "name"],
)
def test_every_difference_that_matters_changes_the_diff_id(tmp_path: Path, changed: Tree) -> None:
    """Content, names, links and the executable bit are what a layer is known by."""
    assert pack("source", TREE, tmp_path / "a").diff_id != pack("source", TREE | changed, tmp_path / "b").diff_id


def test_a_packed_tree_comes_back(tmp_path: Path) -> None:
    """Unpacking gives the files, links and executable bits that were packed, without the right to write."""
    layer = pack("source", TREE, tmp_path / "blob")
    with (tmp_path / "blob").open("rb") as blob:
        plain = HashingReader(decompressed(HashingReader(blob), layer.media_type))
        found = unpack(plain, tmp_path / "tree")
    assert plain.digest() == layer.diff_id
    back = read_directory(tmp_path / "tree")
    assert {name: (e.read(), e.executable, e.target) for name, e in back.items()} == {
        name: (e.read(), e.executable, e.target) for name, e in TREE.items()
    }
    assert set(found.files) | set(found.links) == set(TREE)
    assert not (tmp_path / "tree" / "empty").stat().st_mode & 0o222


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
            lambda name: name not in (".", "..") and len(name.encode()) < 200
        ),
        st.binary(max_size=2000),
        max_size=6,
    )
)
def test_any_names_and_contents_survive(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Whatever a file is called and holds, it comes back the same."""
    home = tmp_path_factory.mktemp("any")
    layer = pack("source", {name: from_bytes(data) for name, data in files.items()}, home / "blob")
    with (home / "blob").open("rb") as blob:
        unpack(HashingReader(decompressed(HashingReader(blob), layer.media_type)), home / "tree")
    assert {name: entry.read() for name, entry in read_directory(home / "tree").items()} == files


HOSTILE: dict[str, list[Member]] = {
    "absolute name": [member("/tmp/evil", b"x")],
    "name above": [member("../evil", b"x")],
    "name above, hidden": [member("a/../../evil", b"x")],
    "empty part": [member("a//b", b"x")],
    "absolute link": [member("link", kind=tarfile.SYMTYPE, target="/etc/passwd")],
    "link above": [member("a/link", kind=tarfile.SYMTYPE, target="../../evil")],
    "link with an empty target": [member("link", kind=tarfile.SYMTYPE, target="")],
    "hard link": [member("a", b"x"), member("b", kind=tarfile.LNKTYPE, target="/etc/passwd")],
    "character device": [member("null", kind=tarfile.CHRTYPE)],
    "block device": [member("disk", kind=tarfile.BLKTYPE)],
    "named pipe": [member("pipe", kind=tarfile.FIFOTYPE)],
    "file through a link": [member("d", kind=tarfile.SYMTYPE, target="."), member("d/evil", b"x")],
    "file below a file": [member("a", b"x"), member("a/b", b"x")],
}
ONLY_WHEN_UNPACKED: dict[str, list[Member]] = {
    "file twice": [member("a", b"x"), member("a", b"y")],
    "file in place of a directory": [member("a/b", b"x"), member("a", b"x")],
    "links that lead out only together": [
        member("deep/top", kind=tarfile.SYMTYPE, target=".."),
        member("deep/out", kind=tarfile.SYMTYPE, target="top/../../evil"),
    ],
    "chain of links": [
        member("a/b/up", kind=tarfile.SYMTYPE, target="../.."),
        member("out", kind=tarfile.SYMTYPE, target="a/b/up/../.."),
    ],
    "link in a circle with a way out": [
        member("x", kind=tarfile.SYMTYPE, target="y/../.."),
        member("y", kind=tarfile.SYMTYPE, target="z"),
        member("z/f", b""),
    ],
}


@pytest.mark.parametrize(
    "members", [*HOSTILE.values(), *ONLY_WHEN_UNPACKED.values()], ids=[*HOSTILE, *ONLY_WHEN_UNPACKED]
)
def test_a_hostile_layer_is_refused(tmp_path: Path, members: list[Member]) -> None:
    """Nothing leaves the tree, nothing is written through a link, no device appears."""
    (tmp_path / "inside").mkdir()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UnsafeArchive):
        unpacked(archive(members), tmp_path / "inside" / "tree")
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "inside" / "tree")}
    assert outside == before


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_source_is_refused(tmp_path: Path, members: list[Member]) -> None:
    """A source archive is read with the same distrust."""
    (tmp_path / "source.tar").write_bytes(archive(members))
    with pytest.raises(UnsafeArchive), read_archive(tmp_path / "source.tar"):
        pass


def test_a_link_out_of_the_context_is_refused(tmp_path: Path) -> None:
    """A link may stay in the archive and still leave the part of it that a build takes."""
    members = [member("common/x", b"x"), member("web/x", kind=tarfile.SYMTYPE, target="../common/x")]
    (tmp_path / "source.tar").write_bytes(archive(members))
    with read_archive(tmp_path / "source.tar") as tree:
        assert set(below(tree, "./common/")) == {"x"}
        with pytest.raises(UnsafeArchive, match="leaves the tree"):
            below(tree, "web")


def test_a_layer_that_needs_much_memory_is_refused(tmp_path: Path) -> None:
    """A blob cannot make the agent reserve memory at will."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=30)
    blob = zstandard.ZstdCompressor(compression_params=parameters).compressobj().compress(b"")
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    blob = stream.compress(os.urandom(1 << 16)) + stream.flush()
    reader = HashingReader(decompressed(HashingReader(io.BytesIO(blob)), "x.tar+zstd"))
    with pytest.raises(zstandard.ZstdError):
        unpack(reader, tmp_path / "tree")
