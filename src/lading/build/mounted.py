"""Files of the commit that services have mounted → one artifact of plain files, which travels with the release."""

from pathlib import Path

from lading.build.entries import Tree
from lading.build.errors import build_failed
from lading.build.pack import chunks_of, pack
from lading.build.report import Report
from lading.model.manifest import Manifest
from lading.model.release import FILES, Artifact, Platform, artifact_digest
from lading.ports.store import Store


def mounted(manifest: Manifest, tree: Tree, store: Store, work: Path, report: Report) -> Artifact | None:
    """Store what the services' ``files`` name, nothing else of the source; None when no service names any.

    Raise ``build-failed`` for a path that the commit lacks or that is a link.
    """
    wanted = {path: name for name, service in manifest.services.items() for path in service.files}
    if not wanted:
        return None
    chosen = {name: entry for path, service in wanted.items() for name, entry in _chosen(tree, path, service).items()}
    blob = work / "files.blob"
    layer = pack("files", chosen, blob)
    store.put(layer.digest, chunks_of(blob))
    report(f"files        {len(chosen)} mounted, {layer.size / 1e3:.1f} kB")
    # Where they were built does not matter, so it must not change the digest.
    platform = Platform(system="linux", machine="any")
    digest = artifact_digest("files", platform, [layer])
    return Artifact(name=FILES, kind="files", digest=digest, platform=platform, layers=(layer,))


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
