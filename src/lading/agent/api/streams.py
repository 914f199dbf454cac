"""Streams: blocking work that reads a request's body or tells lines while it goes on."""

import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
from anyio import from_thread, move_on_after, to_thread
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from lading.agent.answers import EventLine, RolloutAnswer
from lading.agent.api.wire import NDJSON
from lading.agent.changes import Changes
from lading.agent.results import Results
from lading.model.errors import LadingError
from lading.model.rollout import Rollout
from lading.ports.journal import Journal

log = logging.getLogger(__name__)

BODY_SILENCE = 60.0  # seconds without a byte of a body after which its sender counts as gone: a cut line says nothing
HEARTBEAT = 5.0  # seconds of silence after which a stream sends an empty line, so that clients notice a dead agent


async def with_body(request: Request, work: Callable[[Iterator[bytes]], Any]) -> Any:
    """Do blocking work in a thread while it reads the request's body, chunk by chunk, at its own pace."""
    chunks = request.stream().__aiter__()

    async def receive() -> bytes | None:
        with move_on_after(BODY_SILENCE):
            async for chunk in chunks:
                if chunk:
                    return chunk
            return None
        raise ClientDisconnect

    def read() -> Iterator[bytes]:
        while (chunk := from_thread.run(receive)) is not None:
            yield chunk

    return await to_thread.run_sync(lambda: work(read()))


class ReaderGone(Exception):
    """Nobody reads what the work tells any more."""


class WorkResponse(StreamingResponse):
    """The values that blocking work tells, as JSON lines, and last its result or its error.

    The work runs in a thread of its own. When the reader goes away, the next thing it tells raises :class:`ReaderGone`
    there, so that what nobody waits for is given up.
    """

    def __init__(self, work: Callable[[Callable[[Any], None]], Any]) -> None:
        self._told: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._gone = threading.Event()
        threading.Thread(target=self._run, args=(work,), name="stream", daemon=True).start()
        super().__init__(self._lines(), media_type=NDJSON)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines until the work or the connection ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._gone.set()

    def _lines(self) -> Iterator[bytes]:
        while True:
            try:
                line = self._told.get(timeout=HEARTBEAT)
            except queue.Empty:
                line = b"\n"
            if line is None:
                return
            yield line

    def _tell(self, value: Any) -> None:
        if self._gone.is_set():
            raise ReaderGone
        self._put(value)

    def _put(self, value: Any) -> None:
        self._told.put(msgspec.json.encode(value) + b"\n")

    def _run(self, work: Callable[[Callable[[Any], None]], Any]) -> None:
        try:
            self._put(work(self._tell))
        except ReaderGone:
            log.info("a streamed request was given up: its reader went away")
        except LadingError as error:
            self._put({"error": error.to_plain()})
        except Exception:
            # The reader must hear of it, whatever it is; the log has the traceback.
            log.exception("a streamed request failed")
            self._put({"error": unexpected("carrying out the request").to_plain()})
        finally:
            self._told.put(None)


def unexpected(doing: str) -> LadingError:
    """Return the error for what nobody foresaw; its cause is in the log only, as it may hold anything."""
    return LadingError(
        "unexpected",
        doing=doing,
        happened="the agent met an error that it did not foresee",
        now="what it serves goes on serving",
        hint="the traceback is in agent.log, in the agent's home",
    )


async def events(
    journal: Journal, changes: Changes, results: Results, number: int, after: int, *, follow: bool
) -> AsyncIterator[bytes]:
    """Yield a rollout's events as JSON lines; when following, live until its end, and last its result."""
    with changes.subscribe(number) as news:
        while True:
            rollout, fresh = await to_thread.run_sync(_read, journal, number, after)
            for event in fresh:
                after = event.seq
                yield msgspec.json.encode(EventLine(event=event)) + b"\n"
            if rollout.outcome is not None:
                yield msgspec.json.encode(await to_thread.run_sync(_result, results, rollout)) + b"\n"
                return
            if not follow or changes.closed:
                return
            if not await news.wait(HEARTBEAT):
                yield b"\n"


def _read(journal: Journal, number: int, after: int) -> tuple[Rollout, Any]:
    # The outcome is read before the events: those of a rollout that has ended are then complete.
    rollout = journal.rollout(number)
    if rollout is None:
        raise LadingError(
            "unknown-rollout", happened=f"there is no rollout {number}", hint="lading history ENVIRONMENT"
        )
    return rollout, journal.events(number, after)


def _result(results: Results, rollout: Rollout) -> RolloutAnswer:
    return results.answer(rollout)
