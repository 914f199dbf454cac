"""Releases at this agent: built here from a source, or taken over from another agent."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from lading.agent.answers import ReleaseView
from lading.agent.received import check_manifest, check_record
from lading.build.report import Report
from lading.model.errors import LadingError
from lading.model.manifest import Manifest
from lading.model.release import Release
from lading.ports.journal import Journal
from lading.ports.store import Store

# Builds a release from (the tar of a source, manifest, version, commit, report) and puts its blobs into the store.
# Errors are ``LadingError``: ``unpinned``, ``secret-in-source``, ``build-failed``, ``no-space``, …
Builder = Callable[[Path, Manifest, str, str, Report], Release]


class ReleaseShelf:
    """The releases this agent knows."""

    def __init__(self, journal: Journal, store: Store, build: Builder) -> None:
        self._journal = journal
        self._store = store
        self._build = build
        # One build at a time: two would starve what the host serves.
        self._building = threading.Lock()

    def list(self, project: str | None) -> tuple[ReleaseView, ...]:
        """Return the releases (of one project, if given), newest first."""
        return tuple(_view(release) for release in self._journal.releases(project))

    def get(self, project: str, version: str) -> Release:
        """Return a release; raise ``unknown-release`` naming the newest ones."""
        release = self._journal.release(project, version)
        if release is None:
            raise _unknown(project, version, self._journal.releases(project))
        return release

    def build(self, source: Path, manifest: Manifest, version: str, commit: str, report: Report) -> Release:
        """Build a release, record it and return it. The same version with another digest is ``version-taken``."""
        return self._journal.add_release(self.take(source, manifest, version, commit, report))

    def take(self, source: Path, manifest: Manifest, version: str, commit: str, report: Report) -> Release:
        """Build a release and return it without a record: for what is no release that anybody could deploy."""
        check_manifest(manifest, version)
        if not self._building.acquire(blocking=False):
            report("waiting for another build to end")
            self._building.acquire()
        try:
            return self._build(source, manifest, version, commit, report)
        finally:
            self._building.release()

    def take_over(self, project: str, version: str, release: Release) -> Release:
        """Record a release that another agent built; its blobs must be here already, its digest must be its own."""
        doing = f"taking over release {version} of {project}"
        if (release.project, release.version) != (project, version):
            raise LadingError("usage", doing=doing, happened=f"the record is about {release.project} {release.version}")
        check_manifest(release.manifest, version)
        check_record(release)
        layers = [layer for artifact in release.artifacts for layer in artifact.layers]
        missing = [layer.digest for layer in layers if not self._store.has(layer.digest)]
        if missing:
            raise LadingError(
                "artifact-corrupt",
                doing=doing,
                happened=f"{len(missing)} of its {len(layers)} layers are not here, the first is {missing[0]}",
                now="nothing was recorded",
                hint="the same command again sends what is missing",
            )
        return self._journal.add_release(release)


def kind_of(release: Release) -> str:
    """Return what a release is made of: ``bundle``, ``image``, both, or files alone."""
    return "+".join(release.kinds) or "files"


def _view(release: Release) -> ReleaseView:
    return ReleaseView(
        project=release.project,
        version=release.version,
        digest=release.digest,
        kind=kind_of(release),
        commit=release.commit,
        created=release.created,
    )


def _unknown(project: str, version: str, known: Sequence[Release]) -> LadingError:
    names = ", ".join(release.version for release in known[:5])
    return LadingError(
        "unknown-release",
        doing=f"looking for release {version} of {project}",
        happened=f"this agent has none of that version; it has: {names or 'none'}",
        now="nothing was changed",
        hint=f"lading release {version}",
    )
