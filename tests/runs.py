"""Runs of jobs as the journal holds them, for tests that care for what became of one."""

from typing import Any

from lading.model.jobs import JobRun


def ended_run(number: int, **more: Any) -> JobRun:
    """Return a run of a job in the local environment of a shop, which somebody asked for and which succeeded."""
    told: dict[str, Any] = {"project": "shop", "environment": "local", "ending": "succeeded", **more}
    return JobRun(id=number, job="settle", release="v1", trigger="asked", requested_by="ada", created=0.0, **told)
