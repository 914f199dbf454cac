import threading

import pytest

from lading.ports.clock import Clock
from lading.ports.clock.conformance import ClockConformance
from lading.ports.clock.memory import MemoryClock
from lading.ports.clock.system import SystemClock


class TestMemoryClock(ClockConformance):
    @pytest.fixture
    def clock(self) -> Clock:
        return MemoryClock()

    def test_hours_cost_nothing(self) -> None:
        """Virtual time passes by being waited for."""
        clock = MemoryClock(start=1000.0)
        assert clock.wait(7200.0, lambda: False) is False
        assert clock.monotonic() == 7200.0
        assert clock.now() == 8200.0

    def test_a_jump_moves_no_deadline(self) -> None:
        """Wall time may jump while monotonic time goes on."""
        clock = MemoryClock(start=1000.0)
        clock.at(5.0, lambda: clock.jump(-500.0))
        clock.wait(10.0, lambda: False)
        assert clock.monotonic() == 10.0
        assert clock.now() == 510.0

    def test_planned_acts_happen_at_their_moment(self) -> None:
        """What is planned happens in order, at its moment, and can end a wait."""
        clock = MemoryClock()
        seen: list[tuple[str, float]] = []
        clock.at(3.0, lambda: seen.append(("second", clock.monotonic())))
        clock.at(1.0, lambda: seen.append(("first", clock.monotonic())))
        assert clock.wait(600.0, lambda: len(seen) == 2) is True
        assert seen == [("first", 1.0), ("second", 3.0)]
        assert clock.monotonic() == 3.0
        clock.at(1.0, lambda: seen.append(("third", clock.monotonic())))
        clock.advance(2.0)
        assert seen[2] == ("third", 4.0)
        assert clock.monotonic() == 5.0

    def test_threads_share_one_time_line(self) -> None:
        """Two threads that wait at once do not wait twice as long."""
        clock = MemoryClock()
        gate = threading.Barrier(2)

        def wait() -> None:
            gate.wait()
            clock.wait(100.0, lambda: False)

        threads = [threading.Thread(target=wait) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 100.0 <= clock.monotonic() <= 200.0


class TestSystemClock(ClockConformance):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()
