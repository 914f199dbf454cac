"""Routes of releases and blobs: build from a source, or take over what another agent built."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from lading.agent.answers import BlobProgress, BuildLine, MissingBlobs, Releases
from lading.agent.api.streams import WorkResponse, with_body
from lading.agent.api.wire import answer, body, says
from lading.agent.service import AgentService
from lading.engine.acts.preflight import RESERVE, UNPACKED
from lading.model import typed
from lading.model.errors import LadingError
from lading.model.manifest import Manifest
from lading.model.release import Release

CHUNK = 1 << 16  # bytes of a blob sent at a time
LONGEST_MANIFEST = 1 << 20  # bytes of the first line of a source


class BlobsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Blobs by digest, with their sizes in bytes; ``sending`` says that those that are missing come next."""

    blobs: dict[str, int]
    sending: bool = True


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["releases"])

    @router.get("/releases", **says(Releases))
    def list_releases(project: str | None = None) -> Response:
        """List releases, newest first."""
        return answer(Releases(releases=service.releases.list(project)))

    @router.get("/releases/{project}/{version}", **says(Release))
    def get_release(project: str, version: str) -> Response:
        """Give a release's record."""
        return answer(service.releases.get(project, version))

    @router.post("/releases/{project}/{version}", **says(BuildLine, lines=True))
    async def build_release(project: str, version: str, request: Request, commit: str = "") -> Response:
        """Build a release from a source: the body is the manifest as one line of JSON, then the source as a tar.

        The answer is a stream of JSON lines: ``{"event": …}`` as the build goes on, last ``{"release": …}`` or
        ``{"error": …}``.
        """
        source, manifest = await with_body(request, lambda chunks: _spool(service.spool, project, version, chunks))
        return _built(service, source, manifest, version, commit)

    @router.put("/releases/{project}/{version}", **says(Release, takes=Release))
    async def take_release(project: str, version: str, request: Request) -> Response:
        """Take over the record of a release that another agent built; its blobs must have been put before."""
        release = await body(request, Release)
        return answer(await with_body(request, lambda _: service.releases.take_over(project, version, release)))

    _blobs(router, service)
    return router


def _blobs(router: APIRouter, service: AgentService) -> None:
    @router.post("/blobs/missing", **says(MissingBlobs, takes=BlobsAsked))
    async def missing_blobs(request: Request) -> Response:
        """Say which blobs are not here, and from which byte on; refuse when the disk has no room for them."""
        asked = await body(request, BlobsAsked)
        return answer(await run_in_threadpool(_missing, service, asked))

    @router.head("/blobs/{digest}", responses={404: {"description": "Not here"}})
    def has_blob(digest: str) -> Response:
        """Tell whether a blob is here: 200 or 404."""
        return Response(status_code=200 if service.store.has(digest) else 404)

    @router.get("/blobs/{digest}", response_class=Response)
    def get_blob(digest: str, offset: Annotated[int, Query(ge=0)] = 0) -> Response:
        """Give the bytes of a blob, from ``offset`` on."""
        try:
            file = service.store.open(digest)
        except KeyError as error:
            raise LadingError(
                "unknown-release", doing="reading a blob", happened=f"{digest} is not here", hint="lading release"
            ) from error
        file.seek(offset)
        return StreamingResponse(_read(file), media_type="application/octet-stream")

    @router.put("/blobs/{digest}", **says(None, status=201))
    async def put_blob(digest: str, request: Request) -> Response:
        """Store a blob; it appears whole and verified against its digest, or not at all."""
        await with_body(request, lambda chunks: service.store.put(digest, chunks))
        return Response(status_code=201)

    @router.patch("/blobs/{digest}", **says(BlobProgress))
    async def add_to_blob(
        digest: str, request: Request, offset: Annotated[int, Query(ge=0)], size: Annotated[int, Query(ge=0)]
    ) -> Response:
        """Add bytes to a blob of ``size`` bytes, from ``offset`` on; what came before a cut is kept.

        ``Content-Encoding: zstd`` says that they are compressed.
        """
        encoding = request.headers.get("content-encoding", "")
        here = await with_body(
            request, lambda chunks: service.store.add(digest, offset, _plain(chunks, encoding), size)
        )
        return answer(BlobProgress(here=here, whole=here == size))


