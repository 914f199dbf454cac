"""Files that services have mounted become an artifact of the release, and nothing else of the source does."""

from pathlib import Path

import pytest

from lading.build.entries import from_bytes, link_to
from lading.build.mounted import mounted
from lading.build.store import OciStore
from lading.model.errors import LadingError
from lading.model.manifest import Build, Manifest, Project, Service, Volume
from lading.model.release import Artifact

TREE = {
    "config/rubric.yaml": from_bytes(b"pass: 60\n"),
    "config/texts/a.txt": from_bytes(b"a\n"),
    "configuration.txt": from_bytes(b"another\n"),
    "app.py": from_bytes(b"print()\n"),
    "link": link_to("config"),
}


def manifest(*paths: str) -> Manifest:
    services = {
        f"s{number}": Service(build="app", files={path: Volume(path=f"/app/{number}")})
        for number, path in enumerate(paths)
    }
    return Manifest(project=Project(name="shop"), build={"app": Build(dockerfile="Dockerfile")}, services=services)


def made(home: Path, *paths: str) -> tuple[OciStore, Artifact | None]:
    store = OciStore(home / "store")
    return store, mounted(manifest(*paths), TREE, store, home, lambda text, line=None: None)


def test_only_what_is_named_goes_along(tmp_path: Path) -> None:
    """A directory comes with all below it, a file alone; a name that merely begins the same does not."""
    store, artifact = made(tmp_path, "config", "app.py")
    assert artifact is not None
    laid = Path(store.lay_out(artifact.layer("files")))
    found = {path.relative_to(laid).as_posix() for path in laid.rglob("*") if path.is_file()}
    assert found == {"config/rubric.yaml", "config/texts/a.txt", "app.py"}


def test_where_it_was_built_does_not_matter(tmp_path: Path) -> None:
    """The same files are the same artifact, and no service without files makes one."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (_, one), (_, other) = made(tmp_path / "a", "config"), made(tmp_path / "b", "config")
    assert one == other
    assert made(tmp_path)[1] is None


@pytest.mark.parametrize(("path", "said"), [("conf", "has no file or directory conf"), ("link", "symbolic link")])
def test_what_is_not_there_is_said_while_building(tmp_path: Path, path: str, said: str) -> None:
    """Not on the host in the middle of a rollout."""
    with pytest.raises(LadingError, match=said) as refused:
        made(tmp_path, path)
    assert refused.value.code == "build-failed"
    assert "services.s0.files" in str(refused.value)
