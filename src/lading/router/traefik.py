"""The router adapter for Traefik: routes in one file, every switch confirmed, sockets held by a process of its own."""

import contextlib
import fcntl
import http
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from lading.model.certificates import CertificateState
from lading.model.environment import Counters, Pass, Routes
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.router.rules import check_against, check_routes, port_taken, refusal
from lading.router.api import Api, last_error, log_size
from lading.router.certificate import ensure_certificate
from lading.router.certificates import Certificates
from lading.router.control import Control, State
from lading.router.file import RouteFile, on_disk
from lading.router.identity import read_json, write_whole
from lading.router.passing import own_addresses, pass_key, pass_of
from lading.router.render import Surroundings, names, parse, render
from lading.router.rooms import Rooms
from lading.router.settings import RouterSettings, wants_of
from lading.router.tally import Tally
from lading.router.ways import MISSING_PORT_PATIENCE, missing_of, need_domain, probe_of, url_of

RESTORE_LIMIT = 2.0  # seconds to see the earlier routes in force again after a failure


class TraefikRouter:
    """Route requests with a Traefik of our own; everything it needs lies below ``root``.

    Several routers with different roots live beside each other on one machine.
    """

    def __init__(self, root: Path, *, settings: RouterSettings | None = None) -> None:
        self.root = root.resolve()
        self.settings = settings or RouterSettings()
        self._control = Control(self.root, self.settings, lambda: wants_of(self._file.routes().values()))
        self._tally = Tally()
        self._certificates = Certificates(self.root)
        self._rooms = Rooms(self.root / "rooms")
        self._threads = threading.RLock()
        self._depth = 0
        self._file = RouteFile(self.root)

    # life

    def ensure(self) -> None:
        """See that holder and Traefik run with the routes last applied; start or adopt them.

        A promised port that another program holds does not stop the others; see :meth:`missing`.
        """
        with self._alone():
            since = log_size(self.root / "traefik.log")
            # Those whose requests wait: the file names the ports of their rooms.
            for routes in self._file.routes().values():
                if routes.hold:
                    self._rooms.open(routes)
            self._write_current()
            self._control.ensure(self._promised())
            revision = self._write_current()  # again: which ports could be had is known only now
            with self._api() as api:
                if not api.await_revision(revision, self.settings.confirm_within):
                    raise self._unconfirmed("routes last applied", since)
            self._rooms.settle(self._file.routes())

    def stop(self) -> None:
        """End Traefik and the holder, giving requests under way their grace. Idempotent; routes and ports are kept."""
        with self._alone():
            self._control.stop()
            self._rooms.close()

    def missing(self) -> Mapping[str, str]:
        """Return the environments whose local port another program holds, with the reason."""
        return missing_of(self._control.state().missing, self._ports())

    def certificates(self) -> Mapping[str, CertificateState]:
        """Return what is known of the certificate of every environment that answers by TLS."""
        return self._certificates.states(self._file.routes().values())

    def trouble(self) -> str:
        """Return in a few words why nothing can be reached now, empty when holder and Traefik run and answer."""
        state = self._control.state()
        if not state.held:
            return "the holder of its sockets does not run"
        if not state.serving:
            return "Traefik does not run, or has not loaded its routes"
        with self._api() as api:
            return "" if api.get("/api/version")[0] == http.HTTPStatus.OK else "Traefik runs and does not answer"

    # ports

    def reserve_port(self, environment: str, wanted: int | None = None) -> int:
        """Return the environment's local port, the same at every call; raise ``port-taken``."""
        if wanted is not None and wanted in (self.settings.http_port, self.settings.https_port):
            raise port_taken(environment, f"port {wanted} is where every environment with a domain is served")
        with self._alone():
            ports = self._ports()
            mine = ports.get(environment)
            if mine is not None and wanted in (None, mine):
                return self._held(environment, mine)
            state = self._serving()
            others = {port: key for key, port in ports.items() if key != environment}
            port = wanted if wanted is not None else self._free(environment, state, others)
            if port in others:
                raise port_taken(environment, f"port {port} belongs to {others[port]}")
            if port not in state.sockets.values():
                self._bind(environment, port, list(others))
            self._save_ports({**ports, environment: port})
            self._control.ensure([*others, port])
            return port

    def release_port(self, environment: str) -> None:
        """Give the environment's port back."""
        with self._alone():
            ports = self._ports()
            if ports.pop(environment, None) is not None:
                self._save_ports(ports)

    def ports(self) -> Sequence[int]:
        """Return the ports that are held, lowest first."""
        return sorted(self._control.state().sockets.values())

    # routes

    def check(self, routes: Routes) -> None:
        """Raise what :meth:`apply` would raise for these routes, as far as it is known without changing anything."""
        with self._alone():
            check_routes(routes)
            check_against(routes, self._file.routes().values())
            need_domain(routes, self.settings, self._serving(), self._control)
            if routes.edge.tls is not None and not routes.edge.tls.acme:
                self._certificates.take(routes)

    def keep(self, environment: str, name: str, content: Secret) -> str:
        """Keep something secret for an environment, for the router's user alone, and return the file it lies in."""
        with self._alone():
            return self._certificates.keep(environment, name, content)

    def apply(self, routes: Routes) -> None:
        """Put an environment's routes in force and return once Traefik serves them; else restore the earlier ones."""
        with self._alone():
            check_routes(routes)
            in_force = self._file.routes()
            check_against(routes, in_force.values())
            self._need_way_in(routes)
            if routes.edge.tls is not None and not routes.edge.tls.acme:
                self._certificates.take(routes)
            if routes.hold:
                self._rooms.open(routes)
            try:
                self._switch(routes.environment, {**in_force, routes.environment: routes}, routes)
            finally:
                # Whatever came of it: who waits is passed on to what is in force now.
                self._rooms.settle(self._file.routes())

    def withdraw(self, environment: str) -> None:
        """Remove all routes of an environment."""
        with self._alone():
            in_force = self._file.routes()
            if environment in in_force:
                rest = {key: routes for key, routes in in_force.items() if key != environment}
                self._switch(environment, rest, None)
                self._rooms.settle(rest)

    def current(self, environment: str) -> Routes | None:
        """Return the routes in force, as the router's own file has them."""
        return self._file.routes().get(environment)

    def counters(self, environment: str, generation: str) -> Counters:
        """Return what was counted for a generation; what Traefik cannot say now is answered from the last look."""
        with self._threads:
            process = self._control.state().router
            with self._api() as api:
                status, page = api.get("/metrics")
            if status == 200:
                self._tally.feed(process, page.decode())
            return self._tally.counters(environment, generation)

    def url(self, environment: str) -> str:
        """Return where the environment answers, empty without a route."""
        routes = self._file.routes().get(environment)
        if routes is None:
            return ""
        return url_of(routes, self.settings) or self._local(routes.environment, routes)

    def probe_address(self, environment: str) -> tuple[str, str | None]:
        """Return base URL and Host header by which this host reaches the environment."""
        routes = self._file.routes().get(environment)
        domain = routes.domain if routes is not None else None
        base = probe_of(routes, self.settings, self._certificates.trust(routes)) if routes is not None else ""
        return base or self._local(environment, routes), domain

    def pass_for(self, environment: str) -> Pass:
        """Return what to send with requests from this host so that the environment's edge lets them through."""
        routes = self._file.routes().get(environment)
        trust = self._certificates.trust(routes) if routes is not None else ""
        return msgspec.structs.replace(pass_of(self.root, environment), trust=trust)

    # inside

    def _promised(self) -> list[int]:
        """Return the ports to hold; an environment that is about to move keeps its old one until it has moved."""
        in_force = {routes.port for routes in self._file.routes().values() if routes.port is not None}
        return sorted(in_force.union(self._ports().values()))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one thread of one process at a time change ports and routes."""
        with self._threads:
            if self._depth:
                yield
                return
            for directory in (self.root, self.root / "routes"):
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self.root / "change.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0

    def _switch(self, environment: str, wanted: Mapping[str, Routes], routes: Routes | None) -> None:
        """Write the file and confirm it; on failure restore what stood there."""
        self._serving()
        needed = wants_of([*self._file.routes().values(), *wanted.values()])
        if needed != wants_of(self._file.routes().values()):
            self._control.ensure(self._promised(), needed)
        around = self._around(wanted.values())
        text, revision = render(wanted, around)
        before = self._file.text()
        since = log_size(self.root / "traefik.log")
        with self._api() as api:
            if text != before:
                self._file.write(text)
            half = self.settings.confirm_within / 2
            if not api.await_revision(revision, half):
                # Written once more, in case the kernel dropped the notice of the first time.
                self._file.write(text)
                if not api.await_revision(revision, half):
                    self._restore(api, before)
                    raise self._unconfirmed(f"routes of {environment}", since)
            complaint = api.complaint(*names(routes, around)) if routes is not None else ""
            if complaint:
                self._restore(api, before)
                raise self._unconfirmed(f"routes of {environment}", since, complaint)
        self._file.confirm(text)
        self._certificates.sweep(wanted.values())

    def _write_current(self) -> str:
        """Write the routes in force as today's ports and this version render them; return the revision."""
        routes = self._file.routes()
        text, revision = render(routes, self._around(routes.values()))
        if self._file.text() != text:
            self._file.write(text)
        return revision

    def _save_ports(self, ports: Mapping[str, int]) -> None:
        with on_disk(self.root / "ports.json"):
            write_whole(self.root / "ports.json", msgspec.json.encode(ports, order="sorted"))

    def _restore(self, api: Api, before: bytes) -> None:
        self._file.write(before)
        with contextlib.suppress(ValueError):  # what stood there was broken by hand: nothing to wait for
            earlier = parse(before)
            api.await_revision(render(earlier, self._around(earlier.values()))[1], RESTORE_LIMIT)

    def _unconfirmed(self, doing: str, since: int, happened: str = "") -> LadingError:
        said = last_error(self.root / "traefik.log", since)
        return LadingError(
            "router-failed",
            doing=doing,
            happened=happened or f"the router did not confirm them within {self.settings.confirm_within:g} s",
            now="the earlier routes are in force",
            hint=f"read {self.root / 'traefik.log'}, then try again",
            details=(f"last error of the router: {said}",) if said else (),
        )

    def _serving(self) -> State:
        """Return the holder's state, bringing it up when it or Traefik is down."""
        state = self._control.state()
        if not state.serving:
            self.ensure()
            state = self._control.state()
        return state

    def _around(self, routes: Iterable[Routes]) -> Surroundings:
        state = self._control.state()
        return Surroundings(
            ports=self._ports(),
            public=self.settings.http_port is not None and "http" not in state.missing,
            https_port=self.settings.https_port if "https" not in state.missing else None,
            certificates=self._certificates.current(routes),
            asking=self._certificates.asking(routes),
            certificate=ensure_certificate(self.root),
            interval=self.settings.check_interval,
            pages=state.pages,
            pass_key=pass_key(self.root),
            own=own_addresses(self.settings),
            rooms=self._rooms.ports(),
        )

    def _api(self) -> Api:
        return Api(lambda: self._control.state().api)

    def _ports(self) -> dict[str, int]:
        with on_disk(self.root / "ports.json", "read"):
            return {key: int(port) for key, port in read_json(self.root / "ports.json").items()}

    def _local(self, environment: str, routes: Routes | None) -> str:
        port = (routes.port if routes is not None else None) or self._ports().get(environment)
        return f"http://127.0.0.1:{port}" if port is not None else ""

    def _need_way_in(self, routes: Routes) -> None:
        """See that requests can reach the environment: by its port, or by its domain."""
        if routes.port is not None or routes.environment in self._ports():
            self.reserve_port(routes.environment, routes.port)
        elif routes.services and (routes.domain is None or self.settings.http_port is None):
            raise refusal(routes.environment, "it has no local port, and no domain that this host serves")
        need_domain(routes, self.settings, self._serving(), self._control)

    def _held(self, environment: str, port: int) -> int:
        """Return a promised port once it is held; raise ``port-taken`` while another program has it."""
        state = self._serving()
        if port in state.sockets.values():
            return port
        why = self._control.retry_missing(f"p{port}", MISSING_PORT_PATIENCE).missing.get(f"p{port}")
        if why:
            raise port_taken(environment, f"port {port} was given to it, but another program holds it now: {why}")
        return port

    def _free(self, environment: str, state: State, others: Mapping[int, str]) -> int:
        pool = sorted(port for name, port in state.sockets.items() if name.startswith("p") and port not in others)
        if not pool:
            raise port_taken(environment, f"all {len(others)} local ports belong to other environments")
        return pool[0]

    def _bind(self, environment: str, port: int, others: Sequence[int]) -> None:
        """Have the holder listen on a port outside of its pool."""
        state = self._control.ensure([*others, port])
        why = state.missing.get(f"p{port}")
        if why:
            self._control.ensure(others)
            raise port_taken(environment, f"port {port} cannot be had: {why}")
