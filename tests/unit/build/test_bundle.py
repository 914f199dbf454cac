"""Source → release, with real uv and a wheel made on the spot: nothing from outside."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from lading.build import environment, uvtool
from lading.build.bundle import ABANDONED
from lading.build.host import platform_here
from lading.model.errors import LadingError
from lading.model.manifest import Build
from lading.model.release import Release
from tests.support import until
from tests.unit.build.archives import Yard, wheel

SOURCE = {"shop/__init__.py": "", "shop/main.py": "VERSION = 1\n", "run.sh": "#!/bin/sh\n"}
Files = dict[str, str | bytes]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    requirement = wheel(tmp_path / "wheels")
    for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return {**SOURCE, "requirements.txt": requirement + "\n"}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    (tmp_path / "yard").mkdir()
    return Yard(tmp_path / "yard")


def refusal(yard: Yard, files: Files, code: str, **options: object) -> LadingError:
    with pytest.raises(LadingError) as refused:
        yard.build(files, **options)  # type: ignore[arg-type]
    assert refused.value.code == code
    return refused.value


def diff_ids(release: Release) -> dict[str, str]:
    return {layer.role: layer.diff_id for layer in release.artifacts[0].layers}


def stored_json(yard: Yard, digest: str) -> Any:
    with yard.store.open(digest) as blob:
        return json.load(blob)


def test_two_builds_anywhere_and_anytime_are_one(tmp_path: Path, files: Files) -> None:
    """Another directory, umask, time, archive order, commit version: the same release digest, bit for bit."""
    first = Yard(_made(tmp_path / "one")).build(files)
    before = os.umask(0o077)
    try:
        yard = Yard(_made(tmp_path / "a much longer name" / "two"))
        second = yard.build(dict(reversed(files.items())), mtime=1_600_000_000, version="v2.0.0")
    finally:
        os.umask(before)
    assert second.digest == first.digest
    assert second.artifacts == first.artifacts


def _made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_what_only_images_have_is_refused_of_a_bundle(yard: Yard, files: Files) -> None:
    """Options that mean nothing to a bundle are named."""
    assert "build.app.target" in str(
        refusal(yard, files, "not-supported", build=Build(bundle="requirements.txt", target="x"))
    )


def test_a_release_says_what_it_is(yard: Yard, files: Files) -> None:
    """Names, notes and platform are recorded; the manifest is frozen without environments."""
    release = yard.build(files)
    assert (release.project, release.version, release.commit) == ("shop", "v1.0.0", "0123abc")
    (artifact,) = release.artifacts
    assert (artifact.name, artifact.kind, artifact.platform) == ("app", "bundle", platform_here())
    assert [layer.role for layer in artifact.layers] == ["environment", "source"]
    assert release.manifest.environments == {}
    yard.store.verify(release)


def test_a_source_change_builds_no_environment(yard: Yard, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same lock only the source layer is made; uv is not even started."""
    first = yard.build(files)
    monkeypatch.setattr(uvtool, "_run", lambda *_: pytest.fail("uv was started"))
    second = yard.build({**files, "shop/main.py": "VERSION = 2\n"})
    assert second.digest != first.digest
    assert diff_ids(second)["environment"] == diff_ids(first)["environment"]
    assert diff_ids(second)["source"] != diff_ids(first)["source"]
    assert any("unchanged" in line for line in yard.reported)


def test_a_build_says_what_uv_is_doing(yard: Yard, files: Files) -> None:
    """While packages are installed, the last line that uv wrote is told."""
    yard.build(files)
    assert ("installing 1 packages", "+ greet==1.0") in [(text, line) for text, line in yard.overheard]


def test_a_build_that_nobody_waits_for_ends_its_uv(tmp_path: Path) -> None:
    """Who listens may end the run by raising; its whole session is killed."""
    command = ["/bin/sh", "-c", "echo $$ >&2; sleep 60"]
    heard: list[int] = []

    def leave(line: str) -> None:
        if line.strip():
            heard.append(int(line))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        uvtool._run(command, tmp_path, {}, leave)
    until(lambda: not Path(f"/proc/{heard[0]}").exists() or "Z" in Path(f"/proc/{heard[0]}/stat").read_text())


