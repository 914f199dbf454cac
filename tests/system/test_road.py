"""The whole road, everything real: build, deploy, promote, refuse, unwind, go back; and the contract for scripts."""

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest

from tests.agents import RealAgent, answer
from tests.projects import MANIFEST
from tests.strikes import port, problems, served
from tests.support import until
from tests.support_router import load

pytestmark = pytest.mark.system

ROLLOUT = {"id", "environment", "release", "previous", "outcome", "seconds", "lost_requests", "requests", "steps"}
STEP = {"name", "subject", "outcome", "seconds"}
MakeAgent = Callable[..., RealAgent]


@contextlib.contextmanager
def configured(agent: RealAgent, name: str, table: str) -> Iterator[None]:
    """Give an environment another table in the work tree's manifest for the length of the block."""
    manifest = agent.project / "lading.toml"
    head, _, rest = manifest.read_text().partition(f"[environments.{name}]")
    tail = rest.partition("\n\n")[2]
    manifest.write_text(f"{head}[environments.{name}]\n{table}\n\n{tail}")
    try:
        yield
    finally:
        manifest.write_text(head + f"[environments.{name}]" + rest)


def test_from_source_to_production_and_back(agent: RealAgent) -> None:
    """Local, stage, production, a second release under traffic, a broken one, and back: no request is lost."""
    assert agent.deploy("v1.0.0", "local").exit == 0
    assert agent.deploy("v1.0.0", "stage").exit == 0
    # The process runtime isolates nothing, and production does not take that by itself.
    refused = agent.lading("promote", "stage", "production")
    assert (refused.exit, refused.error["code"]) == (3, "isolation")
    assert agent.lading("policy", "allow", "production", "no-isolation", "--reason", "a test").exit == 0
    assert agent.lading("promote", "stage", "production").exit == 0

    with load(port(agent, "production"), per_second=100) as traffic:
        untested = agent.lading("promote", "stage", "production", "v1.1.0")
        assert (untested.exit, untested.outcome, untested.rollout["id"]) == (3, "refused", None)
        assert "v1.0.0, untouched" in untested.error["now"]

        assert agent.deploy("v1.1.0", "stage").exit == 0
        promoted = agent.lading("promote", "stage", "production")
        assert (promoted.exit, promoted.outcome, promoted.rollout["lost_requests"]) == (0, "succeeded", 0)
        assert promoted.rollout["requests"] > 0
        assert promoted.rollout["previous"] == "v1.0.0"

        broken = agent.deploy("v1.2.0", "stage")
        assert (broken.exit, broken.outcome, broken.rollout["previous"]) == (4, "unwound", "v1.1.0")
        assert "payouts.settled_at is missing" in broken.error["happened"]
        assert agent.lading("promote", "stage", "production", "v1.2.0").exit == 3
        assert served(agent, "stage") == "v1.1.0"

        back = agent.rollback("production")
        assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0)
        assert back.rollout["release"] == "v1.0.0"
        until(lambda: answer(agent.url("production"))[1] == "v1.0.0")
    assert traffic.failures == []
    assert set(traffic.names) == {"v1.0.0", "v1.1.0"}
    assert problems(agent, "production") == []


def test_a_deploy_builds_the_clean_head(agent: RealAgent) -> None:
    """Without a version, ``deploy`` takes the release of HEAD and builds it when it is new; then ``status`` has it."""
    told = agent.lading("deploy", "local")
    assert told.exit == 0
    assert told.rollout["release"] == "v1.0.0"
    again = agent.lading("deploy", "local")
    assert (again.exit, again.outcome, again.rollout["id"]) == (0, "succeeded", None)
    (agent.project / "orders.py").write_text("changed = True")
    dirty = agent.lading("deploy", "local")
    assert (dirty.exit, dirty.error["code"]) == (2, "source-dirty")


