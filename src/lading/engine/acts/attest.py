"""Sign what passed in this rollout into the release's bill."""

from collections.abc import Sequence
from typing import Any

from lading.engine.acts import overlap, probing, stop
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.bill import Envelope, Statement
from lading.model.canonical import digest_of
from lading.model.data_steps import Migrate
from lading.model.environment import Pinned
from lading.model.plan import Attest, Canary, Plan, Workers
from lading.model.rollout import Mark


def act(context: Context, step: Attest) -> Done:
    """Sign one statement for the rollout as a whole and one a gate that measured something."""
    facts = facts_of(context)
    gates = {"rollout": facts, **_gates(context.rollout.plan, context.marks())}
    for gate, gate_facts in gates.items():
        envelope = sign(context, step.unit, gate, passed=True, facts=gate_facts)
        context.keep_statement(step.unit.release.digest, envelope)
    counted = {name: facts[name] for name in ("requests", "lost_requests", "slowest_seconds")}
    text = f"{len(gates)} gates signed as {context.world.signer.name}"
    return Done(text=text, facts={"gates": list(gates), **counted})


def sign(context: Context, unit: Pinned, gate: str, *, passed: bool, facts: dict[str, Any]) -> Envelope:
    """Return a signed statement about the unit's release in this environment."""
    release = unit.release
    return context.world.signer.sign(
        Statement(
            project=release.project,
            environment=context.rollout.environment,
            digest=release.digest,
            version=release.version,
            manifest=digest_of(release.manifest.frozen()),
            gate=gate,
            passed=passed,
            time=context.world.clock.now(),
            signer=context.world.signer.name,
            rollout=context.rollout.id,
            facts=facts,
        )
    )


def facts_of(context: Context) -> dict[str, Any]:
    """Return what the rollout measured: checks, requests, lost requests, the router's errors, seconds, revision."""
    marks = context.marks()
    gates = _gates(context.rollout.plan, marks)
    unit = context.rollout.plan.unit
    facts = {
        "kind": context.rollout.kind,
        "checks": gates.get("smoke", {}).get("checks", 0),
        **probing.final(context, marks),
        "router_errors": gates.get("watch", {}).get("errors", 0),
        # A wall clock that was set back must not give a negative duration.
        "seconds": round(max(0.0, context.world.clock.now() - context.rollout.created), 3),
        "configuration": unit.configuration.revision if unit is not None else "",
        "secret_versions": unit.configuration.secret_versions if unit is not None else {},
    }
    facts |= stop.facts_of(context)
    facts |= _worker_gap(context.rollout.plan, marks)
    facts |= overlap.facts_of(context, marks)
    if shares := _shares(context.rollout.plan, marks):
        facts["canary"] = shares
    if migrations := _migrations(context.rollout.plan, marks):
        facts["migrations"] = migrations
        facts["held_seconds"] = round(sum(one["held"] for one in migrations.values()), 4)
    if any(mark.result.get("anew") for mark in marks):
        facts["interrupted"] = "the agent was interrupted: requests before its last start are not counted"
    return facts


def _shares(plan: Plan, marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Return what was counted while the release had each share of the requests."""
    steps = plan.steps
    return [
        mark.result
        for mark in marks
        if isinstance(steps[mark.step], Canary) and (mark.phase, mark.direction) == ("outcome", "forward")
    ]


def _worker_gap(plan: Plan, marks: Sequence[Mark]) -> dict[str, Any]:
    """Return for how long no worker ran, where those of the previous release were stopped first."""
    for mark in reversed(marks):
        step = plan.steps[mark.step]
        if isinstance(step, Workers) and step.stop and (mark.phase, mark.direction) == ("outcome", "forward"):
            return {"worker_gap_seconds": mark.result["gap_seconds"]}
    return {}


def _migrations(plan: Plan, marks: Sequence[Mark]) -> dict[str, dict[str, Any]]:
    """Return what became of each database: its revision before and after, and for how many seconds requests waited."""
    return {
        mark.result["database"]: {name: mark.result[name] for name in ("before", "after", "held")}
        for mark in marks
        if isinstance(plan.steps[mark.step], Migrate) and mark.phase == "outcome"
    }


def _gates(plan: Plan, marks: Sequence[Mark]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for mark in marks:
        kind = plan.steps[mark.step].kind
        if mark.phase == "outcome" and mark.direction == "forward" and kind in ("smoke", "watch"):
            found[kind] = dict(mark.result)
    return found
