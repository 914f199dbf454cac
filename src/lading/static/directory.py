"""The files of a directory by the path they are asked by: what is not among them cannot be asked for."""

import hashlib
import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path

INDEX = "index.html"
WELL_KNOWN = ".well-known"  # the only name with a leading dot that is meant for visitors

_TYPES = mimetypes.MimeTypes(filenames=())
for _ending, _kind in {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".map": "application/json",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}.items():
    _TYPES.add_type(_kind, _ending)

_TEXTS = ("text/", "application/json", "application/javascript", "application/xml", "application/manifest+json")
_COMPRESSIBLE = (*_TEXTS, "image/svg+xml", "application/wasm", "font/ttf", "font/otf")


class File:
    """One file: where it lies, how large it is, what it is; its digest is made when it is first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stat = path.stat()
        self.type = _TYPES.guess_type(path.name, strict=False)[0] or "application/octet-stream"
        self._digest = ""

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return self.stat.st_size

    @property
    def content_type(self) -> str:
        """Return its type, with the encoding of what is text."""
        return f"{self.type}; charset=utf-8" if self.type.startswith("text/") else self.type

    @property
    def is_compressible(self) -> bool:
        """Whether it gets smaller by compression."""
        return self.type.startswith(_COMPRESSIBLE)

    def digest(self) -> str:
        """Return a digest of its content: the same for the same content, whatever release it came with."""
        if not self._digest:
            with self.path.open("rb") as file:
                self._digest = hashlib.file_digest(file, "sha256").hexdigest()[:24]
        return self._digest


class Directory:
    """All files below a directory; ``None`` stands for what is not there."""

    def __init__(self, top: Path) -> None:
        self._files = dict(_files(top))

    def __len__(self) -> int:
        return len(self._files)

    def get(self, name: str) -> File | None:
        """Return the file of a name such as ``assets/app.js``."""
        return self._files.get(name)

    def asked(self, path: str) -> tuple[str, File] | None:
        """Return the file that a request's path means, with its name: of a directory, its index."""
        name = path.lstrip("/")
        if not name or name.endswith("/"):
            name += INDEX
        found = self._files.get(name)
        return (name, found) if found is not None else None

    def is_folder(self, path: str) -> bool:
        """Tell whether a path lacks but its last slash to mean a directory with an index."""
        return f"{path.lstrip('/')}/{INDEX}" in self._files


def _files(top: Path) -> Iterator[tuple[str, File]]:
    real_top = top.resolve()
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".") or name == WELL_KNOWN]
        for name in names:
            path = Path(folder, name)
            # A link may lead to another file of the directory, never out of it.
            if not name.startswith(".") and path.resolve().is_relative_to(real_top) and path.is_file():
                # As the directory was given: who stands in it need not come through those above.
                yield path.relative_to(top).as_posix(), File(path)
