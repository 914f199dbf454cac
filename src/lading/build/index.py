"""The files that make a directory an OCI image layout: ``oci-layout`` and ``index.json``."""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from lading.build.disk import write_whole

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
REFERENCE = "org.opencontainers.image.ref.name"

Descriptor = dict[str, Any]


class Index:
    """The list of manifests of an OCI layout, changed by one writer at a time, in this process or another."""

    def __init__(self, root: Path) -> None:
        self._path = root / "index.json"
        self._guard = root / ".index.lock"
        self._lock = Lock()
        layout = root / "oci-layout"
        if not layout.exists():
            write_whole(layout, b'{"imageLayoutVersion":"1.0.0"}')
        with self._alone():
            if not self._path.exists():
                self._write([])

    def entries(self) -> list[Descriptor]:
        """Return the descriptors of all manifests."""
        manifests = json.loads(self._path.read_bytes()).get("manifests", [])
        return list(manifests)

    def add(self, digest: str, size: int, annotations: Mapping[str, str]) -> None:
        """Enter a manifest under its reference name; entering it again changes nothing but its annotations.

        Another manifest under the same name stands beside it: which of them is the release, the journal knows.
        """
        entry = {"mediaType": MANIFEST, "digest": digest, "size": size, "annotations": dict(annotations)}
        reference = annotations.get(REFERENCE)
        with self._alone():
            same = (digest, reference)
            others = [old for old in self.entries() if (old["digest"], old["annotations"].get(REFERENCE)) != same]
            self._write([*others, entry])

    def keep(self, wanted: Callable[[Descriptor], bool]) -> list[Descriptor]:
        """Drop the entries that are not wanted and return those that stay."""
        with self._alone():
            before = self.entries()
            after = [entry for entry in before if wanted(entry)]
            if len(after) != len(before):
                self._write(after)
            return after

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock, self._guard.open("ab") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield

    def _write(self, manifests: list[Descriptor]) -> None:
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        write_whole(self._path, json.dumps(content, indent=1, sort_keys=True).encode())
