"""Run the smoke suite: the very same on the candidate and through the router, in every environment."""

from collections.abc import Mapping

import msgspec

from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.environment import InstanceSpec, Pinned
from lading.model.errors import LadingError
from lading.model.manifest import SmokeStep
from lading.model.paths import entry_service, own_path
from lading.model.plan import Smoke
from lading.model.secret import Secret, redact
from lading.ports.checks import Answer
from lading.ports.runtime import Run

# Seconds that a candidate has to write down why it answered as it did.
WORDS_WITHIN = 0.2


def act(context: Context, step: Smoke) -> Done:
    """Run every check in order; the first that fails turns the rollout around."""
    values = _secrets(context, step.unit)
    for number, check in enumerate(step.suite, start=1):
        context.check_cancelled()
        context.progress(check.name, check=number, of=len(step.suite))
        answer = _ask(context, step, check, values)
        if not answer.passed:
            raise _failed(context, step, check, answer, values)
        values.update(answer.captured)
    return Done(text=step.detail, facts={"checks": len(step.suite), "where": step.where})


def _secrets(context: Context, unit: Pinned) -> dict[str, Secret]:
    return {
        name: context.world.secrets.get(context.key, name, version)
        for name, version in unit.configuration.secret_versions.items()
    }


def _ask(context: Context, step: Smoke, check: SmokeStep, values: dict[str, Secret]) -> Answer:
    if check.kind == "http":
        return _request(context, step, check, values)
    return _run(context, step, check, values)


def _request(context: Context, step: Smoke, check: SmokeStep, values: dict[str, Secret]) -> Answer:
    if step.where == "router":
        base_url, host = context.world.router.probe_address(context.key)
        return context.world.checks.request(base_url, host, check, values, context.world.router.pass_for(context.key))
    name = check.service or entry_service(step.unit)
    spec = next((spec for spec in step.unit.web if spec.service == name), None)
    state = context.world.runtime.look(spec.name) if spec is not None else None
    if spec is None or state is None or not state.running:
        return Answer(passed=False, reason=f"no instance of {name} runs")
    probe = spec.ready or spec.health
    service = step.unit.release.manifest.services[spec.service]
    own = msgspec.structs.replace(check, path=own_path(service, check.path or "/"))
    return context.world.checks.request(
        f"http://{state.address}", probe.host if probe is not None else None, own, values
    )


def _run(context: Context, step: Smoke, check: SmokeStep, values: dict[str, Secret]) -> Answer:
    spec, timeout = _spec_of(step.unit, check)
    if spec is None:
        return Answer(passed=False, reason="the release has no service and no job in whose environment it could run")
    # Values travel as environment variables: an argument list can be read by every user of the host.
    captured = {key: value for key, value in values.items() if key.isidentifier()}
    secrets = {**captured, **context.secrets_of(spec)}
    name = f"{context.rollout.project}-{context.rollout.environment}-r{context.rollout.id}-{step.where}-{check.name}"
    run = Run(name=_safe(name), spec=spec, args=check.args, timeout=timeout)
    result = context.world.runtime.run(run, secrets)
    if result.exit_status is None:
        return Answer(passed=False, reason=f"stopped after its time limit of {timeout:g} s")
    return context.world.checks.judge(
        check.expect, exit_status=result.exit_status, output=result.output, outputs=result.outputs, values=values
    )


def _spec_of(unit: Pinned, check: SmokeStep) -> tuple[InstanceSpec | None, float]:
    """Return what a check is run as, and its time limit; a command without a service is run as the first there is."""
    if check.job is not None:
        job = next((spec for spec in unit.jobs if spec.service == check.job), None)
        return job, unit.release.manifest.jobs[check.job].timeout
    candidates = (*unit.instances, *unit.jobs)
    named = next((spec for spec in candidates if spec.service == check.service), None)
    spec = named or next(iter(candidates), None)
    return spec and msgspec.structs.replace(spec, command=check.command, port=None), check.timeout


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)


def _failed(
    context: Context, step: Smoke, check: SmokeStep, answer: Answer, values: Mapping[str, Secret]
) -> LadingError:
    place = "on the candidate" if step.where == "candidate" else "through the router"
    if step.where == "candidate":
        # A program answers 500 first and writes why after; through the router nobody may be kept waiting for that.
        context.world.clock.wait(WORDS_WITHIN, lambda: False)
    # What was captured is known here alone; the program may well have logged it.
    words = tuple(redact(line, values.values()) for spec in step.unit.web[:1] for line in context.last_words(spec))
    return LadingError(
        "smoke-failed",
        doing=f'smoke check "{check.name}" {place} failed',
        happened="; ".join((answer.reason, *_fallen(context, step.unit))),
        details=words,
        hint=f"lading logs {context.rollout.environment} --rollout {context.rollout.id}",
    )


def _fallen(context: Context, unit: Pinned) -> tuple[str, ...]:
    """Say which instances died meanwhile, and of what where that is known: it tells more than what a check met."""
    states = [(spec.label, context.world.runtime.look(spec.name)) for spec in unit.web]
    return tuple(
        f"{label} {state.ended or f'died with status {state.exit_status}'}"
        for label, state in states
        if state is not None and (state.ended or not state.running)
    )
