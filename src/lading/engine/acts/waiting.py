"""Wait until instances are healthy, then until they are ready: the same act with another probe."""

from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.environment import InstanceSpec, InstanceState
from lading.model.errors import LadingError
from lading.model.manifest import Probe
from lading.model.plan import Health, Ready

# Seconds between two progress lines of one waiting step.
TELL_EVERY = 1.0


def act_health(context: Context, step: Health) -> Done:
    """Wait for every health check."""
    return _all(context, step.instances, "health")


def act_ready(context: Context, step: Ready) -> Done:
    """Wait for every ready check."""
    return _all(context, step.instances, "ready")


def _all(context: Context, specs: tuple[InstanceSpec, ...], which: str) -> Done:
    tries = 0
    for spec in specs:
        probe: Probe | None = getattr(spec, which)
        if probe is not None:
            tries += _until_passed(context, spec, probe, which)
    return Done(text=f"{tries} tries" if tries > len(specs) else "at once", facts={"tries": tries})


def _until_passed(context: Context, spec: InstanceSpec, probe: Probe, which: str) -> int:
    clock = context.world.clock
    start = clock.monotonic()
    deadline = start + probe.within
    tell = start + TELL_EVERY
    tries = 0
    while True:
        address = _address_of(context, spec, which, tries)
        answer = context.world.checks.probe(address, probe)
        tries += 1
        if answer.passed:
            return tries
        if clock.monotonic() >= deadline:
            raise _failed(context, spec, which, f"{answer.reason} after {probe.within:g} s ({tries} tries)")
        if clock.monotonic() >= tell:
            line = context.overheard(spec)
            context.progress(f"{spec.label}: {answer.reason}", tries=tries, limit=probe.within, line=line)
            tell = clock.monotonic() + TELL_EVERY
        context.wait(min(probe.interval, max(0.0, deadline - clock.monotonic())))


def _address_of(context: Context, spec: InstanceSpec, which: str, tries: int) -> str:
    state = context.world.runtime.look(spec.name)
    if state is None or not state.running:
        how = fate_of(state)
        raise _failed(context, spec, which, f"the instance {how} ({tries} tries)")
    return state.address


def _failed(context: Context, spec: InstanceSpec, which: str, reason: str) -> LadingError:
    return LadingError(
        f"{which}-failed",
        doing=f"{which} check of {spec.label} failed",
        happened=reason,
        hint=f"lading logs {context.rollout.environment} {spec.service} --rollout {context.rollout.id}",
        details=context.last_words(spec),
    )


def fate_of(state: InstanceState | None) -> str:
    """Say how an instance that no longer runs came to its end: ``exited with status 1``."""
    if state is None or state.exit_status is None:
        return "is gone"
    return state.ended or f"exited with status {state.exit_status}"
