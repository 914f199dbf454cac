"""See that a backing service runs as the release wants it; what runs so already is left alone."""

import msgspec

from lading.engine.acts.waiting import fate_of
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.data_steps import StartBacking
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.ports.runtime import Run

SETTLE = 1.0  # seconds it must stay up where no check says that it works
CHECK = 10.0  # seconds one check may take
LOOK_EVERY = 0.2  # seconds between two checks


def act(context: Context, step: StartBacking) -> Done:
    """Start it, or replace another one by it, and wait until its check passes."""
    kept = context.record().backing.get(step.service) == step.spec
    # Also noted is one that an agent started which died before its check had passed.
    if kept and step.back == step.spec and _runs(context, step.spec):
        return Done(text=f"{step.spec.image}, unchanged")
    _put(context, step.service, step.spec)
    state = context.up(step.spec)
    _await(context, step)
    return Done(text=_text(step.spec, step.back), facts={"limits": state.limits})


def _text(spec: InstanceSpec, was: InstanceSpec | None) -> str:
    if was in (None, spec):
        return f"{spec.image} is up"
    return f"{spec.image}, instead of {was.image}" if spec.image != was.image else f"{spec.image}, anew: set otherwise"


def undo(context: Context, step: StartBacking) -> None:
    """Bring back what there was before, or nothing."""
    _put(context, step.service, step.back)
    if step.back is not None:
        # Also where the record always said so: it may have been stopped already.
        context.up(step.back)


def _put(context: Context, name: str, spec: InstanceSpec | None) -> None:
    """Note which instance is the environment's from now on; what was there instead has ended."""
    # The supervisor starts what the record names: it must not look while that changes.
    with context.locks.of(context.key):
        record = context.record()
        known = record.backing.get(name)
        if known is not None and known != spec:
            context.world.runtime.stop(known.name, grace=known.grace)
            context.world.runtime.remove(known.name)
        others = {key: one for key, one in record.backing.items() if key != name}
        backing = others if spec is None else {**others, name: spec}
        if backing != record.backing:
            context.world.journal.save_environment(msgspec.structs.replace(record, backing=backing))


def _await(context: Context, step: StartBacking) -> None:
    clock = context.world.clock
    deadline = clock.monotonic() + step.within
    if step.check is None:
        context.wait(SETTLE)
        if not _runs(context, step.spec):
            raise _failed(context, step, "")
        return
    told = ""
    while trouble := _trouble(context, step, step.check):
        if clock.monotonic() >= deadline or not _runs(context, step.spec):
            raise _failed(context, step, trouble)
        if trouble != told:
            context.progress(trouble)
            told = trouble
        context.wait(LOOK_EVERY)


def _trouble(context: Context, step: StartBacking, check: str) -> str:
    """Return why the check does not pass, empty when it does."""
    name = f"{step.spec.name}.check-r{context.rollout.id}"
    # In a container of its own, which finds the service by name as programs do.
    spec = msgspec.structs.replace(step.spec, name=name, command=check, volumes={}, aliases=(), egress=None)
    ended = context.world.runtime.run(Run(name=name, spec=spec, timeout=CHECK), {})
    if ended.exit_status == 0:
        return ""
    how = f"took longer than {CHECK:g} s" if ended.exit_status is None else f"exit status {ended.exit_status}"
    said = ended.output.strip().splitlines()
    return f"its check {how}{f': {said[-1]}' if said else ''}"


def _runs(context: Context, spec: InstanceSpec) -> bool:
    state = context.world.runtime.look(spec.name)
    return state is not None and state.running


def _failed(context: Context, step: StartBacking, trouble: str) -> LadingError:
    state = context.world.runtime.look(step.spec.name)
    happened = trouble if state is not None and state.running else f"it {fate_of(state)}"
    return LadingError(
        "start-failed",
        doing=f"start of {step.service}",
        happened=f"{happened}, after {step.within:g} s" if happened == trouble else happened,
        now=context.serving_now(),
        details=context.last_words(step.spec),
        hint=f"lading logs {context.rollout.environment} {step.service} --rollout {context.rollout.id}",
    )
