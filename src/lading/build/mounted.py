"""Plain files beside the programs of a release: what services have mounted of the commit, what is served of images."""

from collections.abc import Sequence
from pathlib import Path

from lading.build.entries import Tree
from lading.build.errors import build_failed
from lading.build.image import Served
from lading.build.pack import chunks_of, pack
from lading.build.report import Report
from lading.model.manifest import Manifest
from lading.model.release import FILES, Artifact, Layer, Platform, artifact_digest
from lading.ports.store import Store


def mounted(
    manifest: Manifest, tree: Tree, store: Store, work: Path, report: Report, static: Sequence[Layer] = ()
) -> Artifact | None:
    """Store what the services' ``files`` name, nothing else of the source; None when there are no files at all.

    ``static`` are the layers that are served of images. Raise ``build-failed`` for a path that the commit lacks or
    that is a link.
    """
    wanted = {path: name for name, service in manifest.services.items() for path in service.files}
    layers = [*static]
    if wanted:
        chosen = {
            name: entry for path, service in wanted.items() for name, entry in _chosen(tree, path, service).items()
        }
        blob = work / "files.blob"
        layer = pack("files", chosen, blob)
        store.put(layer.digest, chunks_of(blob))
        report(f"files        {len(chosen)} mounted, {layer.size / 1e3:.1f} kB")
        layers.append(layer)
    if not layers:
        return None
    # Where they were built does not matter, so it must not change the digest.
    platform = Platform(system="linux", machine="any")
    digest = artifact_digest("files", platform, layers)
    return Artifact(name=FILES, kind="files", digest=digest, platform=platform, layers=tuple(layers))


def _chosen(tree: Tree, path: str, service: str) -> Tree:
    found = {name: entry for name, entry in tree.items() if name == path or name.startswith(f"{path}/")}
    if path in found and found[path].target is not None:
        raise build_failed(
            "collecting mounted files",
            f"{path}, which services.{service}.files names, is a symbolic link",
            hint=f"name what it leads to: {found[path].target}",
        )
    if not found:
        raise build_failed(
            "collecting mounted files",
            f"the commit has no file or directory {path}, which services.{service}.files names",
            hint=f"git add {path} && git commit, or correct services.{service}.files",
        )
    return found


def served_of(manifest: Manifest, build: str) -> Served:
    """Return which directories of an image are served, and whether that is all that is wanted of it."""
    users = [(name, service) for name, service in manifest.services.items() if service.build == build]
    directories = {name: service.static for name, service in users if service.static is not None}
    others = [*(job.build for job in manifest.jobs.values()), *(one.build for one in manifest.databases.values())]
    runs = len(directories) < len(users) or build in others
    return Served(directories, alone=bool(directories) and not runs)


def require_static(manifest: Manifest, build: str, context: Tree) -> None:
    """Raise ``build-failed`` where a directory that is served of a bundle's source is not there."""
    for name, service in manifest.services.items():
        if service.build != build or service.static is None:
            continue
        if not any(path.startswith(f"{service.static.rstrip('/')}/") for path in context):
            raise build_failed(
                f"building {build}",
                f"the commit has no directory {service.static}, which services.{name}.static serves",
                hint="commit it, or build it in an image: a Dockerfile, and static = the directory in it",
            )
