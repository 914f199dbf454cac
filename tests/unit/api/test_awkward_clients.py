"""Clients that send too much, stop in the middle or go away: the agent keeps its memory, its disk and its temper."""

import asyncio
import hashlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from lading.agent.api.wire import LONGEST_BODY
from lading.model.interface import SOCKET
from lading.model.manifest import Build, Manifest, Project
from tests.recovery.releases import PROJECT
from tests.support import until
from tests.support_agent import MemoryAgent, ShortDirectory


@pytest.fixture
def agent() -> Iterator[MemoryAgent]:
    with ShortDirectory() as home, MemoryAgent(home).serving() as agent:
        yield agent


def _connected(home: Path, head: str, body: bytes = b"") -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(home / SOCKET))
    line.sendall(f"{head}\r\nHost: agent\r\n".encode() + body)
    return line


def _answers(agent: MemoryAgent) -> bool:
    with _connected(agent.home, "GET /v1/agent HTTP/1.1", b"Connection: close\r\n\r\n") as line:
        return line.recv(15) == b"HTTP/1.1 200 OK"


def test_a_body_beyond_all_reason_is_refused(tmp_path: Path) -> None:
    """A body that is longer than any request is refused before it fills the memory."""
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while sent < LONGEST_BODY * 4:
            sent += 1 << 20
            yield b" " * (1 << 20)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(MemoryAgent(tmp_path / "home").app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            return await client.post("/v1/rollouts", content=endless())  # type: ignore[arg-type]

    answer = asyncio.run(ask())
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "usage"
    assert sent <= LONGEST_BODY + (2 << 20)


@pytest.mark.parametrize("path", [f"/v1/releases/{PROJECT}/v1.0.0", "/v1/rollouts", "/v1/blobs/sha256:" + "0" * 64])
def test_an_upload_that_breaks_off_leaves_nothing(
    agent: MemoryAgent, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who goes away in the middle of a body leaves no file, no defect in the log, and an agent that answers others."""
    manifest = Manifest(project=Project(name=PROJECT), build={"app": Build(bundle="requirements.txt")})
    method = "PUT" if "blobs" in path else "POST"
    with caplog.at_level(logging.INFO):
        body = b"Content-Length: 1000000\r\n\r\n" + msgspec.json.encode(manifest) + b"\nhalf of a tar"
        line = _connected(agent.home, f"{method} {path} HTTP/1.1", body)
        if "releases" in path:
            until(lambda: list((agent.home / "spool").glob("*")))
        line.close()
        until(lambda: not list((agent.home / "spool").glob("*")))
        until(lambda: _answers(agent))
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert agent.built == []


def test_what_came_of_a_blob_before_a_cut_is_kept(agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that says nothing any more counts as gone, and the next one goes on where it ended."""
    monkeypatch.setattr("lading.agent.api.streams.BODY_SILENCE", 0.05)
    data = b"layer"
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    head = f"PATCH /v1/blobs/{digest}?offset=0&size=5 HTTP/1.1"
    line = _connected(agent.home, head, b"Content-Length: 5\r\n\r\nlay")
    with line:
        until(lambda: agent.world.store.arrived(digest) == 3)
        assert b"400" in line.recv(4096)
    assert agent.world.store.arrived(digest) == 3


def test_who_stops_following_is_forgotten(agent: MemoryAgent) -> None:
    """A stream whose reader has gone is given up, and the rollout goes on."""
    rollout = agent.house.open_deploy("v1.0.0")
    line = _connected(agent.home, f"GET /v1/rollouts/{rollout.id}/events?follow=1 HTTP/1.1", b"\r\n")
    until(lambda: agent.changes._subscriptions)
    line.close()
    agent.rollouts.recover()
    until(lambda: not agent.changes._subscriptions, within=10)
    until(lambda: not agent.world.journal.unfinished())
