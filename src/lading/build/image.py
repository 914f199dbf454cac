"""Dockerfile → artifact: built from the commit alone, then taken into the store layer by layer."""

import hashlib
import os
import posixpath
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lading.build.builders import TIME, Order, has_buildkit, remove_older, with_buildkit, with_classic
from lading.build.entries import Tree, below, write_tree
from lading.build.errors import build_failed
from lading.build.exported import Exported, KnownLayers, export
from lading.build.leaks import find_layer_leaks, find_leaks, refuse_leaks
from lading.build.names import clean_name
from lading.build.pack import chunks_of, pack
from lading.build.picked import pick
from lading.build.report import Report
from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model import dockerfile
from lading.model.canonical import canonical_json
from lading.model.errors import LadingError
from lading.model.manifest import Build
from lading.model.release import Artifact, Layer, Platform, artifact_digest
from lading.model.secret import Secret
from lading.ports.store import Store

CONFIG = "application/vnd.oci.image.config.v1+json"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l"}
# What of an image's configuration says how it runs; the rest says when, where and by which commands it was built.
KEPT = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels", "StopSignal", "Volumes")
OWN = "dev.lading.project"


class Site(NamedTuple):
    """Where and for whom an image is built: the project, its store and cache, and the engine that builds.

    ``build_secret`` gives the value of a secret that a build names, None where there is none.
    """

    project: str
    store: Store
    cache: Path
    work: Path
    engine: Engine
    known: Collection[Secret]
    build_secret: Callable[[str], Secret | None]
    report: Report


class Served(NamedTuple):
    """What is served of an image: a directory of it by service; ``alone``: nothing runs from the image itself."""

    directories: Mapping[str, str] = {}
    alone: bool = False


class Imaged(NamedTuple):
    """What became of a build: the image, where something runs from it, and a layer for each directory served of it."""

    artifact: Artifact | None
    static: tuple[Layer, ...]


def image(name: str, build: Build, tree: Tree, site: Site, served: Served) -> Imaged:
    """Build one image from the tree of a commit and put its layers and configuration into the store.

    Of an image that nothing runs from, only the directories that are served go into the store.

    Errors: ``no-engine``, ``build-failed``, ``secret-in-source``, ``secret-missing``, ``no-space``.
    """
    site.engine.get("/info")
    order = _order(name, build, tree, site)
    text = order.dockerfile.read_text(errors="replace")
    built = _built(order, text, site)
    exported = export(site.engine, built, site.work)
    # First: the layers' files are gone once they are in the store.
    static = tuple(_static(order, exported, service, path, site) for service, path in served.directories.items())
    if served.alone:
        return Imaged(None, static)
    _refuse_leaks(order, exported, site)
    return Imaged(artifact_of(name, exported, site), static)


def _static(order: Order, exported: Exported, service: str, path: str, site: Site) -> Layer:
    """Take a directory out of an image and put it into the store as a layer of its own."""
    within = (exported.config.get("config") or {}).get("WorkingDir") or "/"
    directory = posixpath.join(within, path)
    tree = pick([layer for _, layer in exported.layers], directory)
    if not tree:
        raise build_failed(
            f"collecting the files that {service} serves",
            f"the image {order.name} has nothing at {directory}",
            hint=f"correct services.{service}.static: a path of the image, or one below its WORKDIR ({within})",
        )
    refuse_leaks(
        f"checking the files that {service} serves",
        find_leaks(tree, order.hidden),
        hint="a front end must hold no secret: whoever visits it can read it",
    )
    blob = site.work / f"static-{service}.blob"
    layer = pack(f"static-{service}", tree, blob)
    site.store.put(layer.digest, chunks_of(blob))
    site.report(f"{service:12} {len(tree)} files to serve, {layer.size / 1e3:.1f} kB")
    return layer


def _order(name: str, build: Build, tree: Tree, site: Site) -> Order:
    context = below(tree, build.context)
    path = clean_name(build.dockerfile or "")
    if path not in tree:
        raise build_failed(
            f"building {name}",
            f"the commit has no file {build.dockerfile}",
            hint=f"git add {build.dockerfile} && git commit, or correct build.{name}.dockerfile",
        )
    place = site.work / "context"
    write_tree(context, place)
    for directory, _, files in os.walk(place, topdown=False):
        for entry in (*(os.path.join(directory, file) for file in files), directory):
            os.utime(entry, (TIME, TIME), follow_symlinks=False)
    prefix = clean_name(build.context)
    inside = path.removeprefix(f"{prefix}/") if prefix else path
    if inside in context and (not prefix or path.startswith(f"{prefix}/")):
        file = place / inside
    else:
        file = site.work / "Dockerfile"
        file.write_bytes(tree[path].read())
    return Order(
        name=name,
        build=build,
        context=place,
        dockerfile=file,
        tag=f"lading-build/{site.project}:{name}",
        labels={OWN: site.project},
        secrets=_build_secrets(name, build, site),
        known=site.known,
    )


def _build_secrets(name: str, build: Build, site: Site) -> Mapping[str, Secret]:
    found = {secret: site.build_secret(secret) for secret in build.secrets}
    missing = [secret for secret, value in found.items() if value is None]
    if missing:
        raise LadingError(
            "secret-missing",
            doing=f"building {name}",
            happened=f"the build wants secrets that the environment local lacks: {', '.join(missing)}",
            now="nothing was built",
            hint=f"lading secrets set local {missing[0]}",
        )
    return {secret: value for secret, value in found.items() if value is not None}


