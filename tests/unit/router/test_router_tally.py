"""What is counted stays counted: over restarts of the router and after a route is gone."""

import pytest

from lading.model.environment import Counters
from lading.router.tally import KEPT, Tally, p95

INFINITE = float("inf")


def page(**services: tuple[int, int]) -> str:
    """Return a metrics page: per service the answers 200 (all within 10 ms) and 502 (all slower than 1 s)."""
    lines = ["# TYPE traefik_service_requests_total counter", "go_goroutines 12"]
    for service, (good, bad) in services.items():
        for code, count, quick in (("200", good, good), ("502", bad, 0)):
            labels = f'code="{code}",method="GET",protocol="http",service="shop~stage~{service}@file"'
            lines.append(f"traefik_service_requests_total{{{labels}}} {count}")
            for bound, value in (("0.01", quick), ("1.5", count), ("+Inf", count)):
                name = "traefik_service_request_duration_seconds_bucket"
                lines.append(f'{name}{{{labels},le="{bound}"}} {value}')
    return "\n".join(lines)


def counted(tally: Tally, generation: str = "r1") -> tuple[int, int]:
    counters = tally.counters("shop/stage", generation)
    return counters.requests, counters.errors


def test_all_services_and_leaves_of_a_generation_count() -> None:
    """Ready, any and plain services of one generation are one sum; other generations are not in it."""
    tally = Tally()
    tally.feed(1, page(**{"r1~web~ready": (5, 1), "r1~web~any": (2, 0), "r1~api": (1, 0), "r11~web": (9, 9)}))
    assert counted(tally) == (9, 1)
    assert counted(tally, "r11") == (18, 9)


def test_counts_outlive_the_router_and_the_route() -> None:
    """A new router process starts at zero; what the old one counted is added. A route that is gone keeps its sum."""
    tally = Tally()
    tally.feed("first", page(**{"r1~web": (5, 1)}))
    tally.feed("first", page(**{"r2~web": (1, 0)}))
    assert counted(tally) == (6, 1)
    tally.feed("second", page(**{"r1~web": (2, 0)}))
    tally.feed("second", page(**{"r1~web": (3, 0)}))
    assert (counted(tally), counted(tally, "r2")) == ((9, 1), (1, 0))


def test_a_series_that_starts_again_is_added() -> None:
    """A generation that comes back after its route was gone counts on."""
    tally = Tally()
    tally.feed(1, page(**{"r1~web": (5, 0)}))
    tally.feed(1, page(**{"r1~web": (1, 0)}))
    assert counted(tally) == (6, 0)


def test_old_generations_are_forgotten() -> None:
    """An agent that runs for years holds a bounded number of counts."""
    tally = Tally()
    for number in range(KEPT + 20):
        tally.feed(1, page(**{f"r{number}~web": (1, 0)}))
    assert counted(tally, "r0") == (0, 0)
    assert counted(tally, f"r{KEPT + 19}") == (1, 0)
    assert len(tally._now) + len(tally._before) <= KEPT + 1


def test_nothing_counted_is_zero() -> None:
    """An unknown generation has no latency, rather than a wrong one."""
    assert Tally().counters("shop/stage", "r1") == Counters()


@pytest.mark.parametrize(
    ("buckets", "bound"),
    [
        ({}, None),
        ({0.01: 0, INFINITE: 0}, None),
        ({0.01: 94, 1.5: 100, INFINITE: 100}, 1.5),
        ({0.01: 95, 1.5: 100, INFINITE: 100}, 0.01),
        ({0.01: 0, 60.0: 10, INFINITE: 100}, 60.0),
    ],
)
def test_p95_is_the_bound_that_covers_95_percent(buckets: dict[float, int], bound: float | None) -> None:
    """An upper bound, so that a slow release is never called fast; beyond the last bound that bound is given."""
    assert p95(buckets) == bound
