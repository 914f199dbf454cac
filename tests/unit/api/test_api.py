"""The interface itself: what it answers, how it refuses, and its OpenAPI document."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
import zstandard

from lading.agent.api.app import create_app
from lading.agent.api.wire import status_of
from lading.agent.logfile import Redacting
from lading.model.errors import CODES, LadingError
from lading.model.interface import API_HEADER, API_VERSION
from lading.model.manifest import Build, Manifest, Project
from lading.model.secret import MASK, Secret
from tests.recovery.house import ENVIRONMENT
from tests.recovery.releases import PROJECT
from tests.support import until
from tests.support_agent import MemoryAgent


@pytest.fixture
def agent(tmp_path: Path) -> MemoryAgent:
    return MemoryAgent(tmp_path / "home")


class Client:
    """Asks the interface without a socket, one request at a time."""

    def __init__(self, agent: MemoryAgent) -> None:
        self._app = agent.app()

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
                return await client.request(method, path, **content)

        return asyncio.run(ask())

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.request("GET", path, **content)

    def head(self, path: str) -> httpx.Response:
        return self.request("HEAD", path)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.request("POST", path, **content)

    def put(self, path: str, **content: Any) -> httpx.Response:
        return self.request("PUT", path, **content)


@pytest.fixture
def client(agent: MemoryAgent) -> Client:
    return Client(agent)


def deploy(client: Client, agent: MemoryAgent, version: str = "v1.0.0") -> int:
    agent.house.release(version)
    asked = {"kind": "deploy", "project": PROJECT, "environment": ENVIRONMENT, "version": version}
    number: int = client.post("/v1/rollouts", json=asked).json()["number"]
    until(lambda: agent.world.journal.rollout(number).outcome)  # type: ignore[union-attr]
    return number


def test_every_answer_says_the_interface_version(client: Client) -> None:
    """Answers and failures carry the header, so that a client can tell whom it talks to."""
    assert client.get("/v1/agent").headers[API_HEADER] == API_VERSION
    assert client.get("/v1/nothing").headers[API_HEADER] == API_VERSION


def test_a_client_of_another_version_is_refused(client: Client) -> None:
    """A request of another interface version changes nothing and is told so."""
    answer = client.get("/v1/agent", headers={API_HEADER: "99"})
    assert answer.status_code == 426
    assert answer.json()["error"]["code"] == "agent-refused"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/agent", 405),
        ("GET", "/v1/rollouts?limit=none", 422),
        ("GET", "/v1/rollouts/99", 404),
        ("GET", "/v1/rollouts/99/events", 404),
        ("POST", "/v1/rollouts/99/cancel", 404),
        ("GET", "/v1/releases/shop/v9", 404),
        ("GET", "/v1/blobs/sha256:00", 404),
        ("GET", "/v1/logs/shop/nowhere", 404),
    ],
)
def test_every_failure_has_the_same_shape(client: Client, method: str, path: str, status: int) -> None:
    """Whatever goes wrong, the answer is an error with code, happened and hint."""
    answer = client.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] in CODES
    assert error["happened"]
    assert error["hint"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"kind": "deploy"}', b'{"kind": "destroy"}', b"\xff"])
def test_a_body_that_does_not_fit_is_refused(client: Client, body: bytes) -> None:
    """What is missing or wrong is named, and nothing happens."""
    answer = client.post("/v1/rollouts", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "usage"


def test_an_unforeseen_error_tells_nothing_of_itself(client: Client, agent: MemoryAgent) -> None:
    """The answer has no text of the exception, which may hold anything."""

    def broken(_project: object = None) -> None:
        raise ValueError("canary-4711")

    agent.service.status.environments = broken  # type: ignore[method-assign,assignment]
    answer = client.get("/v1/environments")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "unexpected"
    assert "canary" not in answer.text


def test_every_error_code_has_a_fitting_status() -> None:
    """No error is answered as a success."""
    assert all(status_of(LadingError(code, happened="x")) >= 400 for code in CODES)


def test_the_openapi_document_describes_every_route(agent: MemoryAgent) -> None:
    """Every operation has a summary, a description and real schemas whose references resolve."""
    document = create_app(agent.service).openapi()
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert reference in schemas, reference
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (path, method)
            assert any(status.startswith("2") for status in operation["responses"]), (path, method)


def _fits(document: dict[str, Any], name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.validate(value, schema)


def test_answers_are_what_the_document_says(client: Client, agent: MemoryAgent) -> None:
    """The schemas in the document are those of the answers."""
    number = deploy(client, agent)
    digest = agent.world.journal.release(PROJECT, "v1.0.0").digest  # type: ignore[union-attr]
    document = client.get("/openapi.json").json()
    for path, name in {
        "/v1/agent": "About",
        "/v1/environments": "Environments",
        "/v1/releases": "Releases",
        f"/v1/releases/{PROJECT}/v1.0.0": "Release",
        "/v1/rollouts": "RolloutEntries",
        f"/v1/rollouts/{number}": "RolloutAnswer",
        f"/v1/bills/{digest}": "Statements",
        "/v1/trust": "Trust",
        f"/v1/policies/{PROJECT}/production": "PolicyAnswer",
        f"/v1/secrets/{PROJECT}/{ENVIRONMENT}": "SecretVersions",
        f"/v1/logs/{PROJECT}/{ENVIRONMENT}": "Logs",
        "/v1/audit": "Audits",
    }.items():
        answer = client.get(path)
        assert answer.status_code == 200, path
        _fits(document, name, answer.json())


def test_an_accepted_rollout_is_202_and_a_no_op_200(client: Client, agent: MemoryAgent) -> None:
    """202 says that the rollout goes on by itself; 200 that there was nothing to do."""
    agent.house.release("v1.0.0")
    asked = {"kind": "deploy", "project": PROJECT, "environment": ENVIRONMENT, "version": "v1.0.0"}
    first = client.post("/v1/rollouts", json=asked)
    assert (first.status_code, first.json()["kind"]) == (202, "deploy")
    until(lambda: not agent.world.journal.unfinished())
    again = client.post("/v1/rollouts", json=asked)
    assert (again.status_code, again.json()["number"]) == (200, None)


def test_who_asked_is_noted(client: Client, agent: MemoryAgent) -> None:
    """The journal has the person of the request, else that of the header."""
    agent.house.release("v1.0.0")
    asked = {"kind": "deploy", "project": PROJECT, "environment": ENVIRONMENT, "version": "v1.0.0"}
    client.post("/v1/rollouts", json=asked, headers={"lading-user": "ann@laptop"})
    assert agent.world.journal.rollouts()[0].requested_by == "ann@laptop"


def test_events_are_json_lines_that_end_with_the_result(client: Client, agent: MemoryAgent) -> None:
    """A stream tells every event once, in order, and the result last; ``after`` leaves out what is known."""
    number = deploy(client, agent)
    lines = [json.loads(line) for line in client.get(f"/v1/rollouts/{number}/events?follow=1").text.splitlines()]
    sequence = [line["event"]["seq"] for line in lines[:-1]]
    assert sequence == list(range(1, len(sequence) + 1))
    assert lines[-1]["rollout"]["outcome"] == "succeeded"
    later = client.get(f"/v1/rollouts/{number}/events?after=3").text.splitlines()
    assert json.loads(later[0])["event"]["seq"] == 4


def test_events_come_while_the_rollout_runs(agent: MemoryAgent) -> None:
    """A follower sees the first events before the last ones have happened."""
    import threading

    from lading.client.local import agent_at

    gate = threading.Event()
    probe = agent.world.checks.probe

    def waiting(address: str, asked: Any) -> Any:
        gate.wait(10)
        return probe(address, asked)

    agent.world.checks.probe = waiting  # type: ignore[method-assign]
    with agent.serving():
        agent.house.release("v1.0.0")
        own = agent_at(f"unix://{agent.home}")
        asked = {"kind": "deploy", "project": PROJECT, "environment": ENVIRONMENT, "version": "v1.0.0"}
        number = own.post("/v1/rollouts", asked)["number"]
        stream = own.stream("GET", f"/v1/rollouts/{number}/events", follow=1)
        assert next(stream)["event"]["kind"] in ("plan", "step")
        assert agent.world.journal.unfinished()
        gate.set()
        assert list(stream)[-1]["rollout"]["outcome"] == "succeeded"


def test_streams_end_when_the_agent_is_about_to_go(agent: MemoryAgent) -> None:
    """Closing the changes ends a stream without a result: its reader takes it up with the next agent."""
    import threading

    from lading.client.local import agent_at

    gate = threading.Event()
    agent.world.checks.probe = lambda *_: gate.wait(10)  # type: ignore[method-assign,assignment,return-value]
    with agent.serving():
        agent.house.release("v1.0.0")
        own = agent_at(f"unix://{agent.home}")
        asked = {"kind": "deploy", "project": PROJECT, "environment": ENVIRONMENT, "version": "v1.0.0"}
        number = own.post("/v1/rollouts", asked)["number"]
        stream = own.stream("GET", f"/v1/rollouts/{number}/events", follow=1)
        next(stream)
        agent.changes.close()
        assert all("rollout" not in line for line in stream)
        agent.rollouts.cancel(number, "test")
        gate.set()


def _manifest() -> bytes:
    return msgspec.json.encode(Manifest(project=Project(name=PROJECT), build={"app": Build(bundle="uv.lock")}))


@pytest.mark.parametrize(
    "body",
    [b"", b"no json\n", b'{"project": {}}\n', msgspec.json.encode(Manifest(project=Project(name="other"))) + b"\n"],
)
def test_a_source_without_a_fitting_manifest_is_refused(client: Client, agent: MemoryAgent, body: bytes) -> None:
    """The first line of a source is the manifest of that project, or nothing is built and nothing stays behind."""
    answer = client.post(f"/v1/releases/{PROJECT}/v1.0.0", content=body)
    assert answer.json()["error"]["code"] == "usage"
    assert not list((agent.home / "spool").iterdir())


def test_a_failed_build_leaves_no_source_behind(client: Client, agent: MemoryAgent) -> None:
    """The error is the stream's last line, and the uploaded source is removed."""
    agent.trouble = LadingError("unpinned", happened="flask")
    answer = client.post(f"/v1/releases/{PROJECT}/v1.0.0", content=_manifest() + b"\nsource")
    assert json.loads(answer.text.splitlines()[-1])["error"]["code"] == "unpinned"
    assert not list((agent.home / "spool").iterdir())


