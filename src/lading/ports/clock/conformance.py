"""What every adapter of Clock must do, as tests."""

from lading.ports.clock import Clock


class ClockConformance:
    """Promises of Clock; a subclass gives the ``clock`` fixture."""

    def test_monotonic_never_goes_back(self, clock: Clock) -> None:
        """Monotonic time only grows, and a wait that nothing wakes lasts as long as it was told."""
        before = clock.monotonic()
        assert clock.wait(0.03, lambda: False) is False
        assert clock.monotonic() - before >= 0.03

    def test_wall_time_passes_too(self, clock: Clock) -> None:
        """Wall time passes while somebody waits."""
        before = clock.now()
        clock.wait(0.03, lambda: False)
        assert clock.now() - before >= 0.02

    def test_wait_ends_at_once_when_woken(self, clock: Clock) -> None:
        """A wait whose condition holds already takes no time, even if it was to last for ever."""
        before = clock.monotonic()
        assert clock.wait(3600.0, lambda: True) is True
        assert clock.monotonic() - before < 1.0

    def test_condition_is_asked_often(self, clock: Clock) -> None:
        """A condition that comes true during the wait ends it early."""
        before = clock.monotonic()
        assert clock.wait(60.0, lambda: clock.monotonic() - before >= 0.03) is True
        assert clock.monotonic() - before < 5.0

    def test_no_wait_still_asks(self, clock: Clock) -> None:
        """Waiting for no time at all asks the condition once."""
        assert clock.wait(0.0, lambda: True) is True
        assert clock.wait(0.0, lambda: False) is False
        assert clock.wait(-1.0, lambda: False) is False
