"""``lading run`` and ``lading runs``: run a job of the release that an environment serves, and what came of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, echo, echo_json, pass_state
from lading.model.errors import JOB_FAILED, JOB_STATUS, LadingError

if TYPE_CHECKING:
    from lading.client.agent import Agent

MOST_STATUS = 255  # the largest exit status there is


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("job")
@click.argument("arguments", nargs=-1, metavar="[-- ARGS…]")
@click.option("--size", metavar="SIZE", help="Run it in this size of the manifest's [sizes], not in its own.")
@click.option("--detach", "-d", is_flag=True, help="Do not wait for it: say its number and end.")
@pass_state
@click.pass_context
def run(
    ctx: click.Context,
    state: State,
    environment: str,
    job: str,
    arguments: tuple[str, ...],
    size: str | None,
    detach: bool,
) -> None:
    """Run a JOB of the release that ENVIRONMENT serves to its end, and show what it writes.

    It runs with the environment's configuration, secrets, databases and volumes, from the very artifact that serves.
    ARGS after -- follow its command. What it writes goes to stdout, what is said about it to stderr. Once the agent has
    accepted it the run goes on by itself: Ctrl-C only stops watching. The exit status is 0 when it succeeded, 150 + N
    when the job ended with its own status N, and 9 when it failed otherwise.
    """
    from lading.cli.interrupts import postponed
    from lading.client.agent import requester

    agent = state.agent_for(environment)
    request = {
        "project": state.outline.name,
        "environment": environment,
        "job": job,
        "args": list(arguments),
        "size": size,
        "requested_by": requester(),
    }
    # Held back until the agent has said whether it accepts, so that what is told then is true.
    with postponed("" if state.json else "\nwaiting for the agent's answer\n") as interrupted:
        opened = agent.post("/v1/runs", request)["run"]
    state.note(f"{state.outline.name} {opened['release']}  {job} in {environment}  run {opened['id']}")
    if detach:
        state.result({"run": opened})
        state.note(f"  follow it:  lading runs {environment} --follow {opened['id']}")
        return
    if interrupted():
        raise _detached(state, environment, opened["id"])
    ctx.exit(watch(state, agent, environment, opened["id"]))


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("job", required=False)
@click.option("--follow", "follow_number", type=int, metavar="RUN", help="Show what a run wrote, and go on to its end.")
@click.option("--stop", "stop_number", type=int, metavar="RUN", help="Ask a run to end; it has its grace.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many runs to list.")
@pass_state
@click.pass_context
def runs(
    ctx: click.Context,
    state: State,
    environment: str,
    job: str | None,
    follow_number: int | None,
    stop_number: int | None,
    limit: int,
) -> None:
    """List the runs of jobs (of JOB only, if given) in ENVIRONMENT, newest first, or follow or stop one.

    Runs that a schedule meant and that never began are listed as missed.
    """
    agent = state.agent_for(environment)
    if stop_number is not None:
        of_environment(agent, state.outline.name, environment, stop_number)
        stopped = agent.post(f"/v1/runs/{stop_number}/stop")["run"]
        state.result({"run": stopped})
        state.say(_stopped(stopped))
        return
    if follow_number is not None:
        of_environment(agent, state.outline.name, environment, follow_number)
        ctx.exit(watch(state, agent, environment, follow_number))
    found = agent.get("/v1/runs", project=state.outline.name, environment=environment, job=job, limit=limit)["runs"]
    state.result({"runs": found})
    for line in [*_listing(found), *_unsent(environment, found)]:
        state.say(line)
    if not found:
        state.say(f"no job has run in {environment} yet; next: lading run {environment} {job or 'JOB'}")


def of_environment(agent: Agent, project: str, environment: str, number: int) -> dict[str, Any]:
    """Return a run of an environment; raise ``unknown-run`` when that number is none, or another environment's."""
    found: dict[str, Any] = agent.get(f"/v1/runs/{number}")["run"]
    if (found["project"], found["environment"]) != (project, environment):
        raise LadingError(
            "unknown-run",
            doing=f"looking for run {number} of {environment}",
            happened=f"it is a run of {found['project']} in {found['environment']}",
            now="nothing was changed",
            hint=f"lading runs {environment}",
        )
    return found


