"""Routes of bills: statements, challenges, verdicts, gates of one's own, approvals, revocations."""

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from lading.agent.answers import ApprovalDraft, Approved, Nonce, Sealed, Statements, StatementView
from lading.agent.api.wire import answer, body, says, who
from lading.agent.service import AgentService
from lading.model.bill import Envelope


class VerdictAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which release another agent asks about, in which environment, over which challenge."""

    project: str
    version: str
    environment: str
    nonce: str


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """How the command of a gate of one's own ended, about which release; it passed if ``exit`` is 0."""

    project: str
    version: str
    gate: str
    command: str
    exit: int
    seconds: float


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Whose bill is taken back, in which environment (empty: in all), and why. ``undo`` lifts a revocation."""

    project: str
    version: str
    reason: str
    environment: str = ""
    undo: bool = False


class ApprovalAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which release is to be approved for which environment, by whom."""

    project: str
    version: str
    environment: str
    requested_by: str


class SignedApproval(msgspec.Struct, frozen=True, kw_only=True):
    """A drafted statement (base64) and the armored SSH signature over its message."""

    payload: str
    signature: str


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["bills"])
    _statements(router, service)
    _signing(router, service)
    _approvals(router, service)
    return router


def _statements(router: APIRouter, service: AgentService) -> None:
    bills = service.bills

    @router.get("/bills/{digest}", **says(Statements))
    def statements(digest: str) -> Response:
        """Give the bill of a digest: every signed statement about it, and whether its signer is believed."""
        return answer(bills.statements(digest))

    @router.post("/bills/{digest}", **says(StatementView, takes=Envelope, status=201))
    async def add_statement(digest: str, request: Request) -> Response:
        """Take one signed statement into the bill; its signer must be believed."""
        envelope = await body(request, Envelope)
        return answer(await run_in_threadpool(bills.add, digest, envelope), 201)

    @router.post("/nonces", **says(Nonce, status=201))
    def nonce() -> Response:
        """Give out a challenge that the source agent of a promotion signs with its verdict."""
        return answer(bills.nonce(), 201)


def _signing(router: APIRouter, service: AgentService) -> None:
    bills = service.bills

    @router.post("/verdicts", **says(Sealed, takes=VerdictAsked))
    async def verdict(request: Request) -> Response:
        """Sign this agent's present word on a release in one of its environments."""
        asked = await body(request, VerdictAsked)

        def sign() -> Sealed:
            release = service.releases.get(asked.project, asked.version)
            return Sealed(envelope=bills.verdict(release, asked.environment, asked.nonce))

        return answer(await run_in_threadpool(sign))

    @router.post("/attestations", **says(Sealed, takes=Attestation, status=201))
    async def attest(request: Request) -> Response:
        """Sign how a gate of one's own came out on a release."""
        told = await body(request, Attestation)

        def sign() -> Sealed:
            release = service.releases.get(told.project, told.version)
            envelope = bills.attest(
                release, told.gate, command=told.command, exit_status=told.exit, seconds=told.seconds
            )
            return Sealed(envelope=envelope)

        return answer(await run_in_threadpool(sign), 201)

    @router.post("/revocations", **says(Sealed, takes=Revocation, status=201))
    async def revoke(request: Request) -> Response:
        """Take back what this agent said of a release, or lift its own revocation."""
        told = await body(request, Revocation)

        def sign() -> Sealed:
            release = service.releases.get(told.project, told.version)
            act = bills.reinstate if told.undo else bills.revoke
            return Sealed(envelope=act(release, told.environment, who(request), told.reason))

        return answer(await run_in_threadpool(sign), 201)


def _approvals(router: APIRouter, service: AgentService) -> None:
    bills = service.bills

    @router.post("/approvals/draft", **says(ApprovalDraft, takes=ApprovalAsked))
    async def draft(request: Request) -> Response:
        """Give the statement that an approver signs."""
        asked = await body(request, ApprovalAsked)

        def make() -> ApprovalDraft:
            release = service.releases.get(asked.project, asked.version)
            return bills.draft_approval(release, asked.environment, asked.requested_by)

        return answer(await run_in_threadpool(make))

    @router.post("/approvals", **says(Approved, takes=SignedApproval, status=201))
    async def approve(request: Request) -> Response:
        """Take a signed approval into the bill; its key must be one of the agent's approvers."""
        signed = await body(request, SignedApproval)
        return answer(await run_in_threadpool(bills.approve, signed.payload, signed.signature), 201)