def _built(order: Order, text: str, site: Site) -> str:
    """Build the image and return its id."""
    before = _id_of(order.tag, site.engine)
    buildkit = has_buildkit()
    if not buildkit:
        _refuse_only_buildkit(order, text)
    try:
        (with_buildkit if buildkit else with_classic)(order, site.engine, site.report)
    except LadingError as error:
        raise _with_reason(error, text) from error
    after = _id_of(order.tag, site.engine)
    remove_older(site.engine, before, after)
    return after


def _id_of(tag: str, engine: Engine) -> str:
    try:
        return str(engine.get(f"/images/{segment(tag)}/json")["Id"])
    except EngineRefused as error:
        if error.status == 404:
            return ""
        raise


def _refuse_only_buildkit(order: Order, text: str) -> None:
    wanted = [f"{order.build.dockerfile}:{line}" for line in dockerfile.only_buildkit(text)]
    wanted += [f"build.{order.name}.secrets" for _ in order.secrets][:1]
    if wanted:
        raise build_failed(
            f"building {order.name}",
            "it needs BuildKit, and only the classic builder is here",
            hint="install its plugin (docker-buildx of Debian 13 and Ubuntu, docker-buildx-plugin of Docker's own "
            "packages) so that docker buildx version answers for the agent's user, or do without",
            details=tuple(wanted),
        )


def _with_reason(error: LadingError, text: str) -> LadingError:
    """Return a build's error with its likely reason where an image could not be fetched."""
    said = "\n".join([error.happened, *error.details])
    frontend = dockerfile.frontend(text)
    hint = ""
    if frontend and frontend.split("@")[0] in said and "resolve" in said:
        hint = (
            f"its first line asks for {frontend}, which was to be fetched from a registry: remove the line "
            "# syntax=…, or let the engine reach the registry"
        )
    missing = next((base for base in dockerfile.base_images(text) if base in said and _is_fetch(said)), "")
    if missing and not hint:
        hint = (
            f"{missing} is not in the engine and could not be fetched: docker pull {missing}, or docker load it; "
            "without a registry, see docs/containers.md"
        )
    if not hint:
        return error
    return LadingError(
        error.code, doing=error.doing, happened=error.happened, now=error.now, hint=hint, details=error.details
    )


def _is_fetch(said: str) -> bool:
    signs = ("pull access denied", "resolve", "lookup", "registry", "manifest", "not found", "dial tcp", "no such host")
    return any(sign in said for sign in signs)


def _refuse_leaks(order: Order, exported: Exported, site: Site) -> None:
    own = exported.layers[_base_layers([diff_id for diff_id, _ in exported.layers], site.engine) :]
    hidden = order.hidden
    leaks = find_layer_leaks([path for _, path in own], canonical_json(exported.config), hidden)
    refuse_leaks(
        f"checking the image {order.name}",
        leaks,
        hint="see which instruction of the Dockerfile brings them in; what a build needs to know it gets by "
        f'secrets = ["NAME"] in [build.{order.name}] and RUN --mount=type=secret, which leaves nothing behind',
    )


def _base_layers(diff_ids: list[str], engine: Engine) -> int:
    """Return how many of an image's lowest layers are those of an image that somebody else named."""
    most = 0
    for listed in engine.get("/images/json"):
        if all(tag.startswith(("lading-", "<none>")) for tag in listed["RepoTags"] or ()):
            continue
        try:
            known = engine.get(f"/images/{segment(listed['Id'])}/json")["RootFS"].get("Layers") or []
        except EngineRefused:  # removed meanwhile
            continue
        if len(known) < len(diff_ids) and diff_ids[: len(known)] == known:
            most = max(most, len(known))
    return most


def artifact_of(name: str, exported: Exported, site: Site) -> Artifact:
    """Put an image's layers and configuration into the store and return what it is."""
    known = KnownLayers(site.cache / "image-layers")
    layers, fresh = [], 0
    for number, (diff_id, path) in enumerate(exported.layers, start=1):
        layer, is_new = known.put(site.store, f"layer-{number:03}", diff_id, path)
        layers.append(layer)
        fresh += layer.size if is_new else 0
        path.unlink(missing_ok=True)
    config = _put_config(exported.config, site.store)
    platform = Platform(
        system=exported.config["os"],
        machine=MACHINES.get(exported.config["architecture"], exported.config["architecture"]),
    )
    total = sum(layer.size for layer in layers)
    site.report(f"{name:12} {len(layers)} layers, {total / 1e6:.1f} MB, of them new {fresh / 1e6:.1f} MB")
    whole = (config, *layers)
    return Artifact(
        name=name, kind="image", digest=artifact_digest("image", platform, whole), platform=platform, layers=whole
    )


def _put_config(config: dict[str, Any], store: Store) -> Layer:
    """Store an image's configuration without what differs from build to build."""
    runs = config.get("config") or {}
    plain = {
        "architecture": config["architecture"],
        "os": config["os"],
        "config": {key: runs[key] for key in KEPT if runs.get(key)},
        "rootfs": {"type": "layers", "diff_ids": config["rootfs"]["diff_ids"]},
    }
    if config.get("variant"):
        plain["variant"] = config["variant"]
    content = canonical_json(plain)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    store.put(digest, iter([content]))
    return Layer(role="config", diff_id=digest, digest=digest, size=len(content), media_type=CONFIG)
