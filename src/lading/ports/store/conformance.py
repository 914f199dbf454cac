"""What every Store must keep, as tests: subclass it and give ``store`` and the three hooks."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

from lading.model.errors import LadingError
from lading.model.manifest import Manifest, Project
from lading.model.release import Artifact, Layer, Platform, Release
from lading.ports.store import Store
from lading.ports.store.memory import make_layer, sha256

FILES = {"app/main.py": b"print('hello')\n", "app/empty.txt": b"", "README": b"read me\n"}
ABSENT = sha256(b"never stored")


def release_of(*layers: Layer) -> Release:
    """Return a release of one artifact with these layers."""
    artifact = Artifact(
        name="app",
        kind="bundle",
        digest=sha256(b"artifact"),
        platform=Platform(system="linux", machine="x86_64"),
        layers=layers,
    )
    manifest = Manifest(project=Project(name="cashback"))
    return Release(
        project="cashback", version="v1.0.0", digest=sha256(b"release"), artifacts=(artifact,), manifest=manifest
    )


def code_of(act: object, *args: object) -> str:
    """Return the code of the error that calling ``act`` must raise."""
    assert callable(act)
    try:
        act(*args)
    except LadingError as error:
        if not (error.happened and error.hint):
            raise AssertionError(f"the error must say what happened and what to do next: {error}") from error
        return error.code
    raise AssertionError(f"{act} raised nothing")


class StoreConformance(ABC):
    """The promises of the Store port."""

    @abstractmethod
    def corrupt_blob(self, store: Store, digest: str) -> None:
        """Change a stored blob behind the store's back."""

    @abstractmethod
    def read_tree(self, store: Store, place: str) -> dict[str, bytes]:
        """Return the files below a laid-out directory."""

    @abstractmethod
    def change_file(self, store: Store, place: str, name: str, data: bytes) -> None:
        """Change (or add) a file of a laid-out directory behind the store's back."""

    def stored_layer(self, store: Store, files: dict[str, bytes] = FILES) -> Layer:
        """Store a small source layer."""
        layer, blob = make_layer("source", files)
        store.put(layer.digest, iter([blob]))
        return layer

    def test_a_blob_comes_back_as_it_was_put(self, store: Store) -> None:
        """What was put in chunks is read back whole, and only then the store says it has it."""
        digest = sha256(b"one two three")
        assert not store.has(digest)
        store.put(digest, iter([b"one ", b"two ", b"", b"three"]))
        assert store.has(digest)
        with store.open(digest) as blob:
            assert blob.read() == b"one two three"

    def test_putting_again_does_nothing(self, store: Store) -> None:
        """A second put of a stored blob changes nothing, whatever its chunks hold."""
        digest = sha256(b"first")
        store.put(digest, iter([b"first"]))
        store.put(digest, iter([b"other bytes"]))
        with store.open(digest) as blob:
            assert blob.read() == b"first"

    def test_bytes_that_are_not_their_digest_are_refused(self, store: Store) -> None:
        """A blob appears whole and verified or not at all."""
        assert code_of(store.put, ABSENT, iter([b"something else"])) == "artifact-corrupt"
        assert not store.has(ABSENT)

    def test_a_sender_that_breaks_off_leaves_nothing(self, store: Store) -> None:
        """When the chunks end in an error, no part of the blob is there, and it can be put again."""
        digest = sha256(b"onetwo")

        def chunks() -> object:
            yield b"one"
            raise ConnectionError("gone")

        try:
            store.put(digest, chunks())  # type: ignore[arg-type]
        except ConnectionError:
            assert not store.has(digest)
        else:
            raise AssertionError("the sender's error was swallowed")
        store.put(digest, iter([b"one", b"two"]))
        assert store.has(digest)

    def test_a_blob_arrives_in_pieces(self, store: Store) -> None:
        """Each call says how much is here; the blob appears with its last byte, and not before."""
        digest = sha256(b"one two three")
        assert store.arrived(digest) == 0
        assert store.add(digest, 0, iter([b"one", b" "]), 13) == 4
        assert (store.arrived(digest), store.has(digest)) == (4, False)
        assert store.add(digest, 4, iter([b"two three"]), 13) == 13
        assert (store.arrived(digest), store.has(digest)) == (0, True)
        with store.open(digest) as blob:
            assert blob.read() == b"one two three"
        assert store.add(digest, 4, iter([b"whatever"]), 13) == 13

    def test_what_came_before_a_cut_is_kept(self, store: Store) -> None:
        """A sender that breaks off leaves what it sent; who comes after it goes on there, or before."""
        digest = sha256(b"one two three")

        def chunks() -> object:
            yield b"one "
            raise ConnectionError("gone")

        try:
            store.add(digest, 0, chunks(), 13)  # type: ignore[arg-type]
        except ConnectionError:
            assert store.arrived(digest) == 4
        assert store.add(digest, 2, iter([b"e two"]), 13) == 7
        assert store.add(digest, 0, iter([b"one two three"]), 13) == 13
        assert store.has(digest)

    def test_pieces_with_a_gap_are_refused(self, store: Store) -> None:
        """Bytes whose predecessors are missing are not taken, and harm nothing."""
        digest = sha256(b"one two three")
        store.add(digest, 0, iter([b"one"]), 13)
        assert code_of(store.add, digest, 5, iter([b"wo three"]), 13) == "usage"
        assert store.arrived(digest) == 3

    def test_pieces_of_another_blob_are_not_kept(self, store: Store) -> None:
        """What is not its digest in the end, or is longer than it says, is gone whole, so that it can be sent anew."""
        digest = sha256(b"one two three")
        assert code_of(store.add, digest, 0, iter([b"one two THREE"]), 13) == "artifact-corrupt"
        assert code_of(store.add, digest, 0, iter([b"one two three four"]), 13) == "artifact-corrupt"
        assert (store.arrived(digest), store.has(digest)) == (0, False)
        assert store.add(digest, 0, iter([b"one two three"]), 13) == 13

    def test_two_senders_of_one_blob_do_not_harm_each_other(self, store: Store) -> None:
        """A sender that hangs holds up nobody, and what it says later is passed over."""
        digest = sha256(b"one two three")
        seen = []

        def slow() -> object:
            yield b"one "
            seen.append(store.add(digest, 4, iter([b"two three"]), 13))
            yield b"two "

        assert store.add(digest, 0, slow(), 13) == 13  # type: ignore[arg-type]
        assert seen == [13]
        assert store.has(digest)

    def test_an_absent_blob_is_a_key_error(self, store: Store) -> None:
        """Opening what is not there raises KeyError."""
        try:
            store.open(ABSENT)
        except KeyError:
            return
        raise AssertionError("an absent blob was opened")

    def test_a_layer_is_laid_out_with_its_files(self, store: Store) -> None:
        """The laid-out tree holds exactly the layer's files."""
        place = store.lay_out(self.stored_layer(store))
        assert self.read_tree(store, place) == FILES

    def test_laying_out_again_gives_the_same_directory(self, store: Store) -> None:
        """A second call returns the same directory, also from many threads at once."""
        layer = self.stored_layer(store)
        with ThreadPoolExecutor(8) as pool:
            places = set(pool.map(store.lay_out, [layer] * 16))
        assert len(places) == 1
        assert self.read_tree(store, places.pop()) == FILES

    def test_a_layer_whose_blob_was_changed_is_not_laid_out(self, store: Store) -> None:
        """A blob that no longer matches its digest never becomes files."""
        layer = self.stored_layer(store)
        self.corrupt_blob(store, layer.digest)
        assert code_of(store.lay_out, layer) == "artifact-corrupt"

    def test_a_layer_with_another_diff_id_is_not_laid_out(self, store: Store) -> None:
        """A blob whose content is not the layer's diff id never becomes files."""
        layer = self.stored_layer(store)
        other = Layer(
            role=layer.role, diff_id=ABSENT, digest=layer.digest, size=layer.size, media_type=layer.media_type
        )
        assert code_of(store.lay_out, other) == "artifact-corrupt"

    def test_a_layer_whose_blob_is_missing_is_not_laid_out(self, store: Store) -> None:
        """Laying out needs the blob and says which one it lacks."""
        layer, _ = make_layer("source", FILES)
        assert code_of(store.lay_out, layer) == "artifact-corrupt"

    def test_verify_is_quiet_for_what_is_whole(self, store: Store) -> None:
        """Stored and laid-out layers that nobody touched verify."""
        layer = self.stored_layer(store)
        store.verify(release_of(layer))
        store.lay_out(layer)
        store.verify(release_of(layer))

    def test_verify_finds_a_missing_blob(self, store: Store) -> None:
        """A release whose blob is not there does not verify."""
        layer, _ = make_layer("source", FILES)
        assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"

    def test_verify_finds_a_changed_blob(self, store: Store) -> None:
        """A changed blob is found even when its layer was laid out before."""
        layer = self.stored_layer(store)
        store.lay_out(layer)
        self.corrupt_blob(store, layer.digest)
        assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"

    def test_verify_finds_a_changed_file(self, store: Store) -> None:
        """A laid-out file of other bytes is found, same length or not."""
        layer = self.stored_layer(store)
        place = store.lay_out(layer)
        self.change_file(store, place, "app/main.py", b"print('hullo')\n")
        assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"

    def test_verify_finds_an_added_module(self, store: Store) -> None:
        """A Python file that the layer did not bring is found: it could be imported."""
        layer = self.stored_layer(store)
        place = store.lay_out(layer)
        self.change_file(store, place, "sitecustomize.py", b"import evil\n")
        assert code_of(store.verify, release_of(layer)) == "artifact-corrupt"

    def test_free_space_is_told(self, store: Store) -> None:
        """Free space is a number of bytes."""
        assert store.free_bytes() > 0

    def test_prune_keeps_what_it_is_told_to_keep(self, store: Store) -> None:
        """Named blobs and layers stay usable; others are gone, and their bytes are counted."""
        kept = self.stored_layer(store)
        gone = self.stored_layer(store, {"old.py": b"x" * 5000})
        place = store.lay_out(kept)
        store.lay_out(gone)
        freed = store.prune({kept.diff_id, kept.digest})
        assert freed >= gone.size
        assert not store.has(gone.digest)
        assert store.has(kept.digest)
        assert self.read_tree(store, place) == FILES
        store.verify(release_of(kept))
        assert code_of(store.verify, release_of(gone)) == "artifact-corrupt"

    def test_prune_again_frees_nothing(self, store: Store) -> None:
        """Pruning is idempotent, and what was pruned can be stored and laid out again."""
        layer = self.stored_layer(store)
        store.lay_out(layer)
        assert store.prune(()) > 0
        assert store.prune(()) == 0
        again = self.stored_layer(store)
        assert self.read_tree(store, store.lay_out(again)) == FILES
