"""lading run, lading runs and lading outputs."""

import hashlib
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lading.cli.run import exit_status_of
from lading.model.environment_table import ObjectStore
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, OutputFile, Sending
from lading.model.secret import Secret
from lading.ports.runtime import RunResult
from tests.runs import ended_run
from tests.support import until
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run

JOB = """
[jobs.settle]
command = "settle"
timeout = "10m"

[sizes.large]
memory = "1GiB"
"""


@pytest.fixture
def yard(project: Path, run: Run, agent: MemoryAgent) -> MemoryAgent:
    """An agent whose environment local serves a release with a job."""
    manifest = project / "lading.toml"
    manifest.write_text(manifest.read_text() + JOB)
    commit(project, "a job", "v1.1.0")
    assert run("deploy", "local", "v1.1.0").status == 0
    return agent


def ends(agent: MemoryAgent, exit_status: int, output: str = "") -> None:
    """Let every run of the job end so."""
    result = RunResult(exit_status=exit_status, output=output, outputs="", seconds=0.0)
    agent.world.runtime.script_run("settle", result)  # type: ignore[attr-defined]


def test_a_run_shows_what_it_writes(yard: MemoryAgent, run: Run) -> None:
    """What the job wrote goes to stdout alone, what is said about it to stderr; 0 when it succeeded."""
    ends(yard, 0, "first\nsecond")
    said = run("run", "local", "settle", "--", "--day", "7")
    assert (said.status, said.out) == (0, "first\nsecond\n")
    assert "settle in local  run 1" in said.err
    assert "settle succeeded" in said.err
    begun = yard.world.journal.run(1)
    assert begun is not None
    assert begun.args == ("--day", "7")


def test_json_gives_lines_and_last_the_run(yard: MemoryAgent, run: Run) -> None:
    """A script gets each line as an object, and last the run with its end."""
    ends(yard, 0, "first")
    said = run("run", "local", "settle", "--json")
    assert said.lines[0] == {"output": {"run": 1, "line": "first"}}
    assert said.result["run"]["ending"] == "succeeded"
    ends(yard, 3, "broken")
    failed = run("run", "local", "settle", "--json")
    assert failed.status == 153
    assert failed.result["error"]["code"] == "job-failed"
    assert failed.result["run"]["exit_status"] == 3


@pytest.mark.parametrize(
    ("ending", "own", "status"),
    [
        ("succeeded", 0, 0),
        ("succeeded", 4, 0),
        ("failed", 1, 151),
        ("failed", 104, 254),
        ("failed", 105, 255),
        ("failed", 255, 255),
        ("failed", 0, 9),
        ("failed", -9, 9),
        ("failed", None, 9),
        ("timed_out", -15, 9),
        ("timed_out", 1, 9),
        ("stopped", -15, 9),
        ("interrupted", None, 9),
        ("missed", None, 9),
    ],
)
def test_the_exit_status_tells_whose_it_is(ending: str, own: int | None, status: int) -> None:
    """A job's own status is given on so that it is none of Lading's; every other failure of a job is 9."""
    assert exit_status_of({"ending": ending, "exit_status": own}) == status


def test_a_size_is_chosen_for_a_run(yard: MemoryAgent, run: Run) -> None:
    """A run gets the limits of the size that it is asked with; an unknown one starts nothing."""
    ends(yard, 0)
    assert run("run", "local", "settle", "--size", "large").status == 0
    begun = yard.world.journal.run(1)
    assert begun is not None
    assert begun.spec is not None
    assert (begun.size, begun.spec.resources.memory) == ("large", 1 << 30)
    refused = run("run", "local", "settle", "--size", "huge")
    assert refused.status == 2
    assert "it has: large" in refused.err


def test_what_is_not_there_is_not_run(yard: MemoryAgent, run: Run) -> None:
    """An unknown job names those there are; an environment that serves nothing says how to deploy."""
    said = run("run", "local", "sttle")
    assert said.status == 2
    assert "it has: settle" in said.err
    empty = run("run", "stage", "settle")
    assert empty.status == 2
    assert "lading deploy stage" in empty.err
    assert list(yard.world.journal.runs()) == []