def _missing(service: AgentService, asked: BlobsAsked) -> MissingBlobs:
    store = service.store
    missing = {digest: store.arrived(digest) for digest in asked.blobs if not store.has(digest)}
    free = store.free_bytes()
    # They come compressed, and are laid out beside it.
    needed = RESERVE + sum((1 + UNPACKED) * asked.blobs[digest] - here for digest, here in missing.items())
    if missing and asked.sending and needed > free:
        raise LadingError(
            "no-space",
            doing=f"receiving {len(missing)} of {len(asked.blobs)} layers",
            happened=f"{free / 1e6:,.0f} MB are free where releases are stored, {needed / 1e6:,.0f} MB are needed",
            now="nothing was sent; what serves goes on serving",
            hint="free some disk space on that machine, then the same command again",
        )
    return MissingBlobs(missing=missing, free=free)


def _plain(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        return chunks
    if encoding == "zstd":
        return _unsqueezed(chunks)
    raise LadingError(
        "usage",
        doing="receiving a blob",
        happened=f"its encoding is {encoding!r}, and this agent reads zstd",
        now="nothing of it was kept",
        hint="the interface is described by GET /openapi.json",
    )


def _unsqueezed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    reading = zstandard.ZstdDecompressor().decompressobj()
    for chunk in chunks:
        try:
            yield reading.decompress(chunk)
        except zstandard.ZstdError as error:
            raise LadingError(
                "artifact-corrupt",
                doing="receiving a blob",
                happened=f"what was sent is not zstd: {error}",
                now="what had come before it is kept",
                hint="the same command again goes on from there",
            ) from error


def _spool(directory: Path, project: str, version: str, chunks: Iterator[bytes]) -> tuple[Path, Manifest]:
    """Write the tar of a source to a file and return it with the manifest that came before it."""
    head, rest = _first_line(chunks)
    manifest = _manifest(head, project, version)
    return _written(directory, rest, chunks), manifest


def spooled(directory: Path, chunks: Iterator[bytes]) -> tuple[bytes, Path]:
    """Return the first line of a body, and a file with the rest of it."""
    head, rest = _first_line(chunks)
    return head, _written(directory, rest, chunks)


def _manifest(head: bytes, project: str, version: str) -> Manifest:
    try:
        manifest = typed.decode(head, Manifest)
    except msgspec.MsgspecError as error:
        raise _bad_source(version, f"its manifest cannot be read: {error}") from error
    if manifest.project.name != project:
        raise _bad_source(version, f"its manifest is of {manifest.project.name}, not {project}")
    return manifest


def _written(directory: Path, rest: bytes, chunks: Iterator[bytes]) -> Path:
    with tempfile.NamedTemporaryFile(dir=directory, prefix="source-", suffix=".tar", delete=False) as file:
        try:
            file.write(rest)
            for chunk in chunks:
                file.write(chunk)
        except BaseException:
            # Whatever broke the upload off, its file must not stay behind.
            Path(file.name).unlink()
            raise
    return Path(file.name)


def _first_line(chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        line, newline, rest = head.partition(b"\n")
        if newline:
            return line, rest
        if len(head) > LONGEST_MANIFEST:
            break
    return head, b""


def _bad_source(version: str, reason: str) -> LadingError:
    return LadingError(
        "usage",
        doing=f"receiving the source of {version}",
        happened=reason,
        now="nothing was built",
        hint="lading check",
    )


def _built(service: AgentService, source: Path, manifest: Manifest, version: str, commit: str) -> Response:
    def build(tell: Any) -> BuildLine:
        def report(text: str, line: str | None = None) -> None:
            waits = {"kind": "progress", "text": text, "data": {"line": line}}
            tell({"event": {"kind": "build", "text": text} if line is None else waits})

        try:
            release = service.releases.build(source, manifest, version, commit, report)
        finally:
            source.unlink(missing_ok=True)
        return BuildLine(release=release)

    return WorkResponse(build)


def _read(file: Any) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
