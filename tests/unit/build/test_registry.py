"""Images to a registry and from it: by digest, only what is lacking, with the logins that docker keeps."""

import base64
import hashlib
import json
import os
import re
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from lading.build.logins import docker_login
from lading.build.registry import HUB, Login, Registry
from lading.build.shipping import pull_blobs, push_release
from lading.model.errors import LadingError
from lading.model.manifest import Build, Manifest, Project
from lading.model.release import Artifact, Layer, Platform, Release
from lading.model.secret import Secret
from lading.ports.store.memory import MemoryStore
from tests.registries import registry

LOGIN = Login("ann", Secret("s3cret-of-ann"))


def nobody(_host: str) -> None:
    return None


def ann(_host: str) -> Login:
    return LOGIN


def layer(store: MemoryStore, role: str, data: bytes) -> Layer:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    store.put(digest, iter([data]))
    return Layer(role=role, diff_id=digest, digest=digest, size=len(data), media_type=f"application/{role}")


def release(store: MemoryStore, repository: str | None, *contents: bytes) -> Release:
    layers = [layer(store, f"layer-{number}", data) for number, data in enumerate(contents, start=1)]
    whole = (layer(store, "config", b'{"os": "linux"}'), *layers)
    platform = Platform(system="linux", machine="x86_64")
    artifact = Artifact(name="app", kind="image", digest="sha256:a", platform=platform, layers=whole)
    manifest = Manifest(
        project=Project(name="shop"), build={"app": Build(dockerfile="Dockerfile", registry=repository)}
    )
    return Release(project="shop", version="v1.0.0+b1", digest="sha256:r", artifacts=(artifact,), manifest=manifest)


def sizes(of: Release) -> dict[str, int]:
    return {layer.digest: layer.size for layer in of.artifacts[0].layers}


@pytest.mark.parametrize(("login", "tokens"), [("", False), ("ann:s3cret-of-ann", False), ("ann:s3cret-of-ann", True)])
def test_what_is_pushed_is_pulled_by_digest(login: str, tokens: bool) -> None:
    """Nothing, a password or a token is asked for; a second push and a second pull move nothing."""
    ours, theirs, crossed = MemoryStore(), MemoryStore(), list[int]()
    with registry(login, tokens=tokens) as there:
        repository = f"{there.host}/team/shop"
        made = release(ours, repository, b"base" * 1000, b"source")
        for _ in range(2):
            push_release(made, ours, ann, lambda _digest, size: crossed.append(size))
        assert sorted(crossed) == sorted(sizes(made).values())
        manifest = json.loads(there.manifests["app-v1.0.0-b1"])
        assert [one["digest"] for one in (manifest["config"], *manifest["layers"])] == list(sizes(made))
        assert len(there.manifests) == 2  # by digest and by name
        crossed.clear()
        for _ in range(2):
            pull_blobs(repository, sizes(made), theirs, ann, lambda _digest, size: crossed.append(size))
    assert sorted(crossed) == sorted(sizes(made).values())
    assert all(theirs.has(digest) for digest in sizes(made))


def test_a_build_without_a_registry_is_pushed_nowhere() -> None:
    """It is sent to the host instead."""
    store = MemoryStore()
    push_release(release(store, None, b"base"), store, nobody, lambda *_: pytest.fail("it was pushed"))


def test_other_bytes_than_the_digest_says_are_not_kept() -> None:
    """A registry is not believed."""
    ours, theirs = MemoryStore(), MemoryStore()
    with registry() as there:
        made = release(ours, f"{there.host}/shop", b"base")
        push_release(made, ours, nobody, lambda *_: None)
        there.spoilt = True
        with pytest.raises(LadingError) as refused:
            pull_blobs(f"{there.host}/shop", sizes(made), theirs, nobody, lambda *_: None)
    assert refused.value.code == "artifact-corrupt"
    assert not any(theirs.has(digest) for digest in sizes(made))


@pytest.mark.parametrize(("login", "tokens"), [("ann:other", False), ("ann:other", True)])
def test_who_may_not_come_in_is_told_how(login: str, tokens: bool) -> None:
    """With a wrong login and without one; the password is not repeated."""
    with registry(login, tokens=tokens) as there:
        for logins in (ann, nobody):
            with pytest.raises(LadingError) as refused:
                Registry(f"{there.host}/shop", logins).has("sha256:0")
            assert refused.value.code == "registry-failed"
            assert f"docker login {there.host}" in refused.value.hint
            assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(("realm", "local"), [("http://{}/token", False), ("file:///etc/hostname", True)])
def test_a_login_goes_nowhere_but_by_https(realm: str, local: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a registry has its tokens fetched is for it to say, but nobody on the way may read the password."""
    with registry("ann:s3cret-of-ann", tokens=True) as there:
        there.realm = realm.format(there.host)
        asking = Registry(f"{there.host}/shop", ann)
        if not local:
            monkeypatch.setattr("lading.build.registry.LOCAL", re.compile("localhost"))
        with pytest.raises(LadingError, match=f"elsewhere than by https, to {there.realm}") as refused:
            asking.has("sha256:0")
    assert "no login was sent" in refused.value.hint
    assert "GET /token" not in there.asked


def test_what_is_not_there_or_does_not_answer_is_told() -> None:
    """Two errors of one code, each with what to do."""
    with registry() as there:
        host = there.host
        with pytest.raises(LadingError, match="does not have it"):
            list(Registry(f"{host}/shop", nobody).pull("sha256:0"))
    with pytest.raises(LadingError) as silent:
        Registry(f"{host}/shop", nobody).push("sha256:0", 1, BytesIO(b"x"))
    assert silent.value.code == "registry-failed"
    assert "refused" in silent.value.happened


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def test_logins_are_those_of_docker(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its configuration, or from a helper that it names; a broken file is no login."""
    assert docker_login("registry.example.org") is None
    auth = base64.b64encode(b"ann:pass:word").decode()
    settings.write_text(json.dumps({"auths": {"registry.example.org": {"auth": auth}, "empty.example.org": {}}}))
    found = docker_login("registry.example.org")
    assert found is not None
    assert (found.user, found.password.reveal()) == ("ann", "pass:word")
    assert "pass:word" not in repr(found)
    assert docker_login("empty.example.org") is None
    helper = tmp_path / "docker-credential-safe"
    helper.write_text('#!/bin/sh\nread host\nprintf \'{"Username": "bob", "Secret": "for %s"}\' "$host"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings.write_text(json.dumps({"credsStore": "safe", "auths": {"registry.example.org": {}}}))
    helped = docker_login(HUB)
    assert helped is not None
    assert (helped.user, helped.password.reveal()) == ("bob", "for https://index.docker.io/v1/")
    for text in ("{", "[]", '{"auths": 1}', '{"auths": {"registry.example.org": {"auth": "?"}}}'):
        settings.write_text(text)
        assert docker_login("registry.example.org") is None


def test_where_an_image_is_pushed_does_not_change_what_was_built() -> None:
    """A build that names no registry keeps the digest it had before the key was there."""
    assert "registry" not in msgspec.json.encode(Build(dockerfile="Dockerfile")).decode()