def test_no_secret_is_taken_as_an_argument(yard: MemoryAgent, run: Run) -> None:
    """An argument that holds a secret's value is refused, and is kept nowhere."""
    yard.world.secrets.put("shop/local", {"TOKEN": Secret("open-sesame")})  # type: ignore[attr-defined]
    said = run("run", "local", "settle", "--", "--token=open-sesame")
    assert said.status == 2
    assert "open-sesame" not in said.err + said.out
    assert list(yard.world.journal.runs()) == []


def test_output_is_masked(yard: MemoryAgent, run: Run) -> None:
    """A secret that a job prints is masked wherever it would be shown."""
    yard.world.secrets.put("shop/local", {"TOKEN": Secret("open-sesame")})  # type: ignore[attr-defined]
    ends(yard, 1, "say open-sesame now")
    said = run("run", "local", "settle")
    assert said.status == 151
    assert "open-sesame" not in said.out + said.err
    assert "say" in said.out
    assert "open-sesame" not in run("runs", "local", "--json").out


def test_runs_are_listed_followed_and_stopped(yard: MemoryAgent, run: Run) -> None:
    """A run that goes on is listed and can be stopped; followed afterwards, it tells how it ended."""
    detached = run("run", "local", "settle", "--detach", "--json").result["run"]
    assert detached["ending"] is None
    assert "runs" in run("runs", "local").out
    assert "asked to end" in run("runs", "local", "--stop", "1").out
    until(lambda: yard.world.journal.run(1).ending)  # type: ignore[union-attr]
    followed = run("runs", "local", "--follow", "1")
    assert followed.status == 9
    assert "stopped" in followed.err
    assert "had ended: stopped" in run("runs", "local", "--stop", "1").out
    assert [one["ending"] for one in run("runs", "local", "settle", "--json").result["runs"]] == ["stopped"]
    assert run("runs", "local", "--follow", "7").status == 2


def test_a_run_of_elsewhere_is_not_followed(yard: MemoryAgent, run: Run) -> None:
    """A number is looked for in the environment that is named."""
    ends(yard, 0)
    assert run("run", "local", "settle").status == 0
    said = run("runs", "stage", "--follow", "1")
    assert said.status == 2
    assert "it is a run of shop in local" in said.err


