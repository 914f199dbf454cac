"""Release, deploy, rollback, promote: the contract for scripts, and what people read."""

import signal
import threading
from pathlib import Path

import pytest

from lading.agent.asking import RolloutRequest
from lading.model.errors import LadingError
from tests.support import until
from tests.support_agent import MemoryAgent, commit, git
from tests.unit.cli.conftest import Run

ROLLOUT_KEYS = {
    "id",
    "environment",
    "release",
    "previous",
    "outcome",
    "seconds",
    "lost_requests",
    "requests",
    "steps",
}


def test_release_prints_exactly_version_digest_and_kind(project: Path, run: Run) -> None:
    """``release --json``: events as lines, the result object last, with the promised keys and no others."""
    said = run("release", "--json")
    assert said.status == 0
    assert all("event" in line for line in said.lines[:-1])
    assert set(said.result["release"]) == {"version", "digest", "kind"}
    assert said.result["release"]["version"] == "v1.0.0"
    assert said.result["release"]["kind"] == "bundle"


def test_a_release_holds_what_is_committed_and_nothing_else(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Untracked files stay out of the export, and the person is told which."""
    (project / ".env").write_text("TOKEN=1")
    said = run("release")
    assert agent.built == [("lading.toml", "requirements.txt")]
    assert ".env" in said.err


def test_an_untagged_commit_is_released_by_its_short_id(project: Path, run: Run) -> None:
    """Without a semantic version tag at HEAD the version is g and the short id."""
    (project / "a").write_text("")
    full = commit(project)
    assert run("--json", "release").result["release"]["version"] == f"g{full[:7]}"


def test_a_dirty_work_tree_is_refused_with_its_files(project: Path, run: Run) -> None:
    """Releases are built from commits: the changed files are listed, nothing is built, exit status 2."""
    (project / "requirements.txt").write_text("flask")
    said = run("release", "--json")
    assert said.status == 2
    assert said.result["error"]["code"] == "source-dirty"
    assert "requirements.txt" in said.result["error"]["details"][0]


def test_an_uncommitted_manifest_is_refused(project: Path, run: Run) -> None:
    """A manifest that git does not know is in no commit, so no release could hold it."""
    git(project, "rm", "-q", "--cached", "lading.toml")
    git(project, "commit", "-q", "-m", "without")
    assert run("release", "--json").result["error"]["code"] == "source-dirty"


def test_a_tag_that_points_elsewhere_is_refused(project: Path, run: Run) -> None:
    """A version named like a tag of another commit would lie about its source."""
    (project / "a").write_text("")
    commit(project)
    said = run("release", "v1.0.0", "--json")
    assert (said.status, said.result["error"]["code"]) == (2, "source-invalid")


def test_outside_a_repository_the_source_is_refused(project: Path, run: Run) -> None:
    """A directory without git says so, with the commands that make one."""
    (project / ".git").rename(project / "gone")
    said = run("release")
    assert said.status == 2
    assert "git init" in said.err


def test_a_failed_build_is_told_with_its_own_error(project: Path, run: Run, agent: MemoryAgent) -> None:
    """What the agent's build raises reaches the person, code and exit status included."""
    agent.trouble = LadingError("unpinned", happened="flask is not pinned", hint="uv pip compile")
    said = run("release", "--json")
    assert (said.status, said.result["error"]["code"]) == (2, "unpinned")


def test_deploy_gives_the_rollout_with_exactly_the_promised_keys(project: Path, run: Run) -> None:
    """``deploy --json`` ends with the rollout; every line before it is an event."""
    said = run("deploy", "stage", "--json")
    assert said.status == 0, said
    assert all(set(line) == {"event"} for line in said.lines[:-1])
    assert set(said.result) == {"rollout"}
    rollout = said.result["rollout"]
    assert set(rollout) == ROLLOUT_KEYS
    assert (rollout["outcome"], rollout["release"], rollout["previous"]) == ("succeeded", "v1.0.0", None)
    assert {step["outcome"] for step in rollout["steps"]} == {"done"}


def test_global_options_may_stand_before_the_command(project: Path, run: Run, tmp_path: Path) -> None:
    """``lading --json -C DIR deploy stage`` means the same as with the options behind."""
    assert run("--json", "-C", str(project), "deploy", "stage").result["rollout"]["outcome"] == "succeeded"


def test_deploying_what_serves_does_nothing(project: Path, run: Run) -> None:
    """A second deploy of the same commit is a no-op with exit status 0 and no rollout number."""
    run("deploy", "stage")
    said = run("deploy", "stage", "--json")
    assert said.status == 0
    assert said.result["rollout"]["id"] is None
    assert said.result["rollout"]["outcome"] == "succeeded"
    assert "nothing to do" in run("deploy", "stage").out


def test_people_read_one_line_a_step_and_the_way_back(project: Path, run: Run) -> None:
    """Piped, finished steps are plain lines; the last line says what serves and how to go back."""
    run("deploy", "stage")
    (project / "a").write_text("")
    commit(project, tag="v1.1.0")
    said = run("deploy", "stage")
    assert "  ✓ cutover" in said.out
    assert "\x1b" not in said.out
    assert said.out.splitlines()[-1].startswith("stage serves v1.1.0")
    assert "lading rollback stage" in said.out.splitlines()[-1]


def test_an_unknown_release_is_refused_with_the_result_object(project: Path, run: Run) -> None:
    """A refusal gives the rollout too, with a null id, beside the error."""
    run("release")
    said = run("deploy", "stage", "v9.9.9", "--json")
    assert said.status == 2
    assert said.result["error"]["code"] == "unknown-release"
    assert set(said.result["rollout"]) == ROLLOUT_KEYS
    assert (said.result["rollout"]["id"], said.result["rollout"]["outcome"]) == (None, "refused")


def test_a_release_that_never_gets_ready_unwinds_with_exit_status_4(
    project: Path, run: Run, agent: MemoryAgent
) -> None:
    """The failure says what failed, what serves, and the next step; the result has outcome and error."""
    run("deploy", "stage")
    (project / "a").write_text("")
    commit(project, tag="v1.1.0")
    agent.world.runtime.exit_at_start("v1.1.0")  # type: ignore[attr-defined]
    said = run("deploy", "stage", "--json")
    assert (said.status, said.result["rollout"]["outcome"]) == (4, "unwound")
    assert said.result["error"]["code"]
    read = run("deploy", "stage")
    assert read.status == 4
    assert "stage serves v1.0.0" in read.err
    assert "(exit status 4)" in read.err


def test_an_environment_that_is_not_in_the_manifest_is_named(project: Path, run: Run) -> None:
    """The error lists the environments there are."""
    said = run("deploy", "nowhere")
    assert said.status == 2
    assert "local, stage, production" in said.err


def test_an_invalid_manifest_lists_all_its_problems(project: Path, run: Run) -> None:
    """Every problem with its place, exit status 2."""
    (project / "lading.toml").write_text('[project]\nname = 3\n[services.web]\nport = "x"\n')
    said = run("deploy", "stage", "--json")
    assert said.status == 2
    assert said.result["error"]["code"] == "manifest-invalid"
    assert len(said.result["error"]["details"]) >= 2


def test_rollback_returns_to_the_previous_release(project: Path, run: Run) -> None:
    """``rollback`` is a rollout to the earlier release, exit status 0."""
    run("deploy", "stage")
    (project / "a").write_text("")
    commit(project, tag="v1.1.0")
    run("deploy", "stage")
    said = run("rollback", "stage", "--json")
    assert said.status == 0
    assert (said.result["rollout"]["release"], said.result["rollout"]["previous"]) == ("v1.0.0", "v1.1.0")


def test_rollback_without_a_way_back_is_refused(project: Path, run: Run) -> None:
    """Exit status 3 and the result object."""
    said = run("rollback", "stage", "--json")
    assert (said.status, said.result["rollout"]["outcome"]) == (3, "refused")


def _held(agent: MemoryAgent) -> threading.Event:
    gate = threading.Event()
    probe = agent.world.checks.probe

    def waiting(address: str, asked: object) -> object:
        gate.wait(10)
        return probe(address, asked)  # type: ignore[arg-type]

    agent.world.checks.probe = waiting  # type: ignore[method-assign,assignment]
    return gate


def _begun(agent: MemoryAgent) -> None:
    """Open a rollout of v1.0.0 to stage, as somebody else would."""
    agent.rollouts.request(
        RolloutRequest(kind="deploy", project="shop", environment="stage", version="v1.0.0", requested_by="bob")
    )


def test_a_busy_environment_says_so_with_exit_status_6(project: Path, run: Run, agent: MemoryAgent) -> None:
    """A second deploy is refused: who, since when, doing what."""
    run("release")
    gate = _held(agent)
    _begun(agent)
    said = run("rollback", "local", "--json")  # another environment is not busy
    assert said.status == 3
    busy = run("deploy", "stage", "--json")
    gate.set()
    assert (busy.status, busy.result["error"]["code"]) == (6, "busy")
    assert busy.result["rollout"]["outcome"] == "refused"


def test_cancel_turns_the_running_rollout_back(project: Path, run: Run, agent: MemoryAgent) -> None:
    """``cancel ENVIRONMENT`` follows the rollout to its end; the old release serves, exit status 0."""
    run("release")
    gate = _held(agent)
    _begun(agent)
    cancel = agent.rollouts.cancel

    def cancel_and_go_on(number: int, who: str) -> None:
        cancel(number, who)
        gate.set()

    agent.rollouts.cancel = cancel_and_go_on  # type: ignore[method-assign]
    said = run("cancel", "stage", "--json")
    assert (said.status, said.result["rollout"]["outcome"]) == (0, "cancelled")


def test_cancel_without_a_rollout_says_so(project: Path, run: Run) -> None:
    """There is nothing to turn back."""
    assert run("cancel", "stage", "--json").result["error"]["code"] == "unknown-rollout"


def test_ctrl_c_detaches_and_the_rollout_goes_on(project: Path, run: Run, agent: MemoryAgent) -> None:
    """The first Ctrl-C stops watching only: exit status 130, and how to follow or turn it back."""
    run("release")
    gate = _held(agent)

    def interrupt() -> None:
        until(agent.world.journal.unfinished)
        until(lambda: agent.changes._subscriptions)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    said = run("deploy", "stage")
    thread.join()
    gate.set()
    assert said.status == 130
    assert "lading follow stage" in said.err
    assert "lading cancel stage" in said.err
    until(lambda: not agent.world.journal.unfinished())
    assert agent.world.journal.rollouts()[0].outcome == "succeeded"


def test_a_deploy_to_another_host_carries_only_what_is_missing(
    project: Path, run: Run, production: MemoryAgent
) -> None:
    """The release is built by one's own agent; the other gets its blobs once, and refuses what its policy forbids."""
    first = run("deploy", "production", "--json")
    assert (first.status, first.result["rollout"]["outcome"]) == (3, "refused")
    again = run("deploy", "production", "--json")
    moved = [line["event"]["text"] for said in (first, again) for line in said.lines if "event" in line]
    transfers = [text for text in moved if "layers" in text]
    assert transfers[0].startswith("2 of 2 layers")
    assert transfers[1].startswith("0 of 2 layers")


def _trusting(run: Run) -> None:
    run("policy", "allow", "production", "no-isolation", "--reason", "one machine")
    home = run("--json", "agent", "status").result["agent"]["home"]
    assert run("trust", "add", "stage-agent", f"unix://{home}", "--on", "production").status == 0


def test_promote_takes_the_release_and_its_bill(
    project: Path, run: Run, agent: MemoryAgent, production: MemoryAgent
) -> None:
    """What stage serves goes to production when production's agent believes stage's and its bill is complete."""
    run("deploy", "stage")
    refused = run("promote", "stage", "production", "--json")
    assert (refused.status, refused.result["rollout"]["release"]) == (3, "v1.0.0")
    _trusting(run)
    said = run("promote", "stage", "production", "--json")
    assert said.status == 0, said
    assert said.result["rollout"]["environment"] == "production"
    record = production.world.journal.environment("shop", "production")
    assert record is not None
    assert record.serving is not None


def test_promote_without_the_source_goes_on_with_what_is_known(
    project: Path, run: Run, production: MemoryAgent
) -> None:
    """An unreachable source is said, and the statements that are known already are judged."""
    run("deploy", "stage")
    _trusting(run)
    run("promote", "stage", "production")
    run("rollback", "production")
    said = run("promote", "lost", "production", "v1.0.0")
    assert "lost cannot be reached" in said.err
    assert said.status == 0, said


def test_promote_of_nothing_is_refused(project: Path, run: Run, production: MemoryAgent) -> None:
    """An environment that serves nothing has nothing to promote."""
    said = run("promote", "local", "production", "--json")
    assert said.result["error"]["code"] == "unknown-release"


def test_plan_shows_the_steps_and_opens_nothing(project: Path, run: Run, agent: MemoryAgent) -> None:
    """``plan`` prints one line a step; the journal has no rollout afterwards."""
    said = run("plan", "stage")
    assert "~ cutover" in said.out
    assert not agent.world.journal.rollouts()
    assert run("plan", "stage", "--json").result["plan"]["steps"]


@pytest.mark.parametrize("host", ["https://example.org"])
def test_transports_of_later_versions_are_refused_by_name(project: Path, run: Run, host: str) -> None:
    """An address of a transport that is not there yet is refused, not ignored."""
    said = run("--agent", host, "status")
    assert said.status == 2
    assert "not supported yet" in said.err
