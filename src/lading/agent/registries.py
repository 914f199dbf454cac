"""Releases to registries and from them, for the interface."""

from collections.abc import Callable, Mapping

from lading.build.logins import docker_login
from lading.build.registry import Logins
from lading.build.shipping import pull_blobs, push_release
from lading.model.release import Release
from lading.ports.store import Store

# Hears of every blob that has crossed: its digest and its bytes.
Report = Callable[[str, int], None]


class Registries:
    """Pushes what is built here and pulls what others built, with the logins of the agent's own user."""

    def __init__(self, store: Store, logins: Logins = docker_login) -> None:
        self._store = store
        self._logins = logins

    def push(self, release: Release, report: Report) -> None:
        """Push a release's images whose builds name a registry; raise ``registry-failed``."""
        push_release(release, self._store, self._logins, report)

    def pull(self, repository: str, blobs: Mapping[str, int], report: Report) -> None:
        """Pull blobs by digest; raise ``registry-failed``, ``artifact-corrupt``, ``no-space``."""
        pull_blobs(repository, blobs, self._store, self._logins, report)
