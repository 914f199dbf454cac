"""Routes of local environments only: take them down, and work on the project with what backs them."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from lading.agent.answers import BackingGiven, TakenDown
from lading.agent.api.wire import answer, body, says, who
from lading.agent.asking import BackingAsked
from lading.agent.service import AgentService


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

    return router
