"""What a runtime that can hold an environment promises, as tests. A subclass gives a ``house`` fixture."""

from typing import Protocol

from lading.ports.runtime import Held, Runtime

MARKER = "shop/stage"


class House(Protocol):
    """A runtime, an environment's database, and an instance that writes to it."""

    @property
    def runtime(self) -> Runtime:
        """The runtime under test."""
        ...

    def reopen(self) -> Runtime:
        """Return the runtime as a new agent sees it after the death of the old one."""
        ...

    def start(self, name: str) -> None:
        """Start an instance of the environment that writes to the database."""
        ...

    def hold(self, name: str, *, exit_status: int = 0) -> Held:
        """Return a hold of the database, by a run that changes it and ends with a status."""
        ...

    def is_changed(self) -> bool:
        """Tell whether the database is as the run left it."""
        ...

    def stands_still(self, name: str) -> bool:
        """Tell whether an instance stands still."""
        ...

    def writes_on(self, name: str) -> None:
        """Wait until the instance has written something more."""
        ...


class HoldConformance:
    """The suite that each runtime runs which can hold."""

    def test_what_goes_well_is_kept(self, house: House) -> None:
        """A run that ends well stands, and everybody goes on."""
        house.start("web-1")
        result = house.runtime.run_held(house.hold("h"), {})
        assert (result.outcome, result.exit_status, result.reason) == ("kept", 0, "")
        assert house.is_changed()
        assert not house.stands_still("web-1")
        house.writes_on("web-1")

    def test_what_fails_is_restored(self, house: House) -> None:
        """A run that fails leaves the database as it was; nobody is left standing still, and the reason is told."""
        house.start("web-1")
        result = house.runtime.run_held(house.hold("h", exit_status=3), {})
        assert (result.outcome, result.exit_status) == ("restored", 3)
        assert "3" in result.reason
        assert not house.is_changed()
        assert not house.stands_still("web-1")
        house.writes_on("web-1")

    def test_it_is_carried_once(self, house: House) -> None:
        """Asked again under the same name, also by a new agent, it tells how it ended and runs nothing."""
        first = house.runtime.run_held(house.hold("h", exit_status=3), {})
        again = house.reopen().run_held(house.hold("h"), {})
        assert (again.outcome, again.exit_status) == (first.outcome, first.exit_status) == ("restored", 3)
        assert not house.is_changed()

    def test_one_that_is_over_is_settled(self, house: House) -> None:
        """Settling what is over tells its end; what never began ends restored; nothing is left unsettled."""
        assert house.runtime.unsettled(MARKER) == ()
        house.runtime.run_held(house.hold("h"), {})
        for name, outcome in (("h", "kept"), ("nobody", "restored")):
            result = house.runtime.settle(name)
            assert result is not None
            assert result.outcome == outcome
        assert house.runtime.unsettled(MARKER) == ()
        assert house.is_changed()