def test_ctrl_c_detaches(yard: MemoryAgent, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves the run running, and says how to follow and how to stop it."""

    def interrupt(*_asked: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lading.client.follow.follow_run", interrupt)
    said = run("run", "local", "settle")
    assert said.status == 130
    assert "lading runs local --follow 1" in said.err
    assert "lading runs local --stop 1" in said.err
    going = yard.world.journal.run(1)
    assert going is not None
    assert (going.ending, going.stop) == (None, "")


def test_status_says_when_a_job_runs_next(yard: MemoryAgent, run: Run, project: Path) -> None:
    """A job's line has its schedule, the next moment, and how its last run ended, or that schedules are off."""
    manifest = project / "lading.toml"
    text = manifest.read_text().replace('command = "settle"', 'command = "settle"\nschedule = "@hourly"')
    manifest.write_text(text.replace("[environments.local]", "[environments.local]\nschedules = true"))
    commit(project, "by itself", "v1.2.0")
    assert run("deploy", "local", "v1.2.0").status == 0
    assert run("deploy", "stage", "v1.2.0").status == 0
    ends(yard, 3)
    assert run("run", "local", "settle").status == 153
    said = run("status")
    assert "@hourly, next in" in said.out
    assert "last: run 1 failed" in said.out
    assert "@hourly, schedules are off here" in said.out
    job = run("status", "local", "--json").result["environments"][0]["jobs"][0]
    assert (job["on"], job["running"], job["last"]["ending"]) == (True, 0, "failed")
    assert job["next"] > yard.world.clock.now() - 60


def test_an_engine_that_is_away_is_told(yard: MemoryAgent, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot run now is refused before anything is opened; what cannot be followed now says why, and goes on."""
    ends(yard, 0)
    assert run("run", "local", "settle").status == 0

    def away(*_asked: object) -> None:
        raise LadingError("no-engine", happened="no container engine answers", hint="start it")

    monkeypatch.setattr(yard.world.runtime, "run_output", away)
    followed = run("runs", "local", "--follow", "1")
    assert (followed.status, "no container engine answers" in followed.err) == (3, True)
    yard.world.runtime.lacking.add("bundle")  # type: ignore[attr-defined]
    assert run("run", "local", "settle").status == 3
    assert len(yard.world.journal.runs()) == 1


def test_down_ends_runs(yard: MemoryAgent, run: Run) -> None:
    """Taking a local environment down ends its runs, each with its grace, and says who asked."""
    assert run("run", "local", "settle", "--detach").status == 0
    until(lambda: yard.world.runtime.begun)  # type: ignore[attr-defined]
    assert run("down").status == 0
    ended = yard.world.journal.run(1)
    assert ended is not None
    assert ended.ending == "stopped"


def test_an_environment_without_runs_says_so(yard: MemoryAgent, run: Run) -> None:
    """Nothing to list is said, with the next step."""
    assert "no job has run in local yet" in run("runs", "local").out
    assert run("runs", "local", "--json").result == {"runs": []}


def sent(agent: MemoryAgent, directory: Path, **more: Any) -> JobRun:
    """Record a run that has ended, and left a file and one more that is in a store alone."""
    directory.mkdir(exist_ok=True)
    (directory / "a.txt").write_text("here")
    url = "s3://kept/lading/shop/local/settle/1-ab12/b.txt"
    content = b"there"
    agent.world.objects.objects[url] = content  # type: ignore[attr-defined]
    there = OutputFile(path="b.txt", size=len(content), url=url, sha256=hashlib.sha256(content).hexdigest())

    def make(number: int) -> JobRun:
        return ended_run(
            number,
            outputs=(OutputFile(path="a.txt", size=4), there),
            outputs_at=str(directory),
            sending=Sending(store=ObjectStore(store="s3://kept/lading"), place="1-ab12", **more),
        )

    access, secret = agent.world.objects.keys  # type: ignore[attr-defined]
    keys = {"AWS_ACCESS_KEY_ID": Secret(access), "AWS_SECRET_ACCESS_KEY": Secret(secret)}
    agent.world.secrets.put("shop/local", keys)
    return agent.world.journal.open_run(make)


def test_what_is_not_in_the_store_yet_is_said(yard: MemoryAgent, run: Run, tmp_path: Path) -> None:
    """Each file says where it is; what could not be sent says why, when it is tried again and how to do it at once."""
    sent(yard, tmp_path / "left", tries=3, again=time.time() + 90, trouble="it answered 503")
    listed = run("outputs", "local", "1")
    assert "a.txt  on the host only\n" in listed.out
    assert "b.txt  s3://kept/lading/shop/local/settle/1-ab12/b.txt\n" in listed.out
    assert "run 1: 1 file not in s3://kept/lading yet; tried 3 times, again in 1 min" in listed.out
    for said in (listed, run("runs", "local")):
        assert "it answered 503\n  at once: lading outputs local 1 --send" in said.out
    assert "again now" in run("outputs", "local", "1", "--send").out
    told = run("outputs", "local", "1", "--json").result
    assert (told["sending"]["unsent"], told["sending"]["trouble"]) == (1, "it answered 503")


def test_files_come_from_the_store_once_the_host_has_dropped_them(yard: MemoryAgent, run: Run, tmp_path: Path) -> None:
    """What is in the store alone is copied from there, and held against the digest with which it was sent."""
    number = sent(yard, tmp_path / "left", done=True).id
    yard.world.journal.change_run(number, lambda one: msgspec.structs.replace(one, kept=False))
    assert run("outputs", "local", "1").out.splitlines() == [
        "       5 B  b.txt  s3://kept/lading/shop/local/settle/1-ab12/b.txt"
    ]
    assert run("outputs", "local", "1", "--to", str(tmp_path / "to")).status == 0
    assert (tmp_path / "to" / "b.txt").read_text() == "there"
    objects = yard.world.objects.objects  # type: ignore[attr-defined]
    objects.update(dict.fromkeys(objects, b"other"))
    changed = run("outputs", "local", "1", "--to", str(tmp_path / "again"))
    assert (changed.status, "b.txt is not what was sent" in changed.err) == (1, True)
    assert list((tmp_path / "again").iterdir()) == []
