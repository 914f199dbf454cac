"""Routes of jobs: run one, list runs, follow and stop one."""

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
import msgspec
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from lading.agent.answers import JobOutput, RunAnswer, RunViews
from lading.agent.api.streams import HEARTBEAT
from lading.agent.api.wire import NDJSON, answer, body, says, who
from lading.agent.asking import RunRequest
from lading.agent.jobs import view
from lading.agent.service import AgentService
from lading.model.errors import LadingError

LOOK_EVERY = 0.2  # seconds between two looks at what a run wrote


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["jobs"])

    @router.post("/runs", **says(RunAnswer, takes=RunRequest, status=202))
    async def run_job(request: Request) -> Response:
        """Run a job of the release that an environment serves. It ends by itself, whatever becomes of the client."""
        asked = await body(request, RunRequest)
        if not asked.requested_by:
            asked = msgspec.structs.replace(asked, requested_by=who(request))
        run = await run_in_threadpool(service.jobs.request, asked)
        return answer(RunAnswer(run=view(run)), 202)

    @router.get("/runs", **says(RunViews))
    def list_runs(
        project: str | None = None,
        environment: str | None = None,
        job: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> Response:
        """List runs of jobs, newest first."""
        found = service.journal.runs(project, environment, job, limit)
        return answer(RunViews(runs=tuple(view(run) for run in found)))

    @router.get("/runs/{number}", **says(RunAnswer))
    def get_run(number: int) -> Response:
        """Give one run as far as it is known."""
        return answer(RunAnswer(run=view(service.jobs.get(number))))

    @router.get("/runs/{number}/output", **says(JobOutput, lines=True))
    def follow_output(number: int, cursor: str = "", follow: bool = False) -> Response:
        """Stream what a run wrote after a cursor, as JSON lines ``{"lines": […], "cursor": …, "run": null}``.

        With ``follow`` the stream goes on until the run has ended. The last line holds the ended ``run``; empty lines
        in between say that the agent is alive. A stream that ends without a run was cut off: ask again.
        """
        service.jobs.get(number)
        return StreamingResponse(_output(service, number, cursor, follow=follow), media_type=NDJSON)

    @router.get("/runs/{number}/outputs/{path:path}", **says(None))
    def output_file(number: int, path: str) -> Response:
        """Give a file that a run left, as it was listed when the run ended: from the host, else from the store."""
        size, pieces = service.outputs.open(service.jobs.get(number), path)
        return StreamingResponse(pieces, media_type="application/octet-stream", headers={"Content-Length": str(size)})

    @router.post("/runs/{number}/send", **says(RunAnswer))
    def send_outputs(number: int) -> Response:
        """Let files that could not be sent to their store be tried again at once; quiet when there are none."""
        return answer(RunAnswer(run=view(service.outputs.again(service.jobs.get(number)))))

    @router.post("/runs/{number}/stop", **says(RunAnswer))
    def stop_run(number: int, request: Request) -> Response:
        """Ask a run to end: by its stop signal, then killed; one that has ended is left as it is."""
        return answer(RunAnswer(run=view(service.jobs.stop_run(number, who(request)))))

    return router


async def _output(service: AgentService, number: int, cursor: str, *, follow: bool) -> AsyncIterator[bytes]:
    silent = 0.0
    while not service.changes.closed:
        try:
            written = await to_thread.run_sync(service.jobs.output, number, cursor)
        except LadingError as error:
            yield msgspec.json.encode({"error": error.to_plain()}) + b"\n"
            return
        cursor = written.cursor
        if written.lines or written.run is not None:
            yield msgspec.json.encode(written) + b"\n"
            silent = 0.0
        if written.run is not None or not (follow or written.lines):
            return
        if not written.lines:
            await anyio.sleep(LOOK_EVERY)
            silent += LOOK_EVERY
        if silent >= HEARTBEAT:
            yield b"\n"
            silent = 0.0
