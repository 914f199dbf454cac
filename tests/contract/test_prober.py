from collections.abc import Iterator

import pytest

from lading.checks.prober import HttpProber
from lading.ports.clock.memory import MemoryClock
from lading.ports.prober import ProbeTarget
from lading.ports.prober.conformance import ProberConformance
from lading.ports.prober.memory import MemoryProber
from tests.support import until
from tests.support_http import Server, serving


class MemoryWorld:
    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.prober = MemoryProber(self.clock)
        self.target = ProbeTarget(base_url="http://127.0.0.1:1", host=None, path="/", per_second=20.0)

    def pass_requests(self, name: str, requests: int) -> None:
        self.clock.advance(requests / self.target.per_second)

    def break_down(self) -> None:
        self.prober.lose(1)


class HttpWorld:
    def __init__(self, server: Server) -> None:
        self.prober = HttpProber()
        self.target = ProbeTarget(base_url=server.url, host="shop.example.org", path="/ready", per_second=200.0)
        self._server = server
        server.page("/ready", 200, b"ready")

    def pass_requests(self, name: str, requests: int) -> None:
        wanted = self.prober.count(name).requests + requests
        until(lambda: self.prober.count(name).requests >= wanted)

    def break_down(self) -> None:
        self._server.page("/ready", 502)


class TestMemoryProber(ProberConformance):
    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()

    def test_losses_of_one_name(self) -> None:
        """A loss told for one name is that name's alone, its first reason kept."""
        world = MemoryWorld()
        world.prober.start("1", world.target)
        world.prober.start("2", world.target)
        world.prober.lose(3, "502", name="1")
        world.prober.lose(1, "503")
        assert (world.prober.count("1").lost, world.prober.count("2").lost) == (4, 1)
        assert world.prober.count("1").first_loss == "502"
        assert world.prober.running == ("1", "2")


class TestHttpProber(ProberConformance):
    @pytest.fixture
    def world(self) -> Iterator[HttpWorld]:
        with serving() as server:
            world = HttpWorld(server)
            yield world
            for name in ("1", "2"):
                world.prober.stop(name)
