"""Source → release: one artifact a build, a bundle of two layers (the environment, the source) or an image."""

import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.build.compiling import CompileCache
from lading.build.disk import room_for
from lading.build.entries import Tree, below, read_archive
from lading.build.environment import environment
from lading.build.errors import build_failed
from lading.build.heads import find_heads
from lading.build.host import platform_here
from lading.build.image import Site, image
from lading.build.leaks import find_leaks, refuse_leaks
from lading.build.lock import Place, read_lock
from lading.build.mounted import mounted, require_static, served_of
from lading.build.names import UnsafeArchive
from lading.build.oci import describe
from lading.build.pack import chunks_of, pack
from lading.build.report import Report
from lading.build.taken import taken
from lading.docker import Engine
from lading.model.errors import LadingError
from lading.model.manifest import Build, Manifest
from lading.model.release import Artifact, Layer, Release, artifact_digest, release_digest
from lading.model.secret import Secret
from lading.ports.store import Store

# What a crashed build left behind is removed by a later one; none takes this long.
ABANDONED = 86400.0  # seconds
MOST_REPORTED = 5


def build_release(
    *,
    source: Path,
    manifest: Manifest,
    version: str,
    commit: str,
    created: float,
    store: Store,
    cache: Path,
    secrets: Collection[Secret],
    report: Report,
    engine: Engine | None = None,
    build_secret: Callable[[str], Secret | None] = lambda _name: None,
) -> Release:
    """Build every artifact of a manifest from the archive ``source``, a clean export of one commit.

    The same source, lock and platform give the same digest of a bundle. ``engine`` builds images (None: where the
    default socket leads), ``build_secret`` gives the secrets that a build of one names. ``created`` is in seconds since
    the epoch, ``secrets`` are all known values (none may be in the artifact), ``report`` takes a line for people now
    and then.

    Errors: ``source-invalid``, ``secret-in-source``, ``secret-missing``, ``migration-heads``, ``unpinned``,
    ``build-failed``, ``no-engine``, ``not-supported``, ``no-space``.
    """
    for name, build in manifest.build.items():
        _refuse_unsupported(name, build)
    with room_for(f"building {version}"), _work_below(cache.absolute()) as work, _opened(source) as tree:
        place = Place(cache.absolute(), work, secrets)
        refuse_leaks(f"checking the source of {version}", find_leaks(tree, secrets))
        migrated = find_heads(manifest, tree)
        names = {"project": manifest.project.name, "version": version, "commit": commit}
        site = Site(
            project=names["project"],
            store=store,
            cache=place.cache,
            work=work,
            engine=engine or Engine(),
            known=secrets,
            build_secret=build_secret,
            report=report,
        )
        artifacts: list[Artifact] = []
        static: list[Layer] = []
        for name, build in sorted(manifest.build.items()):
            (work / name).mkdir()
            if build.kind == "image":
                artifact, layers = image(name, build, tree, site._replace(work=work / name), served_of(manifest, name))
                static += layers
                sbom = None
            else:
                own = place._replace(work=work / name)
                artifact, sbom = _bundle(name, build, tree, _Workshop(store, own, report, manifest))
            if artifact is not None:
                describe(store, artifact, sbom, names, created)
                artifacts.append(artifact)
        for name, service in sorted(manifest.services.items()):
            if service.image is not None:
                (work / f"{name}.image").mkdir()
                backing = taken(name, service.image, site._replace(work=work / f"{name}.image"))
                describe(store, backing, None, names, created)
                artifacts.append(backing)
        if (files := mounted(manifest, tree, store, work, report, static)) is not None:
            describe(store, files, None, names, created)
            artifacts.append(files)
    return Release(
        project=manifest.project.name,
        version=version,
        digest=release_digest(tuple(artifacts), manifest, migrated.heads),
        artifacts=tuple(artifacts),
        manifest=manifest.frozen(),
        migration_heads=migrated.heads,
        migrations=migrated.migrations,
        commit=commit,
        created=created,
    )


class _Workshop:
    """What every part of one build needs."""

    def __init__(self, store: Store, place: Place, report: Report, manifest: Manifest) -> None:
        self.store = store
        self.place = place
        self.report = report
        self.manifest = manifest
        self.project = manifest.project.name


def _refuse_unsupported(name: str, build: Build) -> None:
    doing = f"building {name}"
    if build.kind == "image":
        return
    for key in ("target", "args", "secrets", "network"):
        if getattr(build, key):
            raise LadingError(
                "not-supported",
                doing=doing,
                happened=f"build.{name}.{key} means something for images only, and this build is a bundle",
                now="no release was made",
                hint=f"remove {key} from [build.{name}]",
            )


@contextmanager
def _work_below(cache: Path) -> Iterator[Path]:
    places = cache / "work"
    places.mkdir(parents=True, exist_ok=True)
    for left in places.iterdir():
        if left.stat().st_mtime < time.time() - ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=places) as work:
        yield Path(work)


@contextmanager
def _opened(source: Path) -> Iterator[Tree]:
    try:
        with read_archive(source) as tree:
            yield tree
    except (UnsafeArchive, tarfile.TarError, FileNotFoundError) as error:
        raise LadingError(
            "source-invalid",
            doing="reading the source archive",
            happened=str(error),
            now="no release was made",
            hint="build from a clean export of the commit (git archive), without links that leave it",
        ) from error


def _bundle(name: str, build: Build, tree: Tree, workshop: _Workshop) -> tuple[Artifact, bytes]:
    context = below(tree, build.context)
    if not context:
        raise build_failed(
            f"building {name}",
            f"the commit has nothing below the context {build.context!r}",
            hint=f"set build.{name}.context to a directory of the project",
        )
    require_static(workshop.manifest, name, context)
    platform = platform_here()
    locked = read_lock(build.bundle or "", context, workshop.place)
    built = environment(locked, platform, workshop.store, workshop.place, workshop.report)
    layers = (built.layer, _source(name, context, workshop))
    return Artifact(
        name=name, kind="bundle", digest=artifact_digest("bundle", platform, layers), platform=platform, layers=layers
    ), built.sbom.encode()


def _source(name: str, context: Tree, workshop: _Workshop) -> Layer:
    tree = {path: entry for path, entry in context.items() if "__pycache__" not in path.split("/")}
    cached = CompileCache(workshop.place.cache / f"compiled-{workshop.project}-{name}.bin")
    compiled, failures = cached.compile(tree, workshop.place.work)
    for path, why in failures[:MOST_REPORTED]:
        workshop.report(f"source       {path} does not compile: {why}")
    blob = workshop.place.work / "source.blob"
    layer = pack("source", tree | compiled, blob)
    workshop.store.put(layer.digest, chunks_of(blob))
    workshop.report(f"source       {len(tree)} files, {layer.size / 1e3:.1f} kB")
    return layer