def test_a_build_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit a run of uv is killed, however much it talks."""
    monkeypatch.setattr(uvtool, "BUILD_LIMIT", 0.2)
    with pytest.raises(LadingError, match="it took longer than"):
        uvtool._run(["/bin/sh", "-c", "while true; do echo busy >&2; done"], tmp_path, {})


def test_a_pruned_environment_is_built_again(yard: Yard, files: Files) -> None:
    """The cache only counts while the store still has the layer."""
    first = yard.build(files)
    yard.store.prune(())
    again = yard.build(files)
    assert again.digest == first.digest
    yard.store.verify(again)


def test_a_damaged_cache_entry_is_made_anew(yard: Yard, files: Files) -> None:
    """A half-written note of the cache is no error."""
    first = yard.build(files)
    for note in (yard.home / "cache" / "environments").glob("*.json"):
        note.write_text("{")
    assert yard.build(files).digest == first.digest


def test_another_lock_platform_or_uv_is_another_environment(
    yard: Yard, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is known by lock, platform and uv version."""
    yard.build(files)
    newer = wheel(tmp_path / "wheels", version="2.0")
    assert diff_ids(yard.build({**files, "requirements.txt": newer})) != diff_ids(yard.build(files))
    yard.reported.clear()
    monkeypatch.setattr(environment, "uv_version", lambda: "99.0")
    yard.build(files)
    assert "built in" in yard.reported[0]