def test_what_scripts_read(shared: RealAgent) -> None:
    """``--json``: events as lines, the result object last, with exactly the promised keys."""
    release = shared.lading("release", "v1.0.0")
    assert release.exit == 0
    assert release.result.keys() == {"release"}
    assert release.result["release"].keys() == {"version", "digest", "kind"}

    told = shared.deploy("v1.1.0")
    assert told.exit == 0
    assert all("event" in line for line in told.lines[:-1])
    assert [line["event"]["seq"] for line in told.lines[:-1]] == list(range(1, len(told.lines)))
    assert told.rollout.keys() == ROLLOUT
    assert all(step.keys() == STEP for step in told.rollout["steps"])
    assert {step["outcome"] for step in told.rollout["steps"]} == {"done"}

    status = shared.lading("status")
    (local,) = [entry for entry in status.result["environments"] if entry["name"] == "local"]
    assert {"name", "release", "digest", "url", "instances"} <= local.keys()
    assert local["release"] == "v1.1.0"
    assert answer(local["url"]) == (200, "v1.1.0")

    nothing = shared.deploy("v1.1.0")
    assert (nothing.exit, nothing.outcome, nothing.rollout["id"]) == (0, "succeeded", None)
    refused = shared.deploy("v9.9.9")
    assert (refused.exit, refused.outcome, refused.rollout["id"]) == (2, "refused", None)
    assert refused.rollout.keys() == ROLLOUT
    assert refused.result.keys() == {"rollout", "error"}


def test_a_release_that_fails_through_the_router_only(shared: RealAgent) -> None:
    """What passes on the candidate and fails through the router was cut over: it comes back, exit status 5."""
    before = served(shared)
    told = shared.deploy("v1.3.0")
    assert (told.exit, told.outcome) == (5, "rolled_back"), told
    assert "through the router" in told.error["doing"]
    assert served(shared) == before
    assert problems(shared) == []


def test_a_release_that_dies_while_it_is_watched(agent: RealAgent) -> None:
    """The watch sees instances die under real traffic and turns back by itself, exit status 5."""
    assert agent.deploy("v1.0.0").exit == 0
    with configured(agent, "local", 'strategy = { watch = "20s" }'):
        deploy = agent.begin("deploy", "local", "v1.5.0")
        until(lambda: (agent.environment()["rollout"] or {}).get("step") == "watch", within=20)
        assert answer(agent.url())[0] == 502
        told = agent.told(deploy)
    assert (told.exit, told.outcome, told.error["code"]) == (5, "rolled_back", "watch-failed"), told
    assert problems(agent) == []
    assert served(agent) == "v1.0.0"


def test_a_release_with_a_worker(agent: RealAgent) -> None:
    """Workers follow the routes: they come with the release that has them and go with it."""
    assert agent.deploy("v1.0.0").exit == 0
    assert agent.deploy("v1.4.0").exit == 0
    assert [one["name"] for one in agent.environment()["instances"]] == ["web/1", "worker/1"]
    assert problems(agent) == []
    assert agent.rollback().exit == 0
    assert served(agent) == "v1.0.0"
    until(lambda: [one["name"] for one in agent.environment()["instances"]] == ["web/1"])


def test_a_busy_environment(shared: RealAgent) -> None:
    """A second rollout meets exit status 6, told who holds the environment, since when, doing what; cancel frees it."""
    before = served(shared)
    wanted = "v1.1.0" if before == "v1.0.0" else "v1.0.0"
    with configured(shared, "local", 'strategy = { watch = "1m" }'):
        first = shared.begin("deploy", "local", wanted)
        until(lambda: (shared.environment()["rollout"] or {}).get("step") == "watch", within=20)
        second = shared.deploy(wanted)
        assert (second.exit, second.outcome, second.error["code"]) == (6, "refused", "busy")
        said = second.error["happened"]
        assert re.search(rf"@.* started a deploy of {wanted} .*\d\d:\d\d:\d\d UTC", said), said
        turned = shared.lading("cancel", "local")
        assert turned.exit == 0
        told = shared.told(first)
    assert (told.outcome, told.exit) == ("rolled_back", 5)
    assert served(shared) == before
    assert problems(shared) == []


