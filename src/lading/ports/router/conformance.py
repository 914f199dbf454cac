"""What every Router must keep, as tests: subclass it and give ``router`` and the three hooks."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor, wait

import msgspec

from lading.model.environment import Backend, Canary, Edge, Maintenance, Pass, Routes, ServiceRoute
from lading.model.environment_table import Limits
from lading.model.errors import LadingError
from lading.model.manifest import Probe
from lading.ports.router import Router

NO_PASS = Pass()
STRANGERS = "192.0.2.0/24"  # documentation's own: nobody comes from there
HASH = "$2b$04$" + "a" * 53
STAGE = "cashback/stage"
OTHER = "cashback/other"


def code_of(act: object, *args: object) -> str:
    """Return the code of the error that calling ``act`` must raise."""
    assert callable(act)
    try:
        act(*args)
    except LadingError as error:
        if not (error.doing and error.happened and error.hint):
            raise AssertionError(f"the error must say doing, happened and hint: {error}") from error
        return error.code
    raise AssertionError(f"{act} raised nothing")


class RouterConformance(ABC):
    """The promises of the Router port."""

    @abstractmethod
    def backend(self, name: str) -> Backend:
        """Start an instance that answers with its name, ready at ``/ready``."""

    @abstractmethod
    def ask(self, router: Router, environment: str, path: str = "/", passing: Pass = NO_PASS) -> str | None:
        """Send a request to the environment, with what the pass holds, and return the name of the instance that
        answered, None when none did.
        """

    @abstractmethod
    def visit(self, router: Router, environment: str, cookies: dict[str, str], path: str = "/") -> str | None:
        """Ask as a browser does that holds ``cookies``, put there what it is given, and return who answered."""

    @abstractmethod
    def wait(self, router: Router, environment: str, path: str = "/") -> tuple[int, str]:
        """Send a request and wait for its answer: (200, who answered), or (503, "") when it said when to try again."""

    @abstractmethod
    def after_restart(self, router: Router) -> Router:
        """Return a router as a new agent would get it, over what the old one left."""

    def routes(self, router: Router, environment: str, generation: str, *names: str) -> Routes:
        """Return routes of one service with these instances on the environment's port."""
        service = ServiceRoute(
            service="web", backends=tuple(self.backend(name) for name in names), ready=Probe(path="/ready")
        )
        port = router.reserve_port(environment)
        return Routes(environment=environment, generation=generation, port=port, services=(service,))

    def test_applied_routes_answer_at_once(self, router: Router) -> None:
        """When apply returns, new requests go to the new instance; the next apply moves them on."""
        first, second = (self.routes(router, STAGE, f"r{n}", f"web-{n}") for n in (1, 2))
        for routes in (first, second, first):
            router.apply(routes)
            assert self.ask(router, STAGE) == routes.services[0].backends[0].instance
            assert router.current(STAGE) == routes

    def test_applying_what_stands_changes_nothing(self, router: Router) -> None:
        """Applying what already stands confirms and changes nothing."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        router.apply(routes)
        router.apply(routes)
        assert router.current(STAGE) == routes
        assert self.ask(router, STAGE) == "web-1"

    def test_environments_do_not_touch_each_other(self, router: Router) -> None:
        """Applying, refusing and withdrawing routes of one environment leaves those of others alone."""
        mine, theirs = self.routes(router, STAGE, "r1", "web-1"), self.routes(router, OTHER, "r2", "web-2")
        router.apply(mine)
        router.apply(theirs)
        assert (self.ask(router, STAGE), self.ask(router, OTHER)) == ("web-1", "web-2")
        router.withdraw(STAGE)
        router.withdraw(STAGE)
        assert (self.ask(router, STAGE), self.ask(router, OTHER)) == (None, "web-2")
        assert (router.current(STAGE), router.current(OTHER)) == (None, theirs)
        assert router.url(STAGE) == ""

    def test_a_service_gets_the_paths_below_its_own(self, router: Router) -> None:
        """The longest matching path wins, by whole segments."""
        services = tuple(
            ServiceRoute(service=name, path=path, backends=(self.backend(name),))
            for name, path in (("site", "/"), ("api", "/api"), ("admin", "/api/admin"))
        )
        router.apply(Routes(environment=STAGE, generation="r1", port=router.reserve_port(STAGE), services=services))
        asked = {path: self.ask(router, STAGE, path) for path in ("/", "/api", "/api/x", "/apix", "/api/admin/y")}
        assert asked == {"/": "site", "/api": "api", "/api/x": "api", "/apix": "site", "/api/admin/y": "admin"}

    def test_requests_are_spread_over_the_instances(self, router: Router) -> None:
        """Every instance gets its part, whoever asks."""
        router.apply(self.routes(router, STAGE, "r1", "web-1", "web-2"))
        answers = [self.visit(router, STAGE, {}) for _ in range(8)]
        assert min(answers.count(name) for name in ("web-1", "web-2")) >= 2

    def test_a_client_stays_with_its_instance(self, router: Router) -> None:
        """With affinity; across a switch, and when its instance is gone, it stays with the one it gets next."""
        first, second = (
            self.with_affinity(self.routes(router, STAGE, f"r{n}", f"web-{n}a", f"web-{n}b")) for n in (1, 2)
        )
        cookies: dict[str, str] = {}
        for routes in (first, second, first):
            router.apply(routes)
            names = {self.visit(router, STAGE, cookies) for _ in range(6)}
            assert len(names) == 1
            assert names <= {backend.instance for backend in routes.services[0].backends}
        assert {self.visit(router, STAGE, {}) for _ in range(6)} == {"web-1a", "web-1b"}

    def held(self, routes: Routes, seconds: float) -> Routes:
        """Return what lets the requests of these routes wait."""
        services = tuple(msgspec.structs.replace(service, backends=()) for service in routes.services)
        generation = f"{routes.generation}-gap"
        return msgspec.structs.replace(routes, generation=generation, services=services, hold=seconds)

    def test_requests_wait_until_there_is_who_answers(self, router: Router) -> None:
        """While routes are held no instance is asked; those that waited are answered by what is applied next."""
        first, second = (self.routes(router, STAGE, f"r{n}", f"web-{n}") for n in (1, 2))
        router.apply(first)
        for after, name in ((second, "web-2"), (first, "web-1")):
            router.apply(self.held(first, 20.0))
            router.apply(self.held(first, 20.0))
            with ThreadPoolExecutor(4) as pool:
                waiting = [pool.submit(self.wait, router, STAGE) for _ in range(4)]
                done, _ = wait(waiting, timeout=0.2)
                assert not done
                router.apply(after)
                assert {answer.result(10.0) for answer in waiting} == {(200, name)}
            assert self.ask(router, STAGE) == name
            assert router.current(STAGE) == after

    def test_who_waits_too_long_is_told_to_try_again(self, router: Router) -> None:
        """A request that nobody can answer in time gets 503 with Retry-After, and so does who comes after it."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        router.apply(routes)
        router.apply(self.held(routes, 0.2))
        assert [self.wait(router, STAGE) for _ in range(2)] == [(503, "")] * 2
        router.apply(routes)
        assert self.wait(router, STAGE) == (200, "web-1")

    def test_who_waits_is_not_forgotten_when_the_agent_dies(self, router: Router) -> None:
        """Requests wait over the agent's death, and the next one's routes answer them."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        router.apply(routes)
        router.apply(self.held(routes, 20.0))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.wait, router, STAGE)
            heir = self.after_restart(router)
            heir.ensure()
            assert heir.current(STAGE) == self.held(routes, 20.0)
            heir.apply(routes)
            assert waiting.result(10.0) == (200, "web-1")

    def test_nobody_waits_for_what_was_withdrawn(self, router: Router) -> None:
        """Who waits when the routes are withdrawn is told so at once."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        router.apply(self.held(routes, 20.0))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.wait, router, STAGE)
            assert not wait([waiting], timeout=0.2).done
            router.withdraw(STAGE)
            assert waiting.result(10.0) == (503, "")

    def shared(self, routes: Routes, share: float, generation: str, *names: str) -> Routes:
        """Return routes of which these instances get a share."""
        services = tuple(
            msgspec.structs.replace(service, backends=tuple(self.backend(name) for name in names))
            for service in routes.services
        )
        return msgspec.structs.replace(routes, canary=Canary(generation=generation, share=share, services=services))

    def test_a_canary_gets_its_share(self, router: Router) -> None:
        """Of the requests of strangers, exactly, at each share; and nothing once it is left out again."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        router.apply(routes)
        for share, fewest, most in ((0.1, 3, 5), (0.5, 18, 22)):
            with_canary = self.shared(routes, share, "r2", "web-2")
            router.apply(with_canary)
            assert router.current(STAGE) == with_canary
            answers = [self.visit(router, STAGE, {}) for _ in range(40)]
            assert fewest <= answers.count("web-2") <= most
            assert answers.count("web-1") + answers.count("web-2") == 40
        router.apply(routes)
        assert {self.visit(router, STAGE, {}) for _ in range(10)} == {"web-1"}

    def test_a_client_does_not_flip_between_two_releases(self, router: Router) -> None:
        """With affinity, who got one of both stays with it, also when the share grows and when all is switched."""
        routes = self.with_affinity(self.routes(router, STAGE, "r1", "web-1"))
        clients: list[dict[str, str]] = [{} for _ in range(8)]
        for share in (0.5, 0.75):
            router.apply(self.shared(routes, share, "r2", "web-2"))
            rounds = [[self.visit(router, STAGE, cookies) for cookies in clients] for _ in range(3)]
            assert all(answers == rounds[0] for answers in rounds)
            assert set(rounds[0]) == {"web-1", "web-2"}
        router.apply(self.with_affinity(self.routes(router, STAGE, "r2", "web-2")))
        assert {self.visit(router, STAGE, cookies) for cookies in clients} == {"web-2"}

    def test_paths_of_one_release_only_are_shared_with_who_gets_them_there(self, router: Router) -> None:
        """A service that only the canary has takes its share of requests that went elsewhere before."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        services = tuple(
            ServiceRoute(service=name, path=path, backends=(self.backend(name),))
            for name, path in (("site", "/"), ("api", "/api"))
        )
        router.apply(msgspec.structs.replace(routes, canary=Canary(generation="r2", share=0.5, services=services)))
        for path, name in (("/", "site"), ("/api/x", "api")):
            answers = [self.visit(router, STAGE, {}, path) for _ in range(10)]
            assert {answers.count("web-1"), answers.count(name)} == {5}

    def with_affinity(self, routes: Routes) -> Routes:
        """Return routes whose services keep a client on an instance."""
        services = tuple(msgspec.structs.replace(service, affinity=True) for service in routes.services)
        return msgspec.structs.replace(routes, services=services)

    def test_malformed_routes_are_refused_whole(self, router: Router) -> None:
        """Values a router must not be given raise router-failed, and what serves goes on serving."""
        good = self.routes(router, STAGE, "r1", "web-1")
        router.apply(good)
        port, fine = good.port, good.services[0].backends[0]

        def of(**change: object) -> Routes:
            plain = {"environment": STAGE, "generation": "r2", "port": port, "services": good.services, **change}
            return Routes(**plain)  # type: ignore[arg-type]

        def service(**change: object) -> tuple[ServiceRoute, ...]:
            return (ServiceRoute(**{"service": "web", "backends": (fine,), **change}),)  # type: ignore[arg-type]

        bad = [
            of(generation="{{ env }}"),
            of(domain="stage.example.org`) || Path(`/x"),
            of(domain="{{.}}.example.org"),
            of(environment="no-slash"),
            of(services=service(backends=())),
            of(services=service(path="api")),
            of(services=service(path="/a`b")),
            of(services=service(service="a~b")),
            of(services=service(backends=(Backend(instance="x", address="127.0.0.1"),))),
            of(services=service(backends=(Backend(instance="x", address="127.0.0.1:99999"),))),
            of(services=service(backends=(Backend(instance="x", address="{{x}}:80"),))),
            of(services=service(ready=Probe(path="/{{ready}}"))),
            of(services=service(ready=Probe(path="/ready", host="a b"))),
            of(services=service() + service()),
            of(canary=Canary(generation="r2", share=0.5, services=service())),
            of(canary=Canary(generation="r3", share=0.0, services=service())),
            of(canary=Canary(generation="r3", share=1.0, services=service())),
            of(canary=Canary(generation="{{ r3 }}", share=0.5, services=service())),
            of(canary=Canary(generation="r3", share=0.5, services=service(backends=()))),
            of(edge=Edge(logins=("anna:password",))),
            of(edge=Edge(logins=("{{anna}}:" + HASH,))),
            of(edge=Edge(allow=("192.0.2.0/33",))),
            of(edge=Edge(allow=("`) || Path(`/",))),
            of(edge=Edge(limits=Limits(rate=0.0))),
            of(edge=Edge(limits=Limits(body=-1))),
        ]
        for routes in bad:
            assert code_of(router.apply, routes) == "router-failed", routes
        assert router.current(STAGE) == good
        assert self.ask(router, STAGE) == "web-1"

    def test_only_who_is_let_in_reaches_an_instance(self, router: Router) -> None:
        """Strangers are turned away at every path; a pass of the environment's own opens it to this host, none else."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        for edge in (Edge(allow=(STRANGERS,)), Edge(logins=(f"anna:{HASH}",)), Edge(limits=Limits(rate=1000.0))):
            router.apply(msgspec.structs.replace(routes, edge=edge))
            closed = bool(edge.allow or edge.logins)
            for path in ("/", "/health", "/any/thing"):
                assert (self.ask(router, STAGE, path) is None) == closed, (edge, path)
            assert self.ask(router, STAGE, passing=router.pass_for(STAGE)) == "web-1"
            assert router.pass_for(STAGE) == router.pass_for(STAGE)
            assert (self.ask(router, STAGE, passing=router.pass_for(OTHER)) is None) == closed
        router.apply(routes)
        assert self.ask(router, STAGE) == "web-1"

    def test_under_maintenance_only_own_checks_get_through(self, router: Router) -> None:
        """Visitors get no instance at any path; a pass does; the services answer again when it is over."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        closed = msgspec.structs.replace(routes, maintenance=Maintenance(message="Back at {{noon}}\u2028 <b>"))
        theirs = self.routes(router, OTHER, "r2", "web-2")
        router.apply(theirs)
        for _ in range(2):
            router.apply(closed)
            router.apply(closed)
            assert router.current(STAGE) == closed
            assert [self.ask(router, STAGE, path) for path in ("/", "/ready", "/any")] == [None] * 3
            assert self.ask(router, STAGE, passing=router.pass_for(STAGE)) == "web-1"
            assert self.ask(router, OTHER) == "web-2"
            router.apply(routes)
            assert self.ask(router, STAGE) == "web-1"

    def test_two_environments_cannot_have_one_domain(self, router: Router) -> None:
        """A domain answers for one environment only."""
        mine, theirs = self.routes(router, STAGE, "r1", "web-1"), self.routes(router, OTHER, "r2", "web-2")
        router.apply(self.with_domain(mine, "stage.example.org"))
        assert code_of(router.apply, self.with_domain(theirs, "stage.example.org")) == "router-failed"
        assert router.current(OTHER) is None

    def with_domain(self, routes: Routes, domain: str) -> Routes:
        """Return routes with a domain."""
        return Routes(
            environment=routes.environment,
            generation=routes.generation,
            port=routes.port,
            domain=domain,
            services=routes.services,
        )

    def test_a_port_stays_with_its_environment(self, router: Router) -> None:
        """The same port at every call, another one for others, and free again once released."""
        port = router.reserve_port(STAGE)
        assert port in router.ports()
        assert router.reserve_port(STAGE) == port == router.reserve_port(STAGE, port)
        other = router.reserve_port(OTHER)
        assert other != port
        assert code_of(router.reserve_port, OTHER, port) == "port-taken"
        assert router.reserve_port(OTHER) == other
        router.release_port(STAGE)
        router.release_port(STAGE)
        assert router.reserve_port(OTHER, port) == port

    def test_ports_are_given_out_once_even_at_the_same_time(self, router: Router) -> None:
        """Two environments that ask at the same moment get two ports."""
        with ThreadPoolExecutor(4) as pool:
            ports = list(pool.map(router.reserve_port, [f"cashback/e{n}" for n in range(4)]))
        assert len(set(ports)) == 4

    def test_routes_and_ports_survive_the_agent(self, router: Router) -> None:
        """A new agent finds routes, ports and addresses as the old one left them, and traffic never noticed."""
        routes = self.routes(router, STAGE, "r1", "web-1")
        router.apply(routes)
        heir = self.after_restart(router)
        assert self.ask(heir, STAGE) == "web-1"
        heir.ensure()
        heir.ensure()
        assert heir.current(STAGE) == routes
        assert heir.reserve_port(STAGE) == routes.port
        assert heir.url(STAGE) == f"http://127.0.0.1:{routes.port}"
        assert heir.probe_address(STAGE) == (f"http://127.0.0.1:{routes.port}", None)
        assert self.ask(heir, STAGE) == "web-1"

    def test_an_unknown_generation_counts_nothing(self, router: Router) -> None:
        """Counters of what was never applied are zero."""
        counters = router.counters(STAGE, "never")
        assert (counters.requests, counters.errors, counters.latency_p95) == (0, 0, None)
