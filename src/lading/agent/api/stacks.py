"""Routes of stacks beside a project: up, down, and what runs."""

from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from lading.agent.answers import StackLine, StackStates
from lading.agent.api.releases import spooled
from lading.agent.api.streams import WorkResponse, with_body
from lading.agent.api.wire import answer, says, who
from lading.agent.service import AgentService
from lading.agent.stacks import StackAsked
from lading.model import typed
from lading.model.errors import LadingError
from lading.ports.stacks import StackState


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["stacks"])

    @router.get("/stacks/{project}/{environment}", **says(StackStates))
    def look(project: str, environment: str) -> Response:
        """List the stacks of an environment that are up or have data here."""
        return answer(StackStates(stacks=tuple(service.stacks.look(project, environment))))

    @router.put("/stacks/{project}/{environment}/{name}", **says(StackLine, lines=True))
    async def up(project: str, environment: str, name: str, request: Request) -> Response:
        """Bring a stack up: the body is what the manifest asks for as one line of JSON, then its files as a tar.

        The answer is a stream of JSON lines: ``{"event": …}`` while it comes up, last ``{"stack": …}`` or
        ``{"error": …}``.
        """
        service.stacks.require()
        head, source = await with_body(request, lambda chunks: spooled(service.spool, chunks))
        return _brought_up(service, (project, environment, name), head, source, who(request))

    @router.delete("/stacks/{project}/{environment}/{name}", **says(StackState))
    def down(project: str, environment: str, name: str, request: Request) -> Response:
        """Take a stack down; its volumes stay."""
        return answer(service.stacks.down(project, environment, name, who(request)))

    return router


def _brought_up(service: AgentService, place: tuple[str, str, str], head: bytes, source: Path, asker: str) -> Response:
    def bring(tell: Any) -> StackLine:
        try:
            asked = _asked(place, head)
            state = service.stacks.up(
                place, asked, source, asker, lambda text: tell({"event": {"kind": "stack", "text": text}})
            )
        finally:
            source.unlink(missing_ok=True)
        return StackLine(stack=state)

    return WorkResponse(bring)


def _asked(place: tuple[str, str, str], head: bytes) -> StackAsked:
    try:
        return typed.decode(head, StackAsked)
    except msgspec.MsgspecError as error:
        raise LadingError(
            "usage",
            doing=f"receiving stack {place[2]} of {place[1]}",
            happened=f"what it asks for cannot be read: {error}",
            now="nothing was changed",
            hint="the interface is described by GET /openapi.json",
        ) from error