def test_a_build_that_fails_unforeseen_says_so_in_the_stream(client: Client, agent: MemoryAgent) -> None:
    """A reader is never left without a last line."""
    answer = client.post(f"/v1/releases/{PROJECT}/v1.0.0", content=_manifest() + b"\nno tar")
    assert json.loads(answer.text.splitlines()[-1])["error"]["code"] == "unexpected"


def test_a_blob_arrives_in_pieces(client: Client) -> None:
    """The agent says what it lacks and from which byte on, and takes pieces, compressed or not, in order."""
    data = b"layer " * 1000
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    wanted = {"blobs": {digest: len(data)}}
    place = f"/v1/blobs/{digest}?size={len(data)}&offset="
    assert client.post("/v1/blobs/missing", json=wanted).json()["missing"] == {digest: 0}
    told = client.request("PATCH", f"{place}0", content=data[:100])
    assert told.json() == {"here": 100, "whole": False}
    assert client.post("/v1/blobs/missing", json=wanted).json()["missing"] == {digest: 100}
    gap = client.request("PATCH", f"{place}200", content=data[200:])
    assert (gap.status_code, gap.json()["error"]["code"]) == (422, "usage")
    rest = zstandard.ZstdCompressor().compress(data[100:])
    bad = client.request("PATCH", f"{place}100", content=b"no zstd", headers={"Content-Encoding": "zstd"})
    assert bad.json()["error"]["code"] == "artifact-corrupt"
    unknown = client.request("PATCH", f"{place}100", content=rest, headers={"Content-Encoding": "br"})
    assert unknown.json()["error"]["code"] == "usage"
    told = client.request("PATCH", f"{place}100", content=rest, headers={"Content-Encoding": "zstd"})
    assert told.json() == {"here": len(data), "whole": True}
    assert client.post("/v1/blobs/missing", json=wanted).json()["missing"] == {}
    assert client.get(f"/v1/blobs/{digest}?offset=5990").content == data[5990:]