def test_a_laid_out_release_runs_wherever_it_lies(tmp_path: Path, files: Files) -> None:
    """Console scripts and Python work from the layer's directory, in two stores, compiled and unchanged afterwards."""
    for name in ("here", "over there"):
        yard = Yard(_made(tmp_path / name))
        release = yard.build(files)
        trees = {layer.role: Path(yard.store.lay_out(layer)) for layer in release.artifacts[0].layers}
        script = trees["environment"] / "bin" / "greet"
        assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "hello from greet 1.0\n"
        shown = "import greet, shop.main; print(shop.main.VERSION, greet.__cached__, shop.main.__cached__, sep=chr(10))"
        output = subprocess.run(
            [trees["environment"] / "bin" / "python", "-c", shown],
            cwd=trees["source"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert output[0] == "1"
        assert all(Path(path).is_file() for path in output[1:])
        yard.store.verify(release)


def test_the_layer_holds_no_path_of_the_build(yard: Yard, files: Files) -> None:
    """Nothing in the environment says where it was built, nor which interpreter the builder had."""
    release = yard.build(files)
    tree = Path(yard.store.lay_out(release.artifacts[0].layer("environment")))
    for path in tree.rglob("*"):
        if path.is_file() and path.name != "pyvenv.cfg" and not path.is_symlink():
            assert str(yard.home).encode() not in path.read_bytes(), path


def test_compiled_files_of_the_commit_are_not_trusted(yard: Yard, files: Files) -> None:
    """A __pycache__ in the commit is replaced by what the sources say."""
    clean = yard.build(files)
    assert diff_ids(yard.build({**files, "shop/__pycache__/main.cpython-311.pyc": b"evil"})) == diff_ids(clean)


def test_the_context_is_what_is_packed(yard: Yard, files: Files) -> None:
    """A build takes the part of the commit that its context names, lock included."""
    nested: Files = {f"backend/{name}": content for name, content in files.items()} | {"docs/readme": "x"}
    release = yard.build(nested, build=Build(bundle="requirements.txt", context="./backend/"))
    tree = Path(yard.store.lay_out(release.artifacts[0].layer("source")))
    assert {path.name for path in tree.iterdir()} == {"shop", "run.sh", "requirements.txt"}
    assert "context" in str(refusal(yard, files, "build-failed", build=Build(bundle="r.txt", context="nowhere")))


def test_the_image_layout_describes_the_bundle(yard: Yard, files: Files) -> None:
    """The index names project and version; manifest, configuration and bill of materials are stored with it."""
    release = yard.build(files)
    yard.build(files)
    (entry,) = json.loads((yard.store.root / "index.json").read_text())["manifests"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "shop/app:v1.0.0"
    assert entry["annotations"]["dev.lading.project"] == "shop"
    manifest = stored_json(yard, entry["digest"])
    layers = release.artifacts[0].layers
    assert [layer["digest"] for layer in manifest["layers"]] == [layer.digest for layer in layers]
    config = stored_json(yard, manifest["config"]["digest"])
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in layers]
    bill = stored_json(yard, manifest["annotations"]["dev.lading.sbom"])
    assert bill["bomFormat"] == "CycloneDX"
    (component,) = bill["components"]
    assert component["purl"] == "pkg:pypi/greet@1.0"
    assert component["hashes"][0]["alg"] == "SHA-256"
    yard.store.prune({name for layer in layers for name in (layer.digest, layer.diff_id)})
    assert yard.store.has(manifest["annotations"]["dev.lading.sbom"])


def test_an_unpinned_file_is_refused_before_anything_is_built(yard: Yard, files: Files) -> None:
    """Every offending line is listed, and the command that pins."""
    error = refusal(yard, {**files, "requirements.txt": "greet\nflask>=3\n"}, "unpinned")
    assert error.details[0].startswith("requirements.txt:1  greet")
    assert error.details[1].startswith("requirements.txt:2  flask>=3")
    assert "uv pip compile --generate-hashes" in error.hint


@pytest.mark.parametrize(("bundle", "command"), [("requirements.txt", "uv pip compile"), ("uv.lock", "uv lock")])
def test_a_missing_lock_is_named_with_its_command(yard: Yard, bundle: str, command: str) -> None:
    """The error says which file the commit lacks and how to make it."""
    error = refusal(yard, {"a.py": ""}, "build-failed", build=Build(bundle=bundle))
    assert bundle in str(error)
    assert command in error.hint


def test_a_lock_needs_its_project_beside_it(yard: Yard) -> None:
    """A uv.lock without pyproject.toml cannot be checked."""
    error = refusal(yard, {"uv.lock": "version = 1\n"}, "build-failed", build=Build(bundle="uv.lock"))
    assert "pyproject.toml" in str(error)


def test_a_uv_lock_of_local_files_is_refused(yard: Yard, files: Files, tmp_path: Path) -> None:
    """What a lock takes from a directory of this machine cannot be built elsewhere or later."""
    project = '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.11"\ndependencies = ["greet"]\n'
    _made(tmp_path / "project").joinpath("pyproject.toml").write_text(project)
    subprocess.run([uvtool.uv_binary(), "lock", "-q"], cwd=tmp_path / "project", check=True, timeout=30)
    locked: Files = {**SOURCE, "pyproject.toml": project, "uv.lock": (tmp_path / "project" / "uv.lock").read_text()}
    error = refusal(yard, locked, "unpinned", build=Build(bundle="uv.lock"))
    assert error.details == ("greet==1.0  has no --hash",)


def test_an_outdated_uv_lock_is_refused(yard: Yard, files: Files, tmp_path: Path) -> None:
    """A pyproject.toml that changed after the lock was made is found, and the command named."""
    project = '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
    _made(tmp_path / "project").joinpath("pyproject.toml").write_text(project)
    subprocess.run([uvtool.uv_binary(), "lock", "-q"], cwd=tmp_path / "project", check=True, timeout=30)
    locked: Files = {**SOURCE, "pyproject.toml": project, "uv.lock": (tmp_path / "project" / "uv.lock").read_text()}
    release = yard.build(locked, build=Build(bundle="uv.lock"))
    yard.store.verify(release)
    newer = {**locked, "pyproject.toml": project.replace("1.0", "1.1")}
    error = refusal(yard, newer, "unpinned", build=Build(bundle="uv.lock"))
    assert "does not match pyproject.toml" in str(error)
    assert error.hint.startswith("uv lock")


def test_a_file_of_other_bytes_is_not_installed(yard: Yard, files: Files, tmp_path: Path) -> None:
    """A package whose hash differs fails the build, with uv's last lines and no secret in them."""
    requirement = str(files["requirements.txt"]).strip()
    wrong = requirement[:-4] + ("0000" if not requirement.endswith("0000") else "1111")
    error = refusal(
        yard, {**files, "requirements.txt": wrong}, "build-failed", secrets=("hash mismatch", "Hash mismatch")
    )
    assert any("greet" in line for line in error.details)
    assert "mismatch" not in str(error).lower()
    assert list((yard.home / "cache" / "work").iterdir()) == []


def test_a_leak_anywhere_in_the_commit_is_refused(yard: Yard, files: Files) -> None:
    """Even outside the context: nothing that is built may come from a commit that holds a secret."""
    error = refusal(
        yard, {**files, "docs/notes.txt": "first\npassword: hunter22\n"}, "secret-in-source", secrets=("hunter22",)
    )
    assert "docs/notes.txt:2" in str(error)
    assert "hunter22" not in str(error)
    refusal(yard, {**files, ".env": "A=1\n"}, "secret-in-source")


def test_a_secret_in_a_package_is_refused(yard: Yard, files: Files) -> None:
    """What is installed is searched too, newly built or from the cache."""
    refusal(yard, files, "secret-in-source", secrets=("hello from greet",))
    yard.build(files)
    refusal(yard, files, "secret-in-source", secrets=("pkg:pypi/greet",))


def test_a_source_that_is_no_archive_is_refused(yard: Yard, files: Files) -> None:
    """Links that leave the commit and names that leave it are no source."""
    assert "../evil" in str(refusal(yard, {**files, "../evil": "x"}, "source-invalid"))


def test_what_does_not_compile_is_told(yard: Yard, files: Files) -> None:
    """A broken file is packed as it is, and named."""
    yard.build({**files, "shop/broken.py": "def ("})
    assert any("shop/broken.py does not compile" in line for line in yard.reported)


def test_what_a_crashed_build_left_is_removed(yard: Yard, files: Files) -> None:
    """Old working directories go with the next build, young ones belong to another build."""
    work = yard.home / "cache" / "work"
    for name in ("old", "young"):
        (work / name / "part").mkdir(parents=True)
    os.utime(work / "old", (time.time() - ABANDONED - 60,) * 2)
    yard.build(files)
    assert [path.name for path in work.iterdir()] == ["young"]
