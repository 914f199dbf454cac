"""What every adapter of Prober must do, as tests."""

from typing import Protocol

from lading.ports.prober import ProbeCount, Prober, ProbeTarget


class World(Protocol):
    """What a subclass's ``world`` fixture gives: the adapter, a place to ask, and time."""

    prober: Prober
    target: ProbeTarget

    def pass_requests(self, name: str, requests: int) -> None:
        """Let time pass until at least so many more requests were sent under ``name``."""
        ...

    def break_down(self) -> None:
        """Make the place lose requests."""
        ...


class ProberConformance:
    """Promises of Prober; a subclass gives the ``world`` fixture."""

    def test_unknown_name_counts_nothing(self, world: World) -> None:
        """A name that never asked has zeros, and stopping it is no error."""
        assert world.prober.count("nobody") == ProbeCount()
        assert world.prober.stop("nobody") == ProbeCount()

    def test_counts_what_is_sent(self, world: World) -> None:
        """Requests are counted while it asks; none is lost of a place that answers."""
        world.prober.start("1", world.target)
        world.pass_requests("1", 5)
        count = world.prober.stop("1")
        assert count.requests >= 5
        assert count.lost == 0
        assert count.first_loss == ""
        assert count.slowest > 0

    def test_counts_losses(self, world: World) -> None:
        """Lost requests are counted, with the first reason in words."""
        world.prober.start("1", world.target)
        world.pass_requests("1", 2)
        world.break_down()
        world.pass_requests("1", 4)
        count = world.prober.stop("1")
        assert 0 < count.lost <= count.requests
        assert count.first_loss

    def test_starting_twice_asks_once(self, world: World) -> None:
        """Starting while it already asks does nothing: the count goes on."""
        world.prober.start("1", world.target)
        world.pass_requests("1", 3)
        world.prober.start("1", world.target)
        assert world.prober.count("1").requests >= 3
        world.prober.stop("1")

    def test_stopping_twice_is_the_same(self, world: World) -> None:
        """After a stop nothing is sent any more, and stopping again gives the same final count."""
        world.prober.start("1", world.target)
        world.pass_requests("1", 3)
        final = world.prober.stop("1")
        assert world.prober.stop("1") == final
        assert world.prober.count("1") == final

    def test_starting_again_forgets_no_loss(self, world: World) -> None:
        """A name that is started again after a stop goes on from its count, so no loss is forgotten."""
        world.prober.start("1", world.target)
        world.pass_requests("1", 2)
        before = world.prober.stop("1")
        world.prober.start("1", world.target)
        world.pass_requests("1", 2)
        assert world.prober.stop("1").requests >= before.requests + 2

    def test_names_are_apart(self, world: World) -> None:
        """Two rollouts count apart."""
        world.prober.start("1", world.target)
        world.prober.start("2", world.target)
        world.pass_requests("1", 2)
        world.prober.stop("1")
        world.pass_requests("2", 2)
        assert world.prober.stop("2").requests > 0
