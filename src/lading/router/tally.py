"""What the router counted, summed over restarts of the router and kept after a route is gone."""

import re
from collections.abc import Iterator

import msgspec

from lading.model.environment import Counters, p95
from lading.router.render import service_name

LINE = re.compile(r"traefik_service_(requests_total|request_duration_seconds_bucket)\{(.*)\} ([0-9.e+]+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
KEPT = 256  # generations remembered


class Sample(msgspec.Struct, kw_only=True):
    """Counts of one generation: requests, 5xx answers, answers up to each latency bound."""

    requests: int = 0
    errors: int = 0
    buckets: dict[float, int] = {}

    def plus(self, other: "Sample") -> "Sample":
        """Return the sum of both."""
        bounds = self.buckets.keys() | other.buckets.keys()
        return Sample(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            buckets={bound: self.buckets.get(bound, 0) + other.buckets.get(bound, 0) for bound in bounds},
        )


class Tally:
    """Counts per generation, fed with what Traefik's metrics page shows.

    Lost are the counts between the last feed and a crash of Traefik, and what was counted before a restart of the
    agent by a Traefik that has ended since.
    """

    def __init__(self) -> None:
        self._process: object = None
        self._now: dict[str, Sample] = {}
        self._before: dict[str, Sample] = {}

    def feed(self, process: object, metrics: str) -> None:
        """Take in a metrics page; ``process`` identifies the Traefik process that wrote it."""
        page = read(metrics)
        for name, last in list(self._now.items()):
            fresh = page.get(name)
            if process != self._process or (fresh is not None and fresh.requests < last.requests):
                self._before[name] = self._before.get(name, Sample()).plus(last)
                del self._now[name]
        self._process = process
        self._now |= page
        for old in list({**self._before, **self._now})[:-KEPT]:
            if old not in page:
                self._now.pop(old, None)
                self._before.pop(old, None)

    def counters(self, environment: str, generation: str) -> Counters:
        """Return the counts of one generation so far."""
        name = service_name(environment, generation, "")
        total = self._now.get(name, Sample()).plus(self._before.get(name, Sample()))
        return Counters(
            requests=total.requests, errors=total.errors, latency_p95=p95(total.buckets), buckets=total.buckets
        )


def read(metrics: str) -> dict[str, Sample]:
    """Return the counts on a metrics page by generation (``project~environment~generation~``)."""
    page: dict[str, Sample] = {}
    for kind, labels, value in _series(metrics):
        generation = "~".join(labels["service"].partition("@")[0].split("~")[:3]) + "~"
        sample = page.setdefault(generation, Sample())
        if kind == "requests_total":
            sample.requests += value
            sample.errors += value if labels["code"].startswith("5") else 0
        else:
            bound = float(labels["le"])
            sample.buckets[bound] = sample.buckets.get(bound, 0) + value
    return page


def _series(metrics: str) -> Iterator[tuple[str, dict[str, str], int]]:
    for line in metrics.splitlines():
        match = LINE.match(line)
        if match is not None:
            yield match.group(1), dict(LABEL.findall(match.group(2))), int(float(match.group(3)))
