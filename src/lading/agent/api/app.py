"""Puts the interface together: routes, errors, and the check that both sides speak the same version."""

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lading import __version__
from lading.agent.api import admin, bills, jobs, local, look, registries, releases, rollouts, stacks
from lading.agent.api.streams import unexpected
from lading.agent.api.wire import document, failure
from lading.agent.service import AgentService
from lading.model.errors import LadingError
from lading.model.interface import API_HEADER, API_VERSION

log = logging.getLogger(__name__)

DESCRIPTION = (
    "The interface of a Lading agent, over its Unix socket. Who may open the socket may do everything here: "
    "its owner, root, and the group that agent.toml may name. "
    'Every failure is `{"error": {code, doing, happened, now, hint, details}}`.'
)


def create_app(service: AgentService) -> FastAPI:
    """Return the interface over the agent's operations."""
    app = FastAPI(title="Lading agent", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None)
    for module in (look, local, releases, registries, rollouts, jobs, stacks, bills, admin):
        app.include_router(module.routes(service))
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.add_exception_handler(LadingError, _told)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _unknown_path)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_middleware(VersionCheck)
    return app


class VersionCheck:
    """Says the interface's version with every answer and refuses a client that speaks another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[API_HEADER] = API_VERSION
            await send(message)

        # Without the header it is a person with curl, who sees for themselves what the answer says.
        spoken = Headers(scope=scope).get(API_HEADER, API_VERSION)
        if spoken != API_VERSION:
            await failure(_other_version(spoken))(scope, receive, marked)
            return
        await self._app(scope, receive, marked)


def _other_version(spoken: str) -> LadingError:
    return LadingError(
        "agent-refused",
        doing="answering a client",
        happened=f"the client speaks version {spoken} of the interface, this agent version {API_VERSION}",
        now="nothing was changed",
        hint=f"install lading {__version__} where the command was run, or restart the agent with the client's version",
    )


def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, LadingError)
    return failure(error)


def _misread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = "; ".join(f"{_place(one)}: {one['msg']}" for one in error.errors())
    return failure(_usage(request, problems))


def _place(problem: dict[str, Any]) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _unknown_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = failure(_usage(request, str(error.detail)))
    answer.status_code = error.status_code
    return answer


def _usage(request: Request, happened: str) -> LadingError:
    return LadingError(
        "usage",
        doing=f"{request.method} {request.url.path}",
        happened=happened,
        now="nothing was changed",
        hint="the interface is described by GET /openapi.json",
    )


def _gone(request: Request, _error: Exception) -> Response:
    log.info("%s %s: the client went away in the middle of it", request.method, request.url.path)
    # Nobody reads it, but a request ends with an answer.
    return Response(status_code=400)


def _unforeseen(request: Request, _error: Exception) -> Response:
    # The server logs the traceback itself; the answer must not repeat what may hold anything.
    return failure(unexpected(f"{request.method} {request.url.path}"))
