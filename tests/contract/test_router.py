"""The Router port's promises, kept by every adapter."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.model.environment import Backend, Pass
from lading.ports.router import Router
from lading.ports.router.conformance import NO_PASS, RouterConformance
from lading.ports.router.memory import MemoryRouter
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter
from tests.support_router import FIRST_PORT, Instance


class TestMemoryRouter(RouterConformance):
    @pytest.fixture
    def router(self) -> Router:
        return MemoryRouter()

    def backend(self, name: str) -> Backend:
        return Backend(instance=name, address="127.0.0.1:8001")

    def ask(self, router: Router, environment: str, path: str = "/", passing: Pass = NO_PASS) -> str | None:
        assert isinstance(router, MemoryRouter)
        return router.ask(environment, path, passing)

    def visit(self, router: Router, environment: str, cookies: dict[str, str], path: str = "/") -> str | None:
        assert isinstance(router, MemoryRouter)
        return router.visit(environment, cookies, path)

    def wait(self, router: Router, environment: str, path: str = "/") -> tuple[int, str]:
        assert isinstance(router, MemoryRouter)
        return router.wait(environment, path)

    def after_restart(self, router: Router) -> Router:
        return router


@pytest.mark.system
class TestTraefikRouter(RouterConformance):
    @pytest.fixture
    def router(self, tmp_path: Path) -> Iterator[Router]:
        self.servers: dict[str, Instance] = {}
        router = TraefikRouter(tmp_path / "router", settings=RouterSettings(pool_first=FIRST_PORT, pool_size=4))
        router.ensure()
        yield router
        router.stop()
        for server in self.servers.values():
            server.close()

    def backend(self, name: str) -> Backend:
        if name not in self.servers:
            self.servers[name] = Instance(name)
        return Backend(instance=name, address=self.servers[name].address)

    def ask(self, router: Router, environment: str, path: str = "/", passing: Pass = NO_PASS) -> str | None:
        return self._ask(router, environment, path, {}, passing)

    def visit(self, router: Router, environment: str, cookies: dict[str, str], path: str = "/") -> str | None:
        return self._ask(router, environment, path, cookies, NO_PASS)

    def wait(self, router: Router, environment: str, path: str = "/") -> tuple[int, str]:
        base, _ = router.probe_address(environment)
        try:
            with urllib.request.urlopen(base + path, timeout=30.0) as answer:
                return answer.status, str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, "" if int(error.headers.get("Retry-After", "0")) > 0 else "does not say when"

    def _ask(self, router: Router, environment: str, path: str, cookies: dict[str, str], passing: Pass) -> str | None:
        base, host = router.probe_address(environment)
        headers = {"Host": host} if host else {}
        headers |= {name: value.reveal() for name, value in passing.headers.items()}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        request = urllib.request.Request(base + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5.0) as answer:
                for line in answer.headers.get_all("Set-Cookie", []):
                    name, value = line.partition(";")[0].split("=", 1)
                    cookies[name] = value
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def after_restart(self, router: Router) -> Router:
        assert isinstance(router, TraefikRouter)
        return TraefikRouter(router.root, settings=router.settings)
