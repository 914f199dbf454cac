"""Give the new release a share of the requests, and compare it with what the previous one serves at the same time."""

from typing import Any, NamedTuple

import msgspec

from lading.engine.acts import drain, moving, probing
from lading.engine.acts.watch import COUNTING, LOOK_EVERY, MIN_ERRORS, TELL_EVERY, check_alive, restarts_of, watched
from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.routes import generation_of, shared_routes
from lading.model.environment import Counters
from lading.model.errors import LadingError
from lading.model.plan import Canary

# Requests of each release below which latencies are not compared: a percentile of a handful says nothing.
MIN_MEASURED = 30

# Seconds by which the slowest answers must differ at least: below that it is the machine's mood.
MIN_SLOWER = 0.1


class Both(NamedTuple):
    """What the router counted at one moment, or in between: the canary, the previous release, the prober's part."""

    canary: Counters
    previous: Counters
    probed: int

    def since(self, before: "Both") -> "Both":
        """Return what was counted since an earlier look, without what the prober was answered well.

        Nobody knows which of the two answered a request of the prober's; like all requests of strangers they are
        shared out, so each release has its part of them taken off.
        """
        canary, previous = self.canary.since(before.canary), self.previous.since(before.previous)
        probed, total = max(0, self.probed - before.probed), canary.requests + previous.requests
        own = max(0.0, 1 - probed / total) if total else 1.0
        return Both(_without(canary, own), _without(previous, own), probed)


def _without(counted: Counters, own: float) -> Counters:
    return msgspec.structs.replace(counted, requests=max(counted.errors, round(counted.requests * own)))


def act(context: Context, step: Canary) -> Done:
    """Route the share, hold it for its seconds; more errors or slower answers than tolerated turn the rollout back."""
    clock = context.world.clock
    with context.locks.of(context.key):
        context.world.router.apply(shared_routes(context.world, context.record(), step.previous, step.unit, step.share))
    context.wait(COUNTING)
    before = _look(context, step)
    began = clock.monotonic() - watched(context, step.seconds)
    restarts = {spec.name: restarts_of(context, spec) for spec in step.unit.web}
    tell = 0.0
    while True:
        check_alive(context, step.unit.web, restarts, doing=_doing(step))
        seen = _look(context, step).since(before)
        left = began + step.seconds - clock.monotonic()
        _check_errors(context, step, seen)
        if left <= step.seconds / 2:
            # Not at once: the first requests of a program that has just started are slower.
            _check_latency(context, step, seen)
        if left <= 0:
            break
        if clock.monotonic() >= tell:
            context.progress(_words(seen), left=round(left, 1), seconds=step.seconds)
            tell = clock.monotonic() + TELL_EVERY
        context.wait(min(LOOK_EVERY, left))
    return Done(text=_words(seen), facts=_facts(step, seen))


def undo(context: Context, step: Canary) -> Done:
    """Send all requests to the previous release again, and let the canary finish what it is answering."""
    routes = context.world.router.current(context.key)
    moving.route(context, step.previous)
    if routes is not None and routes.canary is not None:
        drain.finish(context, step.unit.web, step.drain_limit)
    return Done(text=f"{step.previous.release.version} serves everybody again")


def _look(context: Context, step: Canary) -> Both:
    router, key = context.world.router, context.key
    canary = router.counters(key, generation_of(step.unit))
    previous = router.counters(key, generation_of(step.previous))
    probed = probing.count(context)
    return Both(canary, previous, probed.requests - probed.lost)


def _check_errors(context: Context, step: Canary, seen: Both) -> None:
    share, before = _share(seen.canary), _share(seen.previous)
    if seen.canary.errors >= MIN_ERRORS and share > step.errors + before:
        happened = (
            f"{share:.1%} of its {seen.canary.requests} requests failed, "
            f"{step.errors + before:.1%} are tolerated ({before:.1%} of {step.previous.release.version}'s failed)"
        )
        raise _exceeded(context, step, happened)


def _check_latency(context: Context, step: Canary, seen: Both) -> None:
    now, before = seen.canary.latency_p95, seen.previous.latency_p95
    if now is None or before is None or min(_measured(seen.canary), _measured(seen.previous)) < MIN_MEASURED:
        return
    if now > max(before * step.latency, before + MIN_SLOWER):
        happened = (
            f"95 of 100 answers took up to {now * 1000:.0f} ms, {step.previous.release.version}'s at the same time "
            f"{before * 1000:.0f} ms; {step.latency:g} times that are tolerated"
        )
        raise _exceeded(context, step, happened)


def _measured(counted: Counters) -> int:
    return counted.buckets.get(float("inf"), counted.requests)


def _share(counted: Counters) -> float:
    return counted.errors / counted.requests if counted.requests else 0.0


def _doing(step: Canary) -> str:
    return f"canary {step.unit.release.version} with {step.subject} of the requests"


def _exceeded(context: Context, step: Canary, happened: str) -> LadingError:
    return LadingError(
        "watch-failed",
        doing=_doing(step),
        happened=happened,
        details=tuple(line for spec in step.unit.web[:1] for line in context.last_words(spec)),
        hint=f"lading logs {context.rollout.environment} --rollout {context.rollout.id}",
    )


def _words(seen: Both) -> str:
    if not seen.canary.requests and not seen.previous.requests:
        return "no requests but the prober's"
    parts = [f"{_share(seen.canary):.1%} errors of {seen.canary.requests} (previous {_share(seen.previous):.1%})"]
    if seen.canary.latency_p95 is not None:
        before = seen.previous.latency_p95
        compared = f" (previous {before * 1000:.0f} ms)" if before is not None else ""
        parts.append(f"p95 {seen.canary.latency_p95 * 1000:.0f} ms{compared}")
    return " · ".join(parts)


def _facts(step: Canary, seen: Both) -> dict[str, Any]:
    return {
        "share": step.share,
        "requests": seen.canary.requests,
        "errors": seen.canary.errors,
        "latency_p95": seen.canary.latency_p95,
        "previous": {
            "requests": seen.previous.requests,
            "errors": seen.previous.errors,
            "latency_p95": seen.previous.latency_p95,
        },
    }
