"""Routes of rollouts: plan, request, follow, cancel."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from lading.agent.answers import EventLine, Planned, RolloutAnswer, RolloutEntries, RolloutOpened
from lading.agent.api.streams import events
from lading.agent.api.wire import NDJSON, answer, body, failure, says, who
from lading.agent.asking import RolloutRequest
from lading.agent.service import AgentService
from lading.model.errors import LadingError
from lading.model.rollout import Rollout


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["rollouts"])

    def known(number: int) -> Rollout:
        rollout = service.journal.rollout(number)
        if rollout is None:
            raise LadingError(
                "unknown-rollout",
                doing=f"looking for rollout {number}",
                happened="this agent's journal has none of that number",
                hint="lading history ENVIRONMENT",
            )
        return rollout

    @router.post("/plans", **says(Planned, takes=RolloutRequest))
    async def plan(request: Request) -> Response:
        """Say what a rollout would do now, step by step, without doing it; no steps: nothing to do."""
        made, refusal = await run_in_threadpool(service.rollouts.weigh, await body(request, RolloutRequest))
        refused = refusal.to_plain() if refusal is not None else None
        return answer(Planned(plan=made, lines=tuple(made.lines()), refused=refused))

    @router.post("/rollouts", **says(RolloutOpened, takes=RolloutRequest, status=202))
    async def request_rollout(request: Request) -> Response:
        """Ask for a rollout. Once it is accepted (202) it ends in new or old, whatever becomes of the client.

        200 with a null number: the environment already serves this. A refusal comes with the rollout's result.
        """
        asked = await body(request, RolloutRequest)
        if not asked.requested_by:
            asked = msgspec.structs.replace(asked, requested_by=who(request))
        return await run_in_threadpool(_opened, service, asked)

    @router.get("/rollouts", **says(RolloutEntries))
    def list_rollouts(
        project: str | None = None, environment: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> Response:
        """List rollouts, newest first."""
        found = service.journal.rollouts(project, environment, limit)
        return answer(RolloutEntries(rollouts=tuple(service.results.entry(rollout) for rollout in found)))

    @router.get("/rollouts/{number}", **says(RolloutAnswer))
    def get_rollout(number: int) -> Response:
        """Give a rollout's result as far as it is known."""
        return answer(service.results.answer(known(number)))

    @router.get("/rollouts/{number}/events", **says(EventLine, lines=True))
    def follow_events(number: int, after: int = 0, follow: bool = False) -> Response:
        """Stream a rollout's events after a sequence number, as JSON lines ``{"event": …}``.

        With ``follow`` the stream goes on until the rollout has ended; its last line is ``{"rollout": …}``. Empty lines
        in between say that the agent is alive. A stream that ends without a result was cut off: ask again.
        """
        known(number)
        stream = events(service.journal, service.changes, service.results, number, after, follow=follow)
        return StreamingResponse(stream, media_type=NDJSON)

    @router.post("/rollouts/{number}/cancel", **says(RolloutAnswer))
    def cancel(number: int, request: Request) -> Response:
        """Ask a running rollout to turn back; one that has ended is left as it is."""
        service.rollouts.cancel(number, who(request))
        return answer(service.results.answer(known(number)))

    return router


def _opened(service: AgentService, asked: RolloutRequest) -> Response:
    try:
        service.bills.follow_introductions(asked.bill)
        rollout = service.rollouts.request(asked)
    except LadingError as error:
        return failure(error, service.results.refused(asked))
    if rollout is None:
        return answer(RolloutOpened(number=None, kind=asked.kind, rollout=service.results.nothing_to_do(asked)))
    return answer(RolloutOpened(number=rollout.id, kind=rollout.kind, rollout=service.results.of(rollout)), 202)
