"""How values travel: msgspec structs as JSON, errors with their status, and both in the OpenAPI document."""

import json
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from lading.agent.answers import Failure, RolloutView
from lading.model import typed
from lading.model.errors import BAD_INPUT, BUSY, REFUSED, UNREACHABLE, LadingError
from lading.model.interface import USER_HEADER

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"

LONGEST_BODY = 32 << 20  # bytes of JSON in one request: a bill of thousands of statements fits

_REFERENCE = "#/components/schemas/{name}"
_STATUS_OF_EXIT = {BAD_INPUT: 422, REFUSED: 403, BUSY: 409, UNREACHABLE: 426}
_STATUS_OF_CODE = {
    "unknown-release": 404,
    "unknown-rollout": 404,
    "unknown-environment": 404,
    "unknown-run": 404,
    "unknown-job": 404,
    "unknown-output": 404,
    "version-taken": 409,
    "no-space": 507,
    "artifact-corrupt": 422,
}


def status_of(error: LadingError) -> int:
    """Return the HTTP status that fits an error; its code says more."""
    return _STATUS_OF_CODE.get(error.code) or _STATUS_OF_EXIT.get(error.exit_status, 500)


def answer(value: Any, status: int = 200) -> Response:
    """Return a struct as a JSON answer."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def failure(error: LadingError, rollout: RolloutView | None = None) -> Response:
    """Return an error as a JSON answer."""
    return answer(Failure(error=error.to_plain(), rollout=rollout), status_of(error))


async def body(request: Request, kind: type[T]) -> T:
    """Read a request's body as a struct; raise ``usage`` naming what does not fit, never its value."""
    data = await _bytes_of(request)
    try:
        return typed.decode(data, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LadingError(
            "usage",
            doing=f"reading the body of {request.method} {request.url.path}",
            happened=str(error),
            now="nothing was changed",
            hint="the interface is described by GET /openapi.json",
        ) from error


async def _bytes_of(request: Request) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LONGEST_BODY:
            raise LadingError(
                "usage",
                doing=f"reading the body of {request.method} {request.url.path}",
                happened=f"it is longer than {LONGEST_BODY >> 20} MB",
                now="nothing was changed",
                hint="the interface is described by GET /openapi.json",
            )
    return bytes(data)


def who(request: Request) -> str:
    """Return who asks, as the client says; the socket's mode decides who may ask at all."""
    return request.headers.get(USER_HEADER, "unknown")


def says(result: type | None, *, takes: type | None = None, status: int = 200, lines: bool = False) -> dict[str, Any]:
    """Return a route's keyword arguments: what it answers and takes, for the OpenAPI document.

    ``lines`` marks an answer of JSON lines, each of them a ``result``.
    """
    content = {NDJSON if lines else JSON: {"schema": _schema(result)}} if result is not None else {}
    extra: dict[str, Any] = {
        "responses": {
            str(status): {"description": _summary(result), **({"content": content} if content else {})},
            "default": {"description": "Failure", "content": {JSON: {"schema": _schema(Failure)}}},
        }
    }
    if takes is not None:
        extra["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(takes)}}}
    _described.update(kind for kind in (result, takes, Failure) if kind is not None)
    return {"openapi_extra": extra, "status_code": status, "response_class": Response}


_described: set[type] = set()


def _schema(kind: type | None) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)} if kind is not None else {}


def _summary(kind: type | None) -> str:
    return (kind.__doc__ or kind.__name__).splitlines()[0] if kind is not None else "Done"


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with every struct's schema; it is made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        kinds = sorted(_described, key=lambda kind: kind.__name__)
        _, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
        made.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        app.openapi_schema = json.loads(json.dumps(made))
    return app.openapi_schema
