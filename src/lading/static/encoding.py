"""Which form of a file a visitor gets: one that was compressed before, one that is compressed now, or its own."""

import gzip
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from lading.static.directory import Directory, File

BEFOREHAND = (("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz"))  # what builders leave beside a file, best first
SMALLEST = 1 << 10  # bytes; less is not worth it
LARGEST = 4 << 20  # bytes; more would take too long while somebody waits
KEPT = 16 << 20  # bytes of compressed files that are kept in memory
LEVEL = 6


def accepted(header: str) -> frozenset[str]:
    """Return the encodings that an Accept-Encoding header takes, of those that are known here."""
    found = {}
    for part in header.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        found[name.strip()] = not _is_zero(parameters)
    known = [name for name, _ in BEFOREHAND]
    return frozenset(name for name in known if found.get(name, found.get("*", False)))


def _is_zero(parameters: str) -> bool:
    name, _, value = parameters.replace(" ", "").partition("=")
    return name == "q" and value.rstrip("0") in ("0.", "", "0") and value[:1] == "0"


def beforehand(directory: Directory, name: str, takes: frozenset[str]) -> tuple[str, File] | None:
    """Return the best form that lies compressed beside a file, with its encoding."""
    for encoding, ending in BEFOREHAND:
        found = directory.get(name + ending) if encoding in takes else None
        if found is not None:
            return encoding, found
    return None


def has_beforehand(directory: Directory, name: str) -> bool:
    """Tell whether any compressed form lies beside a file."""
    return any(directory.get(name + ending) is not None for _, ending in BEFOREHAND)


def is_worth_it(file: File) -> bool:
    """Tell whether a file is compressed when it is asked for."""
    return file.is_compressible and SMALLEST <= file.size <= LARGEST


class Compressed:
    """Files compressed here, the latest of them kept."""

    def __init__(self, kept: int = KEPT) -> None:
        self._limit = kept
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str, file: File) -> bytes:
        """Return a file compressed with gzip."""
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
        content = gzip.compress(file.path.read_bytes(), LEVEL, mtime=0)
        with self._lock:
            self._known[name] = content
            while sum(map(len, self._known.values())) > self._limit:
                self._known.popitem(last=False)
        return content

    def names(self) -> Sequence[str]:
        """Return whose compressed forms are kept, the one asked for longest ago first."""
        return tuple(self._known)
