"""A router without sockets, for tests: it keeps the promises and lets a test break them on purpose."""

import hashlib
import threading
from collections.abc import Callable, Sequence

from lading.model.environment import Counters, Pass, Routes, ServiceRoute
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.router.rules import check_against, check_routes, port_taken, service_for
from lading.ports.router.sides import sides_of

FOREVER = -1
NO_PASS = Pass()


class MemoryRouter:
    """Keep routes in memory; the object stands for the router process, so it survives the engine's death.

    Knobs: ``failures`` is how many of the next calls of :meth:`apply` go unconfirmed (:data:`FOREVER`: all);
    ``taken`` are ports that other programs hold; ``counting`` answers :meth:`counters` (else what :meth:`count` set).
    ``applied`` logs the routes that came into force, ``withdrawn`` the environments that lost theirs.
    """

    def __init__(self, *, first_port: int = 7300, size: int = 16, http_port: int | None = 80) -> None:
        self.first_port = first_port
        self.size = size
        self.http_port = http_port
        self.failures = 0
        self.taken: set[int] = set()
        self.counting: Callable[[str, str], Counters] | None = None
        self.applied: list[Routes] = []
        self.withdrawn: list[str] = []
        self.ensured = 0
        self.kept: dict[str, Secret] = {}
        self._turns = 0
        self._owed = 0.0
        self._routes: dict[str, Routes] = {}
        self._ports: dict[str, int] = {}
        self._counters: dict[tuple[str, str], Counters] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def ensure(self) -> None:
        """Count the call; the memory router always runs."""
        self.ensured += 1

    def reserve_port(self, environment: str, wanted: int | None = None) -> int:
        """Return the environment's port, the same at every call; raise ``port-taken``."""
        with self._lock:
            mine = self._ports.get(environment)
            if mine is not None and wanted in (None, mine):
                return mine
            used = self.taken | {port for key, port in self._ports.items() if key != environment}
            if wanted is not None and wanted in used:
                raise port_taken(environment, f"port {wanted} is in use")
            pool = range(self.first_port, self.first_port + self.size)
            port = wanted if wanted is not None else next((p for p in pool if p not in used), None)
            if port is None:
                raise port_taken(environment, f"all {self.size} local ports are in use")
            self._ports[environment] = port
            return port

    def release_port(self, environment: str) -> None:
        """Give the environment's port back."""
        with self._lock:
            self._ports.pop(environment, None)

    def check(self, routes: Routes) -> None:
        """Raise what :meth:`apply` would."""
        with self._lock:
            check_routes(routes)
            check_against(routes, self._routes.values())

    def keep(self, environment: str, name: str, content: Secret) -> str:
        """Remember the content and return a name for it."""
        file = f"/kept/{environment.replace('/', '~')}-{name}-{hashlib.sha256(content.reveal().encode()).hexdigest()}"
        self.kept[file] = content
        return file

    def apply(self, routes: Routes) -> None:
        """Put routes in force, or raise ``router-failed`` and keep the earlier ones."""
        with self._lock:
            check_routes(routes)
            check_against(routes, self._routes.values())
            if routes.port is not None:
                self.reserve_port(routes.environment, routes.port)
            if self.failures:
                self.failures -= 1 if self.failures > 0 else 0
                raise LadingError(
                    "router-failed",
                    doing=f"routes of {routes.environment}",
                    happened="the router did not confirm them",
                    now="the earlier routes are in force",
                )
            if self._routes.get(routes.environment) != routes:
                self._routes[routes.environment] = routes
                self.applied.append(routes)
                self._changed.notify_all()
            self._counters.setdefault((routes.environment, routes.generation), Counters())
            if routes.canary is not None:
                self._counters.setdefault((routes.environment, routes.canary.generation), Counters())

    def withdraw(self, environment: str) -> None:
        """Remove all routes of an environment."""
        with self._lock:
            if self._routes.pop(environment, None) is not None:
                self.withdrawn.append(environment)
                self._changed.notify_all()

    def current(self, environment: str) -> Routes | None:
        """Return the routes in force."""
        return self._routes.get(environment)

    def counters(self, environment: str, generation: str) -> Counters:
        """Return what a test has set for the generation."""
        if self.counting is not None:
            return self.counting(environment, generation)
        return self._counters.get((environment, generation), Counters())

    def count(self, environment: str, generation: str, counters: Counters) -> None:
        """Set what :meth:`counters` returns for a generation."""
        self._counters[environment, generation] = counters

    def url(self, environment: str) -> str:
        """Return where the environment answers, empty without a route."""
        routes = self._routes.get(environment)
        if routes is None:
            return ""
        if routes.domain is not None and self.http_port is not None:
            if routes.edge.tls is not None:
                return f"https://{routes.domain}"
            return f"http://{routes.domain}" + ("" if self.http_port == 80 else f":{self.http_port}")
        port = self._port_of(routes)
        return "" if port is None else f"http://127.0.0.1:{port}"

    def probe_address(self, environment: str) -> tuple[str, str | None]:
        """Return base URL and Host header by which this host reaches the environment."""
        routes = self._routes.get(environment)
        domain = routes.domain if routes is not None else None
        if domain is not None and self.http_port is not None:
            return f"http://127.0.0.1:{self.http_port}", domain
        port = self._port_of(routes) if routes is not None else self._ports.get(environment)
        return f"http://127.0.0.1:{port}" if port is not None else "", domain

    def pass_for(self, environment: str) -> Pass:
        """Return a pass of the environment's own."""
        return Pass(headers={"X-Lading-Pass": Secret(f"pass of {environment}")})

    def ports(self) -> Sequence[int]:
        """Return the pool, and the http port where there is one."""
        pool = list(range(self.first_port, self.first_port + self.size))
        return pool if self.http_port is None else [*pool, self.http_port]

    def ask(self, environment: str, path: str = "/", passing: Pass = NO_PASS) -> str | None:
        """Return the name of the instance that would answer a stranger's request (with a pass: one from this host),
        None when nobody would, or when it would wait.
        """
        routes = self._routes.get(environment)
        if routes is not None and passing != self.pass_for(environment) and _is_closed(routes):
            return None
        service = service_for(routes.services, path) if routes is not None and not routes.hold else None
        return service.backends[0].instance if service is not None else None

    def wait(self, environment: str, path: str = "/") -> tuple[int, str]:
        """Ask with patience: return (200, who answered), or (503, "") for who has waited in vain."""
        with self._changed:
            routes = self._routes.get(environment)
            if routes is not None and routes.hold:
                self._changed.wait_for(lambda: not self._holds(environment), timeout=routes.hold)
            name = self.ask(environment, path)
            return (200, name) if name is not None else (503, "")

    def _holds(self, environment: str) -> bool:
        routes = self._routes.get(environment)
        return routes is not None and routes.hold > 0

    def visit(self, environment: str, cookies: dict[str, str], path: str = "/") -> str | None:
        """Answer a browser's request: whose turn it is, or who its cookies name where the service has affinity."""
        routes = self._routes.get(environment)
        if routes is None:
            return None
        service = self._side(routes, path, cookies)
        if service is None:
            return None
        names = [backend.instance for backend in service.backends]
        cookie = f"{environment}/{service.service}"
        if service.affinity and cookies.get(cookie) in names:
            return cookies[cookie]
        self._turns += 1
        name = names[self._turns % len(names)]
        if service.affinity:
            cookies[cookie] = name
        return name

    def _side(self, routes: Routes, path: str, cookies: dict[str, str]) -> ServiceRoute | None:
        """Return the service that gets a request: with a canary, every 1/share-th goes there, and who was there."""
        first, canary = sides_of(routes, path)
        if first is None or canary is None or routes.canary is None:
            return first or canary
        sides = {routes.generation: first, routes.canary.generation: canary}
        cookie = f"{routes.environment}/{path}/release"
        if first.affinity and cookies.get(cookie) in sides:
            return sides[cookies[cookie]]
        self._owed += routes.canary.share
        chosen = routes.canary.generation if self._owed >= 1 else routes.generation
        self._owed -= 1 if self._owed >= 1 else 0
        if first.affinity:
            cookies[cookie] = chosen
        return sides[chosen]

    def answerers(self, environment: str, path: str = "/") -> tuple[str, ...]:
        """Return the names of all instances that a request may be sent to now."""
        routes = self._routes.get(environment)
        sides = sides_of(routes, path) if routes is not None and not routes.hold else ()
        return tuple(backend.instance for side in sides if side is not None for backend in side.backends)

    def _port_of(self, routes: Routes) -> int | None:
        return routes.port if routes.port is not None else self._ports.get(routes.environment)


def _is_closed(routes: Routes) -> bool:
    return bool(routes.edge.allow or routes.edge.logins or routes.maintenance is not None)
