"""Carries a release from one agent to another: only what the other side lacks, in chunks, on after a cut."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lading.client.agent import Agent, AgentError, segment
from lading.model.errors import LadingError

CHUNK = 4 << 20  # bytes that are sent before the other side says that it has them; the most that a cut sends twice
CUT_LIMIT = 60.0  # seconds without a connection before a transfer is given up; what has arrived stays there
CUT_PAUSE = 0.5  # seconds between tries to connect again
COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b")  # how zstd and gzip begin: nothing is gained by doing it again

# Hears of every chunk: bytes that have arrived so far, of those that were missing.
Report = Callable[[int, int], None]


class Transfer(NamedTuple):
    """What a transfer moved: blobs sent of all, and the bytes of them that were not there yet."""

    sent: int
    total: int
    size: int


def release_path(project: str, version: str) -> str:
    """Return the path of a release at an agent."""
    return f"/v1/releases/{segment(project)}/{segment(version)}"


def find_release(agent: Agent, project: str, version: str) -> dict[str, Any] | None:
    """Return a release as the agent knows it, None when it does not."""
    try:
        found: dict[str, Any] = agent.get(release_path(project, version))
    except AgentError as error:
        if error.code == "unknown-release":
            return None
        raise
    return found


def is_whole(agent: Agent, release: dict[str, Any]) -> bool:
    """Tell whether the agent still has all of a release's bytes: those of old releases are pruned, their names stay."""
    return not agent.missing(_layers(release), sending=False)


def send_release(release: dict[str, Any], source: Agent, target: Agent, report: Report | None = None) -> Transfer:
    """Copy a release's missing blobs and its record from ``source`` to ``target``, which verifies both.

    A blob that a cut left there in part is sent from where it ends. When the connection breaks, go on for a minute;
    later, the same call goes on. Raise ``no-space`` before anything is sent when it would not fit.
    """
    layers = _layers(release)
    crossed = _by_registry(release, source, target, report)
    missing = target.missing(layers)
    left = {digest: layers[digest] - here for digest, here in missing.items()}
    total = sum(left.values())
    for digest, here in missing.items():

        def arrived(position: int, digest: str = digest) -> None:
            left[digest] = layers[digest] - position
            if report is not None:
                report(total - sum(left.values()), total)

        send_blob(digest, layers[digest], source, target, here, arrived)
    target.put(release_path(release["project"], release["version"]), release)
    return Transfer(len(missing) + crossed.sent, len(layers), total + crossed.size)


def _by_registry(release: dict[str, Any], source: Agent, target: Agent, report: Report | None) -> Transfer:
    """Let the source push and the target pull what builds with a registry made, as far as the target lacks it."""
    sent, arrived = 0, 0
    for repository, blobs in _repositories(release).items():
        lacking = target.missing(blobs)
        if not lacking:
            continue
        total = sum(blobs[digest] for digest in lacking)
        _crossed(source, f"{release_path(release['project'], release['version'])}/push", None, None)
        asked = {"repository": repository, "blobs": {digest: blobs[digest] for digest in lacking}}
        heard = (lambda size, total=total: report(size, total)) if report is not None else None
        done = _crossed(target, "/v1/blobs/pull", asked, heard)
        sent, arrived = sent + done["blobs"], arrived + done["size"]
    return Transfer(sent, 0, arrived)


def _repositories(release: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the blobs, with their sizes, by the repository that their build names."""
    found: dict[str, dict[str, int]] = {}
    for artifact in release["artifacts"]:
        build = release.get("manifest", {}).get("build", {}).get(artifact.get("name"), {})
        if build.get("registry"):
            blobs = {layer["digest"]: layer["size"] for layer in artifact["layers"]}
            found[build["registry"]] = {**found.get(build["registry"], {}), **blobs}
    return found


def _crossed(agent: Agent, path: str, asked: Any, heard: Callable[[int], None] | None) -> dict[str, int]:
    """Follow blobs between an agent and a registry to the end; ``heard`` gets the bytes that have crossed."""
    arrived = 0
    body = None if asked is None else json.dumps(asked).encode()
    for line in agent.stream("POST", path, body):
        if "crossed" in line:
            done: dict[str, int] = line["crossed"]
            return done
        arrived += line["size"]
        if heard is not None:
            heard(arrived)
    raise LadingError(
        "agent-unreachable",
        doing=f"following the registry's part of a transfer at {agent.address}",
        happened="the agent broke off before the end",
        now="what has crossed stays where it is",
        hint="the same command again goes on",
    )


def send_blob(digest: str, size: int, source: Agent, target: Agent, here: int, arrived: Callable[[int], None]) -> None:
    """Send a blob of which ``target`` has the first ``here`` bytes, over cuts; ``arrived`` hears how far it is."""
    _Sending(digest, size, source, target).run(here, arrived)


def _layers(release: dict[str, Any]) -> dict[str, int]:
    return {layer["digest"]: layer["size"] for artifact in release["artifacts"] for layer in artifact["layers"]}


class _Sending:
    """One blob on its way."""

    def __init__(self, digest: str, size: int, source: Agent, target: Agent) -> None:
        self._digest = digest
        self._size = size
        self._source = source
        self._target = target
        self._reached = time.monotonic()
        self._began_anew = False
        self._known = 0

    def run(self, here: int, arrived: Callable[[int], None]) -> None:
        """Send the blob from ``here`` on."""
        position: int | None = here
        while position is None or position < self._size:
            try:
                position = self._where() if position is None else position
                for reached in self._send(position):
                    position, self._reached = reached, time.monotonic()
                    arrived(position)
                if position < self._size:
                    raise self._too_short(position)
            except LadingError as error:
                self._bear(error, resumed=bool(position))
                position = None

    def _send(self, position: int) -> Iterator[int]:
        for chunk in _joined(self._source.blob(self._digest, position)):
            position = self._target.add_to_blob(self._digest, position, self._size, *_squeezed(chunk))
            yield position

    def _where(self) -> int:
        missing = self._target.missing({self._digest: self._size}, sending=False)
        here = missing.get(self._digest, self._size)
        if here > self._known:
            # A slow line is no dead one.
            self._known, self._reached = here, time.monotonic()
        return here

    def _too_short(self, position: int) -> LadingError:
        return LadingError(
            "artifact-corrupt",
            doing=f"sending {self._digest} from {self._source.address}",
            happened=f"it ends after {position} of {self._size} bytes",
            now="nothing of it is used",
            hint="build the release again, under a new version",
        )

    def _bear(self, error: LadingError, *, resumed: bool) -> None:
        """Wait a little after a cut; raise what no second try mends."""
        if error.code == "artifact-corrupt" and resumed and not self._began_anew:
            # What a crash left of it there was not what had been sent; it is gone now.
            self._began_anew = True
            return
        if error.code != "agent-unreachable" or time.monotonic() - self._reached > CUT_LIMIT:
            raise error
        time.sleep(CUT_PAUSE)


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join pieces to chunks; the last one is shorter."""
    chunk = bytearray()
    for piece in pieces:
        chunk += piece
        while len(chunk) >= CHUNK:
            yield bytes(chunk[:CHUNK])
            del chunk[:CHUNK]
    if chunk:
        yield bytes(chunk)


def _squeezed(chunk: bytes) -> tuple[bytes, str]:
    """Return a chunk as it travels, and its encoding: ``zstd`` where that makes it smaller."""
    if chunk.startswith(COMPRESSED):
        return chunk, ""
    import zstandard

    small = zstandard.ZstdCompressor().compress(chunk)
    return (small, "zstd") if len(small) < len(chunk) * 9 // 10 else (chunk, "")
