"""What every journal says when it refuses: one wording, whatever the journal is kept in."""

from datetime import UTC, datetime

from lading.model.canonical import short
from lading.model.errors import LadingError
from lading.model.jobs import JobRun
from lading.model.release import Release
from lading.model.rollout import Outcome, Rollout


def busy(kind: str, holder: Rollout, at: float, doing: str = "") -> LadingError:
    """Return the refusal of a rollout while ``holder`` is unfinished: who, since when, doing what to which release.

    ``at`` is when it was asked for, in seconds since the epoch; ``doing`` names what was asked where it is no rollout.
    """
    since = datetime.fromtimestamp(holder.created, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    # The clock may have been set back since; an age that cannot be true is better left out.
    age = f" ({at - holder.created:.0f} s ago)" if at >= holder.created else ""
    return LadingError(
        "busy",
        doing=doing or f"starting a {kind} in {holder.project}/{holder.environment}",
        happened=f"{holder.requested_by} started a {holder.kind} of {holder.plan.release} "
        f"there at {since}{age}, and rollout {holder.id} has not ended",
        now=f"{holder.environment} is in the hands of rollout {holder.id}; nothing else was touched",
        hint=f"wait until it ends (lading status {holder.environment} shows how far it is), "
        f"or turn it back: lading cancel {holder.environment}",
    )


def version_taken(known: Release, offered: Release) -> LadingError:
    """Return the refusal to point a version at another digest."""
    return LadingError(
        "version-taken",
        doing=f"recording release {offered.version} of {offered.project}",
        happened=f"{offered.version} already names {short(known.digest)}, and this is {short(offered.digest)}",
        now=f"{offered.version} still names {short(known.digest)}",
        hint="give the new content a new version",
    )


def unknown_rollout(number: int) -> LadingError:
    """Return the refusal of a number that names no rollout."""
    return LadingError(
        "unknown-rollout",
        happened=f"the journal has no rollout {number}",
        now="nothing was changed",
        hint="lading status lists the environments and what they serve",
    )


def already_ended(rollout: Rollout, doing: str, wanted: Outcome | None = None) -> LadingError:
    """Return the refusal to change a rollout that has its outcome; a stray writer must not move a free environment."""
    other = f", so it cannot become {wanted}" if wanted else ""
    return LadingError(
        "unexpected",
        doing=f"{doing} of rollout {rollout.id}",
        happened=f"the rollout already ended: {rollout.outcome}{other}",
        now=f"rollout {rollout.id} stays {rollout.outcome}; its environment was not changed",
        hint="the agent's log says who carried the rollout twice",
    )


def unknown_run(number: int) -> LadingError:
    """Return the refusal of a number that names no run of a job."""
    return LadingError(
        "unknown-run",
        happened=f"the journal has no run {number}",
        now="nothing was changed",
        hint="lading runs ENVIRONMENT",
    )


def changed_run(run: JobRun, changed: JobRun) -> JobRun:
    """Return the changed run; raise ``unexpected`` when it had ended and would end otherwise, or be another."""
    if run.ending is not None and changed.ending != run.ending:
        raise LadingError(
            "unexpected",
            doing=f"the end of run {run.id}",
            happened=f"the run already ended: {run.ending}, so it cannot become {changed.ending}",
            now=f"run {run.id} stays {run.ending}",
            hint="the agent's log says who carried the run twice",
        )
    if (run.id, run.key, run.job, run.slot) != (changed.id, changed.key, changed.job, changed.slot):
        raise ValueError(f"run {run.id} would become another")
    return changed