def watch(state: State, agent: Agent, environment: str, number: int) -> int:
    """Show what a run writes until it has ended, or until Ctrl-C, and return the exit status."""
    from lading.client.follow import follow_run

    try:
        for written in follow_run(agent, number):
            for line in written["lines"]:
                if state.json:
                    echo_json({"output": {"run": number, "line": line}})
                else:
                    echo(line)
            if written["run"] is not None:
                return _conclude(state, environment, written["run"])
    except KeyboardInterrupt:
        raise _detached(state, environment, number) from None
    raise AssertionError("following a run ends with it or raises")


def _conclude(state: State, environment: str, ended: dict[str, Any]) -> int:
    status = exit_status_of(ended)
    if state.json:
        echo_json({"run": ended} if status == 0 else {"run": ended, "error": _failure(environment, ended).to_plain()})
        return status
    if status == 0:
        from lading.cli.words import seconds

        files = f" · {_files(environment, ended)}" if ended["outputs"] else ""
        state.note(f"{ended['job']} succeeded in {seconds(ended['seconds'])}{files}")
        return status
    from lading.cli.main import tell_error

    tell_error(_failure(environment, ended))
    return status


def exit_status_of(ended: dict[str, Any]) -> int:
    """Return the exit status that stands for the end of a run."""
    if ended["ending"] == "succeeded":
        return 0
    own = ended["exit_status"]
    if ended["ending"] == "failed" and own is not None and own > 0:
        return min(JOB_STATUS + int(own), MOST_STATUS)
    return JOB_FAILED


def _failure(environment: str, ended: dict[str, Any]) -> LadingError:
    from lading.cli.words import seconds

    number = ended["id"]
    took = f" after {seconds(ended['seconds'])}" if ended["seconds"] else ""
    status = exit_status_of(ended)
    return LadingError(
        "job-failed",
        doing=f"{ended['job']} in {environment}, run {number}",
        happened=f"{ended['ending'].replace('_', ' ')}{took}: {ended['reason']}",
        now=_files(environment, ended) if ended["outputs"] else "it left no files",
        hint=f"lading runs {environment} --follow {number}, for all that it wrote   (exit status {status})",
    )


def _files(environment: str, ended: dict[str, Any]) -> str:
    from lading.cli.words import count

    return f"{count(len(ended['outputs']), 'file')}: lading outputs {environment} {ended['id']}"


def _stopped(run: dict[str, Any]) -> str:
    if run["ending"] is not None:
        return f"run {run['id']} of {run['job']} had ended: {run['ending'].replace('_', ' ')}"
    return f"run {run['id']} of {run['job']} is asked to end"


def _detached(state: State, environment: str, number: int) -> click.exceptions.Exit:
    from lading.cli.main import INTERRUPTED

    state.note(
        f"\ndetached: run {number} goes on without this terminal\n"
        f"  follow it:  lading runs {environment} --follow {number}\n"
        f"  stop it:    lading runs {environment} --stop {number}"
    )
    return click.exceptions.Exit(INTERRUPTED)


def _listing(found: list[dict[str, Any]]) -> list[str]:
    from lading.cli.words import table

    rows = [("run", "job", "release", "how it ended", "when", "took", "by")] if found else []
    return table([*rows, *(_row(one) for one in found)])


def _unsent(environment: str, found: list[dict[str, Any]]) -> list[str]:
    """Return what is to be said of files that could not be sent to their object store."""
    from lading.cli.outputs import unsent

    waiting = [one for one in found if (one.get("sending") or {}).get("trouble")]
    return [line for one in waiting for line in unsent(environment, one)]


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    from lading.cli.words import age, count, seconds

    ending = (one["ending"] or ("is stopping" if one["stopping"] else "runs")).replace("_", " ")
    if one["ending"] == "failed" and one["exit_status"]:
        ending = f"failed, {one['exit_status']}"
    if one["slots"] > 1:
        ending = f"missed {count(one['slots'], 'time')}"
    took = seconds(one["seconds"]) if one["seconds"] else ""
    by = one["trigger"] if one["trigger"] != "asked" else one["requested_by"]
    return (str(one["id"]), one["job"], one["release"], ending, age(one["created"]), took, by)
