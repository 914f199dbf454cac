"""Observe the new release under real traffic, by the router's own counters."""

import msgspec

from lading.engine.acts import probing
from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.routes import generation_of
from lading.model.environment import Counters, InstanceSpec
from lading.model.errors import LadingError
from lading.model.plan import Watch

# Seconds between two looks at the counters.
LOOK_EVERY = 0.25

# Seconds that are watched in any case after the agent was interrupted.
LAST_LOOK = 0.5

# Seconds between two progress lines.
TELL_EVERY = 1.0

# Seconds within which the router has counted what was answered just before: it counts after it answers.
COUNTING = 0.05

# Errors that never turn a rollout around by themselves: one failed request among a handful says nothing.
MIN_ERRORS = 3


def act(context: Context, step: Watch) -> Done:
    """Watch for the step's seconds; an exceeded error budget or a dead instance turns the rollout back."""
    clock = context.world.clock
    generation = generation_of(step.unit)
    before = _seen(context, generation, begin=True)
    tolerated = step.errors + _share_before(context, step)
    end = clock.monotonic() + step.seconds - watched(context, step.seconds)
    tell = 0.0
    restarts = {spec.name: restarts_of(context, spec) for spec in step.unit.instances}
    while True:
        check_alive(context, step.unit.instances, restarts)
        seen = _seen(context, generation).since(before)
        _check_budget(context, seen, tolerated)
        left = end - clock.monotonic()
        if left <= 0:
            break
        if clock.monotonic() >= tell:
            context.progress(_words(seen), left=round(left, 1), seconds=step.seconds)
            tell = clock.monotonic() + TELL_EVERY
        context.wait(min(LOOK_EVERY, left))
    return Done(text=_words(seen), facts=_facts(seen))


def watched(context: Context, seconds: float) -> float:
    """Return how many of so many seconds count as watched already, by an agent that died: what it watched went on.

    Without them an agent that dies more often than the watch is long would never end a rollout. The last look is
    always taken anew, since what was counted before is not known any more.
    """
    marks = context.world.journal.marks(context.rollout.id)
    began = [mark.at for mark in marks if mark.step == context.index and mark.phase == "intent"]
    if not began:
        return 0.0
    return min(max(0.0, context.world.clock.now() - began[0]), max(0.0, seconds - LAST_LOOK))


def _share_before(context: Context, step: Watch) -> float:
    if step.previous is None:
        return 0.0
    counted = context.world.router.counters(context.key, generation_of(step.previous))
    return counted.errors / counted.requests if counted.requests else 0.0


def _seen(context: Context, generation: str, *, begin: bool = False) -> Counters:
    """Return what the router has counted, without the prober's own requests as far as they were answered well.

    Those are nearly always fine and would thin out the share of failed ones. Router and prober cannot be read at one
    moment, and a request of the prober's that ends in between counts at one of them only. So at the ``begin`` the
    router is read last and later first: such a request is never taken for somebody else's.
    """
    if begin:
        probed = probing.count(context)
        context.wait(COUNTING)
        counted = context.world.router.counters(context.key, generation)
    else:
        counted = context.world.router.counters(context.key, generation)
        probed = probing.count(context)
    return msgspec.structs.replace(counted, requests=counted.requests - probed.requests + probed.lost)


def _check_budget(context: Context, seen: Counters, tolerated: float) -> None:
    share = seen.errors / max(seen.requests, seen.errors, 1)
    if seen.errors >= MIN_ERRORS and share > tolerated:
        raise LadingError(
            "watch-failed",
            doing="watch",
            happened=f"{share:.1%} of {seen.requests} requests failed, {tolerated:.1%} are tolerated",
            hint=f"lading logs {context.rollout.environment} --rollout {context.rollout.id}",
        )


def restarts_of(context: Context, spec: InstanceSpec) -> int:
    """Return how often an instance has been started again."""
    state = context.world.runtime.look(spec.name)
    return state.restarts if state is not None else 0


def check_alive(
    context: Context, specs: tuple[InstanceSpec, ...], restarts: dict[str, int], *, doing: str = "watch"
) -> None:
    """Raise ``watch-failed`` when one of the instances does not run, or was started again since ``restarts``."""
    for spec in specs:
        state = context.world.runtime.look(spec.name)
        if state is None or not state.running or state.restarts > restarts[spec.name]:
            status = state.exit_status if state is not None else None
            how = state.ended if state is not None and state.ended else f"died with status {status}"
            raise LadingError(
                "watch-failed",
                doing=doing,
                happened=f"{spec.label} {how}",
                details=context.last_words(spec),
                hint=f"lading logs {context.rollout.environment} {spec.service} --rollout {context.rollout.id}",
            )


def _words(seen: Counters) -> str:
    if not seen.requests and not seen.errors:
        return "no requests but the prober's"
    share = seen.errors / seen.requests if seen.requests else 0.0
    latency = f" · p95 {seen.latency_p95 * 1000:.0f} ms" if seen.latency_p95 is not None else ""
    return f"{share:.1%} errors of {seen.requests} requests{latency}"


def _facts(seen: Counters) -> dict[str, object]:
    return {"requests": seen.requests, "errors": seen.errors, "latency_p95": seen.latency_p95}
