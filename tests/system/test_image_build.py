"""Real builds of images: from the commit alone, into the store, told apart by what they are."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from lading.build import image as module
from lading.docker import Engine
from lading.model.errors import LadingError
from lading.model.manifest import Build, Service
from lading.model.release import FILES, Release
from tests.containers import engine_shared, with_engine
from tests.unit.build.archives import Yard

pytestmark = pytest.mark.system

DOCKERFILE = "FROM python:3.11-slim\nWORKDIR /srv\nCOPY . .\nUSER 10001\nENV LEVEL=info\nHEALTHCHECK CMD false\n"
SOURCE: dict[str, str | bytes] = {"Dockerfile": DOCKERFILE, "app.py": "print('hello')\n"}


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One store for all: a base image is compressed once."""
    with engine_shared():
        yield Yard(tmp_path_factory.mktemp("yard"))
    engine = Engine()
    for found in engine.get("/images/json"):
        if any(tag.startswith("lading-build/shop:") for tag in found["RepoTags"] or ()):
            engine.delete(f"/images/{found['Id']}", force=True)


def build(yard: Yard, files: dict[str, str | bytes], **changes: object) -> Release:
    secrets = changes.pop("secrets", ())
    made = Build(**{"dockerfile": "Dockerfile", **changes})  # type: ignore[arg-type]
    return yard.build(files, build=made, secrets=secrets)  # type: ignore[arg-type]


def names(yard: Yard, release: Release) -> set[str]:
    """Return the names in the uppermost layer."""
    layer = release.artifacts[0].layers[-1]
    with (
        yard.store.open(layer.digest) as blob,
        zstandard.ZstdDecompressor().stream_reader(blob) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        return {member.name for member in tar if member.isreg()}


@with_engine
def test_the_same_source_gives_the_same_release(yard: Yard) -> None:
    """The digest says what the image is, not when it was built: its configuration and layers."""
    first = build(yard, SOURCE)
    assert build(yard, SOURCE).digest == first.digest
    assert build(yard, {**SOURCE, "app.py": "print('hello again')\n"}).digest != first.digest
    assert build(yard, {**SOURCE, "Dockerfile": DOCKERFILE.replace("info", "debug")}).digest != first.digest
    (artifact,) = first.artifacts
    with yard.store.open(artifact.layer("config").digest) as blob:
        config = json.load(blob)
    assert config["config"]["User"] == "10001"
    assert "created" not in config
    assert "Healthcheck" not in config["config"]
    yard.store.verify(first)


@with_engine
def test_what_is_not_committed_is_not_in_it_and_a_foreign_dockerfile_neither(yard: Yard) -> None:
    """A Dockerfile from outside the context builds it without becoming part of it."""
    release = build(
        yard, {"deploy/Dockerfile": DOCKERFILE, "src/app.py": "1\n"}, dockerfile="deploy/Dockerfile", context="src"
    )
    assert names(yard, release) == {"srv/app.py"}


@with_engine
def test_arguments_and_target_choose_what_is_built(yard: Yard) -> None:
    """As docker build has them."""
    text = "FROM python:3.11-slim AS one\nARG WORD\nRUN echo $WORD > /word\nFROM one AS two\nRUN touch /two\n"
    release = build(yard, {"Dockerfile": text}, args={"WORD": "slim"}, target="one")
    assert names(yard, release) == {"word"}


@with_engine
@pytest.mark.parametrize(
    ("line", "place"),
    [
        # Put together by the build, so that the source itself gives nothing away.
        ("RUN echo open-sesame-$((3+4)) > /srv/notes", "/srv/notes:1  the value of a known secret"),
        ("RUN mkdir /x && echo A=1 > /x/.env", "/x/.env  an environment file"),
        ("ENV A=open-sesame\nENV TOKEN=$A-7", "the image's configuration"),
    ],
)
def test_a_secret_in_a_layer_is_refused(yard: Yard, line: str, place: str) -> None:
    """What an instruction brings in is found, and its value stays unsaid."""
    with pytest.raises(LadingError) as refused:
        build(yard, {"Dockerfile": f"FROM python:3.11-slim\nWORKDIR /srv\n{line}\n"}, secrets=("open-sesame-7",))
    assert refused.value.code == "secret-in-source"
    assert place in str(refused.value)
    assert "open-sesame-7" not in str(refused.value)


@with_engine
def test_what_only_buildkit_can_do_is_refused_with_its_lines(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built, all of it at once."""
    monkeypatch.setattr(module, "has_buildkit", lambda: False)
    text = "FROM python:3.11-slim\nRUN --mount=type=cache,target=/c true\nCOPY --link a /a\n"
    with pytest.raises(LadingError) as refused:
        build(yard, {"Dockerfile": text, "a": ""})
    assert refused.value.code == "build-failed"
    assert refused.value.details == ("Dockerfile:2  RUN --mount", "Dockerfile:3  COPY --link")


@with_engine
def test_a_failing_instruction_shows_the_builder_s_last_lines(yard: Yard) -> None:
    """What the builder said stands in the error, without known secrets."""
    with pytest.raises(LadingError) as refused:
        build(yard, {"Dockerfile": "FROM python:3.11-slim\nRUN echo the reason && false\n"})
    assert refused.value.code == "build-failed"
    assert any("the reason" in line for line in refused.value.details)


@with_engine
def test_a_base_image_that_cannot_be_had_is_named(yard: Yard) -> None:
    """The image, and how to bring it, instead of a resolver's complaint."""
    with pytest.raises(LadingError) as refused:
        build(yard, {"Dockerfile": "FROM registry.invalid/nobody/nothing:1\n"})
    assert refused.value.code == "build-failed"
    assert "docker pull registry.invalid/nobody/nothing:1" in refused.value.hint


@with_engine
def test_a_missing_dockerfile_is_said(yard: Yard) -> None:
    """What is not committed cannot be built from."""
    with pytest.raises(LadingError) as refused:
        build(yard, {"app.py": ""})
    assert "the commit has no file Dockerfile" in refused.value.happened


@with_engine
def test_of_an_image_that_is_only_served_from_only_that_is_kept(yard: Yard) -> None:
    """A front end's builder may be large: where nothing runs from it, its files alone become part of the release."""
    front = "FROM python:3.11-slim\nWORKDIR /app\nRUN mkdir dist && echo page > dist/index.html\n"
    ui = Service(build="app", static="dist")
    release = yard.build({"Dockerfile": front}, build=Build(dockerfile="Dockerfile"), services={"ui": ui})
    (artifact,) = release.artifacts
    assert (artifact.name, artifact.kind, [layer.role for layer in artifact.layers]) == (FILES, "files", ["static-ui"])
    laid = Path(yard.store.lay_out(artifact.layers[0]))
    assert [path.name for path in laid.iterdir()] == ["index.html"]
    program = Service(build="app", command="serve", port=8000, path="/api")
    both = yard.build({"Dockerfile": front}, build=Build(dockerfile="Dockerfile"), services={"ui": ui, "api": program})
    assert [artifact.kind for artifact in both.artifacts] == ["image", "files"]
    assert both.artifacts[1] == artifact


@with_engine
def test_a_directory_that_the_image_lacks_is_said(yard: Yard) -> None:
    """While building, with the path that was looked for."""
    with pytest.raises(LadingError, match="has nothing at /srv/build") as refused:
        yard.build(SOURCE, build=Build(dockerfile="Dockerfile"), services={"ui": Service(build="app", static="build")})
    assert refused.value.code == "build-failed"
