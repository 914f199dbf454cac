"""What a visitor is answered: files by name, the application's page for its own paths, nothing else."""

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from lading.static.caching import ASK_AGAIN, cache_control
from lading.static.directory import INDEX, Directory, File
from lading.static.encoding import Compressed, accepted, beforehand, has_beforehand, is_worth_it

NOT_FOUND = "404.html"
METHODS = ("GET", "HEAD")


class Server:
    """Serves a directory; requests whose path ends in ``ready`` are answered without looking at it.

    A path that names no file is the application's own: it gets ``index.html``, unless its last part has an ending, so
    that a script that is gone is missed rather than replaced by a page. A directory that has a ``404.html`` is a site
    of pages rather than an application: there it gets that page.
    """

    def __init__(self, directory: Directory, ready: str) -> None:
        self._directory = directory
        self._ready = ready
        self._compressed = Compressed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await anyio.to_thread.run_sync(self._answer, Request(scope))
        await answer(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        if request.method not in METHODS:
            return PlainTextResponse("only GET and HEAD are answered here\n", 405, {"Allow": ", ".join(METHODS)})
        path = request.scope["path"]
        if path.endswith(self._ready):
            return PlainTextResponse("ready\n", headers={"Cache-Control": "no-store"})
        found = self._directory.asked(path)
        if found is not None:
            return self._file(request, *found)
        if self._directory.is_folder(path):
            # Relative, as the prefix by which it is reached may have been taken off on the way.
            query = f"?{request.url.query}" if request.url.query else ""
            target = f"./{path.rpartition('/')[2]}/{query}"
            return RedirectResponse(target, 307, {"Cache-Control": ASK_AGAIN})
        return self._fallback(request, path)

    def _fallback(self, request: Request, path: str) -> Response:
        page = self._directory.get(NOT_FOUND)
        if page is not None:
            return self._file(request, NOT_FOUND, page, status=404)
        application = self._directory.get(INDEX)
        if application is not None and "." not in path.rpartition("/")[2]:
            return self._file(request, INDEX, application)
        return PlainTextResponse("not found\n", 404, {"Cache-Control": ASK_AGAIN})

    def _file(self, request: Request, name: str, file: File, status: int = 200) -> Response:
        headers = {"Cache-Control": cache_control(name), "X-Content-Type-Options": "nosniff"}
        encoding, form = "", file
        if is_worth_it(file) or has_beforehand(self._directory, name):
            headers["Vary"] = "Accept-Encoding"
            # A part of a file is counted in its own bytes.
            takes = frozenset() if "range" in request.headers else accepted(request.headers.get("accept-encoding", ""))
            encoding, form = beforehand(self._directory, name, takes) or ("", file)
            if not encoding and "gzip" in takes and is_worth_it(file):
                encoding = "gzip"
        headers["ETag"] = f'"{file.digest()}{f"-{encoding}" if encoding else ""}"'
        if status == 200 and _is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if encoding:
            headers["Content-Encoding"] = encoding
        if encoding and form is file:
            content = self._compressed.get(name, file)
            return Response(content, status, headers, media_type=file.content_type)
        answer = FileResponse(form.path, status, headers, media_type=file.content_type, stat_result=form.stat)
        if encoding or status != 200:
            del answer.headers["Accept-Ranges"]
        return answer


def _is_known(header: str, etag: str) -> bool:
    known = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in known or etag in known
