"""Routes that change what the agent believes, allows or knows: trust, policies, secrets. All of them are audited."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from lading.agent.answers import AddedKey, OwnKey, PolicyAnswer, RemovedKeys, SecretList, SecretVersions, Trust
from lading.agent.api.wire import answer, body, says, who
from lading.agent.maintenance import MaintenanceAsked, MaintenanceSet
from lading.agent.secret_values import SecretsPut
from lading.agent.service import AgentService


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key to believe: raw ed25519 in base64, or a line of SSH; ``role`` is ``agent`` or ``approver``."""

    name: str
    public: str
    role: str = "agent"
    reason: str = ""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why, for the audit."""

    reason: str = ""


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """Single demands of a policy to change, and why; loosening needs a reason."""

    changes: dict[str, Any]
    reason: str = ""


def routes(service: AgentService) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/v1", tags=["admin"])
    _trust(router, service)
    _environment(router, service)
    return router


def _trust(router: APIRouter, service: AgentService) -> None:
    keys = service.keys

    @router.get("/trust", **says(Trust))
    def trust() -> Response:
        """List the keys whose statements count: the agent's own, and those it believes."""
        return answer(keys.trust())

    @router.post("/trust", **says(AddedKey, takes=NewKey, status=201))
    async def add_key(request: Request) -> Response:
        """Believe a key."""
        new = await body(request, NewKey)
        key = await run_in_threadpool(keys.add, new.name, new.public, new.role, who(request), new.reason)
        return answer(AddedKey(key=key), 201)

    @router.delete("/trust", **says(RemovedKeys))
    def remove_key(request: Request, key: str, reason: str = "") -> Response:
        """Stop believing the keys of that name or fingerprint."""
        return answer(RemovedKeys(removed=keys.remove(key, who(request), reason)))

    @router.post("/trust/rotate", **says(OwnKey, takes=Reason))
    async def rotate(request: Request) -> Response:
        """Give the agent a new key that the old one introduces."""
        told = await body(request, Reason)
        return answer(OwnKey(own=await run_in_threadpool(keys.rotate, who(request), told.reason)))

    @router.post("/trust/recover", **says(OwnKey, takes=Reason))
    async def recover(request: Request) -> Response:
        """Give the agent a new key without the old one; others must be told by hand."""
        told = await body(request, Reason)
        return answer(OwnKey(own=await run_in_threadpool(keys.recover, who(request), told.reason)))


def _environment(router: APIRouter, service: AgentService) -> None:
    @router.get("/policies/{project}/{environment}", **says(PolicyAnswer))
    def policy(project: str, environment: str) -> Response:
        """Say what an environment demands of a release."""
        return answer(service.policies.get(project, environment))

    @router.put("/policies/{project}/{environment}", **says(PolicyAnswer, takes=PolicyChange))
    async def change_policy(project: str, environment: str, request: Request) -> Response:
        """Change what an environment demands; loosening needs a reason."""
        told = await body(request, PolicyChange)

        def change() -> PolicyAnswer:
            asks = who(request)
            return service.policies.change(project, environment, told.changes, who=asks, reason=told.reason)

        return answer(await run_in_threadpool(change))

    @router.put("/environments/{project}/{environment}/maintenance", **says(MaintenanceSet, takes=MaintenanceAsked))
    async def switch_maintenance(project: str, environment: str, request: Request) -> Response:
        """Show an environment's visitors a page instead of what it serves, or take the page away again."""
        told = await body(request, MaintenanceAsked)
        return answer(await run_in_threadpool(service.maintenances.switch, project, environment, told, who(request)))

    @router.get("/secrets/{project}/{environment}", **says(SecretList))
    def secrets(project: str, environment: str) -> Response:
        """List the names and versions of an environment's secrets, and who needs them; values never come out."""
        entries = service.secrets.entries(project, environment)
        return answer(SecretList(secrets=service.secrets.versions(project, environment), entries=entries))

    @router.put("/secrets/{project}/{environment}", **says(SecretVersions, takes=SecretsPut))
    async def put_secrets(project: str, environment: str, request: Request) -> Response:
        """Store, make or remove secrets of an environment, all at once; the next rollout uses them."""
        told = await body(request, SecretsPut)
        versions = await run_in_threadpool(service.secrets.put, project, environment, told, who(request))
        return answer(SecretVersions(secrets=versions))