def test_a_rollback_during_the_watch(shared: RealAgent) -> None:
    """Going back while a rollout is watched turns that very rollout back, at once."""
    before = served(shared)
    wanted = "v1.1.0" if before == "v1.0.0" else "v1.0.0"
    with configured(shared, "local", 'strategy = { watch = "1m" }'):
        first = shared.begin("deploy", "local", wanted)
        until(lambda: (shared.environment()["rollout"] or {}).get("step") == "watch", within=20)
        back = shared.rollback()
        told = shared.told(first)
    assert back.exit == 0, back
    assert back.rollout["id"] == told.rollout["id"]
    assert told.outcome == "rolled_back"
    assert served(shared) == before


def test_an_agent_that_nobody_reaches(shared: RealAgent) -> None:
    """An environment whose agent does not answer is exit status 7; status still tells the others."""
    with configured(shared, "stage", 'host = "unix:///nowhere/at/all"'):
        told = shared.deploy("v1.0.0", "stage")
        assert (told.exit, told.error["code"]) == (7, "agent-unreachable")
        status = shared.lading("status")
    assert status.exit == 7
    assert {entry["name"]: entry["release"] for entry in status.result["environments"]}["local"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MANIFEST.replace("port    = 8000", "prot    = 8000"), "prot"),
        (MANIFEST.replace('bundle = "requirements.txt"', "bundle = 3"), "build.app.bundle"),
        ("[project\n", "lading.toml:1"),
    ],
)
def test_a_wrong_manifest(shared: RealAgent, text: str, said: str) -> None:
    """A manifest with a problem is exit status 2, with the line it stands in, and nothing is touched."""
    manifest = shared.project / "lading.toml"
    before = manifest.read_text()
    manifest.write_text(text)
    try:
        for words in (("check",), ("deploy", "local", "v1.0.0")):
            told = shared.lading(*words)
            assert told.exit == 2, told
            assert "lading.toml:" in str(told.result), told
            assert said in str(told.result), told
    finally:
        manifest.write_text(before)


def test_a_missing_secret_is_refused(agent: RealAgent) -> None:
    """An environment that lacks a required secret takes no release: exit status 3 before anything starts."""
    with configured(agent, "stage", 'strategy = { watch = "300ms" }\n\n[environments.other]'):
        told = agent.deploy("v1.0.0", "other")
    assert (told.exit, told.outcome, told.error["code"]) == (3, "refused", "secret-missing")
    assert "TOKEN" in told.error["happened"]
    assert agent.rollouts() == []


def test_going_back_where_nothing_was(agent: RealAgent) -> None:
    """Rollback without an earlier release is refused, exit status 3, and what serves goes on serving."""
    never = agent.rollback()
    assert (never.exit, never.error["code"]) == (3, "nothing-to-return-to")
    assert agent.deploy("v1.0.0").exit == 0
    first = agent.rollback()
    assert (first.exit, first.error["code"]) == (3, "nothing-to-return-to")
    assert answer(agent.url()) == (200, "v1.0.0")


def test_configuration_comes_back_with_the_release(agent: RealAgent) -> None:
    """A changed table is a rollout of the same digest; rollback restores configuration and secrets as they were."""
    assert agent.deploy("v1.0.0").exit == 0
    with configured(agent, "local", 'strategy = { watch = "300ms" }\nenv = { COLOUR = "blue" }'):
        changed = agent.deploy("v1.0.0")
        assert (changed.exit, changed.outcome) == (0, "succeeded")
        assert changed.rollout["id"] is not None
    agent.secret("local", value="another-token-9911")
    assert agent.deploy("v1.1.0").exit == 0
    assert "COLOUR" not in environ_of(agent)
    assert environ_of(agent)["TOKEN"] == "another-token-9911"
    assert agent.rollback().exit == 0
    assert environ_of(agent)["COLOUR"] == "blue"
    assert environ_of(agent)["TOKEN"] == "orders-token-5e2f81"


def environ_of(agent: RealAgent) -> dict[str, str]:
    """Return the environment variables of the instance that serves, as the kernel has them."""
    (web,) = agent.environment()["instances"]
    with open(f"/proc/{web['pid']}/environ", "rb") as file:
        pairs = [word.decode().partition("=") for word in file.read().split(b"\0") if word]
    return {name: value for name, _, value in pairs}