def test_what_has_no_room_is_refused_before_it_is_sent(agent: MemoryAgent, client: Client) -> None:
    """The disk is asked first; who only asks what is there is told."""
    free = agent.world.store.free_bytes()
    wanted = {"blobs": {"sha256:" + "0" * 64: free}}
    refused = client.post("/v1/blobs/missing", json=wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "no-space")
    assert "MB are needed" in refused.json()["error"]["happened"]
    assert client.post("/v1/blobs/missing", json={**wanted, "sending": False}).json()["free"] == free


def test_a_blob_is_stored_verified_and_given_back(client: Client) -> None:
    """Bytes that are not what their digest says are not stored."""
    data = b"cargo" * 50_000
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert client.head(f"/v1/blobs/{digest}").status_code == 404
    assert client.put(f"/v1/blobs/{digest}", content=data[:-1]).json()["error"]["code"] == "artifact-corrupt"
    assert client.put(f"/v1/blobs/{digest}", content=data).status_code == 201
    assert client.head(f"/v1/blobs/{digest}").status_code == 200
    assert client.get(f"/v1/blobs/{digest}").content == data


def test_a_release_is_taken_over_only_whole_and_true(client: Client, agent: MemoryAgent, tmp_path: Path) -> None:
    """Blobs must be here, the digest must be that of the content, the version must not name another digest."""
    release = agent.house.release("v1.0.0")
    plain = msgspec.to_builtins(release)
    other = MemoryAgent(tmp_path / "other")
    receiver = Client(other)
    path = f"/v1/releases/{PROJECT}/v1.0.0"
    assert "are not here" in receiver.put(path, json=plain).json()["error"]["happened"]
    for layer in release.artifacts[0].layers:
        with agent.world.store.open(layer.digest) as blob:
            receiver.put(f"/v1/blobs/{layer.digest}", content=blob.read())
    assert receiver.put(path, json={**plain, "digest": "sha256:00"}).status_code == 422
    assert receiver.put(f"/v1/releases/{PROJECT}/v2", json=plain).status_code == 422
    assert receiver.put(path, json=plain).json()["digest"] == release.digest
    changed = {**plain, "artifacts": [{**plain["artifacts"][0], "digest": "sha256:changed"}]}
    assert receiver.put(path, json=changed).status_code == 422


