"""Routes of registries: push a release's images to theirs, pull blobs from one."""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from lading.agent.answers import Crossed, CrossingLine
from lading.agent.api.streams import WorkResponse
from lading.agent.api.wire import body, says
from lading.agent.registries import Report
from lading.agent.service import AgentService


class PullAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Blobs by digest, with their sizes in bytes, and the repository that has them."""

    repository: str
    blobs: dict[str, int]


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["releases"])

    @router.post("/releases/{project}/{version}/push", **says(CrossingLine, lines=True))
    def push_release(project: str, version: str) -> Response:
        """Push a release's images to the registries that its builds name; a stream of JSON lines, ``crossed`` last."""
        release = service.releases.get(project, version)
        return _crossing(lambda report: service.registries.push(release, report))

    @router.post("/blobs/pull", **says(CrossingLine, lines=True, takes=PullAsked))
    async def pull_blobs(request: Request) -> Response:
        """Pull blobs that are not here from a registry; a stream of JSON lines, ``crossed`` last."""
        asked = await body(request, PullAsked)
        return _crossing(lambda report: service.registries.pull(asked.repository, asked.blobs, report))

    return router


def _crossing(work: Callable[[Report], None]) -> Response:
    """Tell of every blob that crosses, and of all of them at the end."""

    def cross(tell: Any) -> CrossingLine:
        sizes: list[int] = []

        def report(digest: str, size: int) -> None:
            sizes.append(size)
            tell(CrossingLine(blob=digest, size=size))

        work(report)
        return CrossingLine(crossed=Crossed(blobs=len(sizes), size=sum(sizes)))

    return WorkResponse(cross)
