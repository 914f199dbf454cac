"""Who answers requests from outside."""

from collections.abc import Sequence
from typing import Protocol

from lading.model.environment import Counters, Pass, Routes
from lading.model.secret import Secret


class Router(Protocol):
    """Sends requests to instances, keeps asking them whether they are ready, and counts.

    It outlives the agent. Errors are ``LadingError("router-failed" | "port-taken")``.
    """

    def ensure(self) -> None:
        """See that the router runs, with the routes last applied; start or adopt it. Idempotent."""
        ...

    def reserve_port(self, environment: str, wanted: int | None = None) -> int:
        """Return the local port of an environment (``project/name``), the same at every call.

        ``wanted`` asks for a particular one. Raise ``port-taken`` when it, or every port, is in use by others.
        """
        ...

    def release_port(self, environment: str) -> None:
        """Give the environment's port back. Idempotent."""
        ...

    def check(self, routes: Routes) -> None:
        """Raise what :meth:`apply` would raise for these routes, as far as it can be known without changing anything.

        Their services are not looked at.
        """
        ...

    def keep(self, environment: str, name: str, content: Secret) -> str:
        """Keep something secret for an environment, for the router's user alone, and return the file it lies in.

        The same content gives the same file, which stays as long as routes in force name it.
        """
        ...

    def apply(self, routes: Routes) -> None:
        """Replace all routes of one environment in one act and return once the router has confirmed that new requests
        go there. No request is lost, refused or answered twice. Other environments' routes are untouched.

        A service's requests are spread over its instances. With ``affinity`` a client that keeps its cookie is
        answered by one instance; when that is gone, by another from then on.

        Routes with a ``canary`` send its share of the requests to its services, and the rest where they went before;
        each generation is counted by itself. A client that keeps its cookie stays with one of both where the services
        have affinity, also when the share grows. Requests that one of both has no service for go to the other.

        Routes with ``hold`` let requests wait, also when the agent dies, until routes without it are applied, which
        then answer them. Who has waited that long gets 503 with ``Retry-After``, having reached no instance; so does
        whoever waits when the routes are withdrawn.

        Applying what already stands confirms and changes nothing. When it cannot be confirmed, raise and leave the
        earlier routes in force.
        """
        ...

    def withdraw(self, environment: str) -> None:
        """Remove all routes of an environment; idempotent."""
        ...

    def current(self, environment: str) -> Routes | None:
        """Return the routes in force for an environment, None when there are none."""
        ...

    def counters(self, environment: str, generation: str) -> Counters:
        """Return what was counted for one generation of an environment since it was first applied."""
        ...

    def url(self, environment: str) -> str:
        """Return where the environment answers: ``http://127.0.0.1:7301`` or ``http://stage.example.org``.

        Empty when it has no route.
        """
        ...

    def probe_address(self, environment: str) -> tuple[str, str | None]:
        """Return (base URL on this host, Host header or None) by which the environment is reached from this host."""
        ...

    def pass_for(self, environment: str) -> Pass:
        """Return what lets requests from this host through the environment's edge, whatever that is or becomes.

        It is the same at every call, is worth nothing from elsewhere, and the program behind never sees it.
        """
        ...

    def ports(self) -> Sequence[int]:
        """Return the ports the router listens on."""
        ...
