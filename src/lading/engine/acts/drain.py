"""Let the previous instances finish, then keep them as the instant way back."""

import msgspec

from lading.engine.acts import probing
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.environment import EnvironmentRecord, InstanceSpec
from lading.model.plan import Drain

# Seconds before the first look: a request that the router sent just before the switch is still on its way.
FLOOR = 0.2

# Seconds between two looks at the connections.
LOOK_EVERY = 0.1

# Seconds between two progress lines.
TELL_EVERY = 1.0


def act(context: Context, step: Drain) -> Done:
    """Wait until no connection is left, at most the limit; what is still open then is closed properly and counted."""
    busy = finish(context, step.instances, step.limit)
    counted = probing.final(context, context.marks())
    closed = sum(busy.values())
    leaving = step.instances if step.keep <= 0 else tuple(spec for spec in step.instances if spec.name in busy)
    for spec in leaving:
        # The stop signal lets the program end its streams and sockets properly, within its own grace.
        context.world.runtime.stop(spec.name, grace=spec.grace)
    text = f"{closed} connections closed at the limit" if closed else "nothing cut"
    return Done(text=text, facts={"closed": closed, **counted}, record=_standing_by(context, step))


def finish(context: Context, specs: tuple[InstanceSpec, ...], limit: float) -> dict[str, int]:
    """Wait until no connection to the instances is left, at most ``limit`` seconds; return how many each has still."""
    clock = context.world.clock
    start = clock.monotonic()
    context.wait(FLOOR)
    tell = start + TELL_EVERY
    while (busy := _busy(context, specs)) and clock.monotonic() - start < limit:
        if clock.monotonic() >= tell:
            context.progress(f"{sum(busy.values())} connections to the release that is left", limit=limit)
            tell = clock.monotonic() + TELL_EVERY
        context.wait(LOOK_EVERY)
    return busy


def _busy(context: Context, specs: tuple[InstanceSpec, ...]) -> dict[str, int]:
    counts = {spec.name: context.world.runtime.connections(spec.name) for spec in specs}
    return {name: count for name, count in counts.items() if count}


def _standing_by(context: Context, step: Drain) -> EnvironmentRecord:
    record = context.record()
    if record.standby is None or step.keep <= 0:
        return msgspec.structs.replace(record, standby=None, standby_until=0.0)
    return msgspec.structs.replace(record, standby_until=context.world.clock.now() + step.keep)