def test_a_statement_is_taken_only_from_a_believed_signer(client: Client, agent: MemoryAgent, tmp_path: Path) -> None:
    """An envelope of a believed key about that digest is kept; any other is refused."""
    release = agent.house.release("v1.0.0")
    other = MemoryAgent(tmp_path / "other", "other")
    other.house.release("v1.0.0")
    envelope = msgspec.to_builtins(
        other.service.bills.attest(release, "tests", command="pytest", exit_status=0, seconds=1.0)
    )
    assert client.post(f"/v1/bills/{release.digest}", json=envelope).status_code == 403
    own = other.service.keys.own()
    client.post("/v1/trust", json={"name": "other", "public": own.public})
    assert client.post("/v1/bills/sha256:00", json=envelope).status_code == 403
    taken = client.post(f"/v1/bills/{release.digest}", json=envelope)
    assert (taken.status_code, taken.json()["signer"]) == (201, "other")


def test_loosening_a_policy_without_a_reason_is_refused(client: Client, agent: MemoryAgent) -> None:
    """Tightening needs no reason, loosening does, and both are audited."""
    path = f"/v1/policies/{PROJECT}/production"
    assert client.put(path, json={"changes": {"approvals": 2}}).status_code == 200
    refused = client.put(path, json={"changes": {"approvals": 0}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "loosening")
    assert client.put(path, json={"changes": {"approvals": 0}, "reason": "test"}).status_code == 200
    assert client.put(path, json={"changes": {"nonsense": 1}, "reason": "test"}).status_code == 422
    assert client.put(path, json={"changes": {"approvals": "many"}, "reason": "test"}).status_code == 422
    assert [entry["reason"] for entry in client.get("/v1/audit").json()["audit"]] == ["test", ""]


def test_no_answer_ever_holds_a_secret_value(client: Client, agent: MemoryAgent) -> None:
    """Values go in; no route of the interface gives them back."""
    path = f"/v1/secrets/{PROJECT}/{ENVIRONMENT}"
    assert client.put(path, json={"values": {"KEY": "canary-1234"}}).json() == {"secrets": {"KEY": 1}}
    number = deploy(client, agent)
    document = client.get("/openapi.json").json()
    paths = [name for name in document["paths"] if "get" in document["paths"][name]]
    for name in paths:
        filled = name.format(
            project=PROJECT, environment=ENVIRONMENT, version="v1.0.0", number=number, digest="sha256:00", path="a"
        )
        assert "canary-" not in client.get(filled).text, name


@pytest.mark.parametrize("values", [{"a b": "x"}, {"A": ""}, {"A": "x\0y"}, {"Ä": "x"}])
def test_secrets_that_no_program_could_get_are_refused(client: Client, values: dict[str, str]) -> None:
    """Names must be those of environment variables, values must be values."""
    answer = client.put(f"/v1/secrets/{PROJECT}/{ENVIRONMENT}", json={"values": values})
    assert answer.json()["error"]["code"] == "usage"


def test_the_agents_log_masks_secrets_in_tracebacks() -> None:
    """What an exception says of a secret does not reach the log."""
    formatter = Redacting()
    formatter.known = lambda: (Secret("canary-4711"),)
    try:
        raise ValueError("token canary-4711 is wrong")
    except ValueError:
        import sys

        record = logging.LogRecord("lading", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    text = formatter.format(record)
    assert "canary" not in text
    assert MASK in text
