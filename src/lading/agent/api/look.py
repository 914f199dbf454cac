"""Routes about the agent itself and what it sees: environments, logs, the audit; and the one that halts it all."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Response

from lading.agent.answers import About, Audits, Denied, EnvironmentDetail, Environments, Examined, Halted, Logs
from lading.agent.api.wire import answer, says
from lading.agent.detail import detail
from lading.agent.service import AgentService


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["look"])

    @router.get("/agent", **says(About))
    def agent() -> Response:
        """Say who the agent is: version, interface, process, home, key and isolation."""
        return answer(service.about())

    @router.get("/doctor", **says(Examined))
    def doctor() -> Response:
        """Look for what is wrong with the agent and its host; every finding comes with its remedy."""
        return answer(Examined(about=service.about(), now=time.time(), findings=service.doctor()))

    @router.post("/agent/halt", **says(Halted))
    def halt() -> Response:
        """Stop every instance and the router: nothing answers any more until an agent is started here again."""
        return answer(Halted(stopped=service.halt()))

    @router.get("/environments", **says(Environments))
    def environments(project: str | None = None) -> Response:
        """Say what every environment (of one project, if given) serves, with its instances as they are now."""
        return answer(Environments(environments=service.status.environments(project)))

    @router.get("/environments/{project}/{environment}", **says(EnvironmentDetail))
    def environment(project: str, environment: str) -> Response:
        """Say all that may be told of one environment: what it serves and with what, what it demands, what it holds."""
        return answer(detail(service, project, environment))

    @router.get("/logs/{project}/{environment}", **says(Logs))
    def logs(
        project: str,
        environment: str,
        service_name: Annotated[str | None, Query(alias="service")] = None,
        rollout: int | None = None,
        lines: Annotated[int, Query(ge=1)] = 100,
    ) -> Response:
        """Give the last lines that instances wrote, secrets masked: of what serves, or of what a rollout started."""
        found = service.logs.read(project, environment, service=service_name, rollout=rollout, lines=lines)
        return answer(Logs(logs=found))

    @router.get("/logs/{project}/{environment}/egress", **says(Denied))
    def denied(project: str, environment: str, lines: Annotated[int, Query(ge=1)] = 100) -> Response:
        """Give the last attempts of an environment's programs to reach what is in no egress, secrets masked."""
        return answer(Denied(denied=service.logs.denied(project, environment, lines)))

    @router.get("/audit", **says(Audits))
    def audit(limit: int = 100, environment: str = "") -> Response:
        """List acts of people that changed what the agent believes or allows, newest first.

        ``environment`` (``shop/stage``) leaves those of other environments out.
        """
        return answer(Audits(audit=tuple(service.journal.audits(limit, environment))))

    return router
