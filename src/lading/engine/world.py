"""The ports an engine works with, as one value."""

import dataclasses

from lading.ports.checks import Checks
from lading.ports.clock import Clock
from lading.ports.database import Databases
from lading.ports.journal import Journal
from lading.ports.objects import Objects
from lading.ports.prober import Prober
from lading.ports.router import Router
from lading.ports.runtime import Runtime
from lading.ports.secrets import Secrets
from lading.ports.server import Servers
from lading.ports.signer import Signer
from lading.ports.store import Store


@dataclasses.dataclass(frozen=True)
class World:
    """Everything outside the engine, each behind its port."""

    runtime: Runtime
    router: Router
    checks: Checks
    prober: Prober
    databases: Databases
    servers: Servers
    store: Store
    secrets: Secrets
    journal: Journal
    signer: Signer
    objects: Objects
    clock: Clock


# The clock is left out: reading it changes nothing, so a death beside it is a death beside its neighbour.
GUARDED: dict[str, type] = {
    "runtime": Runtime,
    "router": Router,
    "checks": Checks,
    "prober": Prober,
    "databases": Databases,
    "servers": Servers,
    "store": Store,
    "secrets": Secrets,
    "journal": Journal,
    "signer": Signer,
    "objects": Objects,
}
