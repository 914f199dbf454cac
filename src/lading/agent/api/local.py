"""Routes of local environments only: take them down, and work on the project with what backs them."""

from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from lading.agent.answers import BackingGiven, BringLine, Brought, TakenDown
from lading.agent.api.releases import spooled
from lading.agent.api.streams import WorkResponse, with_body
from lading.agent.api.wire import answer, body, says, who
from lading.agent.asking import BackingAsked, BringRequest
from lading.agent.service import AgentService
from lading.model import typed
from lading.model.errors import LadingError


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["local"])

    @router.post("/environments/{project}/{environment}/down", **says(TakenDown))
    def take_down(project: str, environment: str, request: Request) -> Response:
        """Stop all that runs of a local environment and its routes; its data stays. What is down stays down."""
        return answer(service.downs.take(project, environment, who(request)))

    @router.post("/environments/{project}/{environment}/backing", **says(BackingGiven, takes=BackingAsked))
    async def provide_backing(project: str, environment: str, request: Request) -> Response:
        """See that a local environment's databases and volumes are there, and say where, for work on the project."""
        asked = await body(request, BackingAsked)
        return answer(await run_in_threadpool(service.backing.provide, project, environment, asked))

    @router.post("/environments/{project}/{environment}/backing/rollouts", **says(BringLine, lines=True))
    async def bring_backing(project: str, environment: str, request: Request) -> Response:
        """Bring up what backs a local environment: the body is what is asked as one line of JSON, then a tar.

        The tar has the files that services have mounted. The answer is a stream of JSON lines: ``{"event": …}`` while
        images are fetched, last ``{"brought": …}`` with the rollout to follow, or ``{"error": …}``.
        """
        head, source = await with_body(request, lambda chunks: spooled(service.spool, chunks))
        return _bring(service, (project, environment), head, source, who(request))

    return router


def _bring(service: AgentService, place: tuple[str, str], head: bytes, source: Path, asker: str) -> Response:
    def bring(tell: Any) -> BringLine:
        def report(text: str, line: str | None = None) -> None:
            waits = {"kind": "progress", "text": text, "data": {"line": line}}
            tell({"event": {"kind": "backing", "text": text} if line is None else waits})

        try:
            opened = service.bringing.bring(_asked(place, head, asker), source, report)
        finally:
            source.unlink(missing_ok=True)
        return BringLine(brought=Brought(number=opened.id if opened is not None else None))

    return WorkResponse(bring)


def _asked(place: tuple[str, str], head: bytes, asker: str) -> BringRequest:
    try:
        asked = typed.decode(head, BringRequest)
    except msgspec.MsgspecError as error:
        raise LadingError(
            "usage",
            doing=f"receiving what backs {place[1]}",
            happened=f"what is asked for cannot be read: {error}",
            now="nothing was changed",
            hint="the interface is described by GET /openapi.json",
        ) from error
    project, environment = place
    return msgspec.structs.replace(asked, project=project, environment=environment, requested_by=asker)
