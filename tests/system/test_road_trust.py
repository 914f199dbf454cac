"""Two agents with homes and keys of their own: what a promotion must carry, and what production does not believe."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from lading.client.address import parse_address
from lading.client.agent import Agent, AgentError
from tests.agents import RealAgent, Told, answer
from tests.projects import NAME
from tests.strikes import served
from tests.support_agent import commit, git

pytestmark = pytest.mark.system


class Pair(NamedTuple):
    """An agent that holds stage, and another that holds production, of one project."""

    stage: RealAgent
    production: RealAgent

    def promote(self, version: str | None = None) -> Told:
        """Promote from stage to production, as the user of stage's agent."""
        return self.stage.lading("promote", "stage", "production", *([version] if version else []))

    def trust(self) -> dict[str, Any]:
        """Have production believe stage's agent; return the key with its fingerprint."""
        own = self.stage.lading("trust", "show").result["own"]
        told = self.stage.lading("trust", "add", own["name"], own["public"], "--on", "production")
        assert told.exit == 0, told
        assert told.result["key"]["fingerprint"] == own["fingerprint"]
        return own

    def untouched(self) -> bool:
        """Tell whether production serves v1.0.0 still."""
        return served(self.production, "production") == "v1.0.0"


@pytest.fixture
def pair(make_agent: Callable[..., RealAgent]) -> Pair:
    """Stage serves v1.0.0; production's agent accepts the process runtime and knows nobody yet."""
    stage, production = make_agent("stage-host"), make_agent("production-host")
    manifest = stage.project / "lading.toml"
    where = f'[environments.production]\nhost = "unix://{production.home}"\n'
    manifest.write_text(manifest.read_text().replace("[environments.production]\n", where))
    production.start()
    assert stage.lading("policy", "allow", "production", "no-isolation", "--reason", "a test").exit == 0
    assert stage.deploy("v1.0.0", "stage").exit == 0
    return Pair(stage, production)


def agent_of(production: RealAgent) -> Agent:
    """Return a client of an agent, for what no command does."""
    return Agent(parse_address(f"unix://{production.home}"))


def test_a_stranger_is_refused_until_it_is_trusted(pair: Pair) -> None:
    """What an unknown key signed does not count; once production believes the key, the very same bill does."""
    refused = pair.promote()
    assert (refused.exit, refused.outcome, refused.rollout["id"], refused.error["code"]) == (3, "refused", None, "bill")
    assert "lading trust add" in refused.error["hint"]
    assert pair.production.rollouts() == []
    own = pair.trust()
    told = pair.promote()
    assert (told.exit, told.outcome) == (0, "succeeded"), told
    assert answer(pair.stage.url("production")) == (200, "v1.0.0")
    bill = pair.stage.lading("bill", "v1.0.0", "--on", "production").result["bill"]
    counted = {(one["signer"], one["statement"]["environment"]) for one in bill["statements"] if one["trusted"]}
    assert (own["name"], "stage") in counted
    assert len({name for name, _ in counted}) == 2
    assert pair.stage.lading("promote", "stage", "production").rollout["id"] is None


def test_a_tampered_bill_is_refused(pair: Pair) -> None:
    """A statement changed by hand, even in the journal of the agent that signed it, counts for nothing."""
    pair.trust()
    assert pair.promote().exit == 0
    assert pair.stage.deploy("v1.2.0", "stage").exit == 4
    pair.stage.stop()
    with closing(sqlite3.connect(pair.stage.home / "journal.db")) as journal, journal:
        rows = journal.execute("SELECT id, value FROM statements").fetchall()
        for number, value in rows:
            journal.execute("UPDATE statements SET value = ? WHERE id = ?", (_forged(value), number))
    told = pair.promote("v1.2.0")
    assert (told.exit, told.outcome) == (3, "refused"), told
    assert told.error["code"] == "bill"
    assert pair.untouched()


def _forged(value: str) -> str:
    """Turn what failed into what passed, and leave the signature as it is."""
    import base64

    envelope = json.loads(value)
    payload = base64.b64decode(envelope["payload"]).replace(b'"passed":false', b'"passed":true')
    envelope["payload"] = base64.b64encode(payload).decode()
    return json.dumps(envelope)


def test_a_revoked_bill_is_refused(pair: Pair) -> None:
    """After stage took its word back no promotion passes; lifting the revocation makes it count again."""
    pair.trust()
    assert pair.promote().exit == 0
    assert pair.stage.deploy("v1.1.0", "stage").exit == 0
    assert pair.stage.lading("revoke", "stage", "v1.1.0", "--reason", "wrong sums").exit == 0
    told = pair.promote("v1.1.0")
    assert (told.exit, told.outcome, told.error["code"]) == (3, "refused", "bill"), told
    assert "wrong sums" in str(told.error)
    assert pair.untouched()
    assert pair.stage.lading("revoke", "stage", "v1.1.0", "--reason", "were right", "--undo").exit == 0
    assert pair.promote("v1.1.0").exit == 0


def test_a_bill_cannot_be_used_twice(pair: Pair) -> None:
    """A verdict counts over the challenge it answers, once: replayed, with statements too old, it opens no door."""
    pair.trust()
    production, stage = agent_of(pair.production), agent_of(pair.stage)
    nonce = production.post("/v1/nonces")["nonce"]
    asked = {"project": NAME, "version": "v1.0.0", "environment": "stage", "nonce": nonce}
    verdict = stage.post("/v1/verdicts", asked)["envelope"]
    release = stage.get(f"/v1/releases/{NAME}/v1.0.0")
    bill = [entry["envelope"] for entry in stage.get(f"/v1/bills/{release['digest']}")["statements"]]
    assert pair.promote().exit == 0
    assert pair.stage.lading("policy", "set", "production", "--max-age", "1s", "--reason", "a test").exit == 0
    request = {
        "kind": "promote",
        "project": NAME,
        "environment": "production",
        "version": "v1.0.0",
        "table": _table("red"),
        "requested_by": "mallory",
        "bill": [*bill, verdict],
        "nonce": nonce,
    }
    assert production.post("/v1/rollouts", request)["number"] is not None
    pair.production.settle()
    with pytest.raises(AgentError) as again:
        production.post("/v1/rollouts", {**request, "table": _table("blue")})
    assert (again.value.exit_status, again.value.code) == (3, "bill")


def _table(colour: str) -> dict[str, Any]:
    return {"tier": "production", "env": {"COLOUR": colour}, "strategy": {"watch": 0.3}}


def test_an_empty_suite_passes_nothing(pair: Pair) -> None:
    """A release without smoke checks has proved nothing: production does not take it."""
    pair.trust()
    manifest = pair.stage.project / "lading.toml"
    text = manifest.read_text()
    head, _, rest = text.partition("[[smoke]]")
    git(pair.stage.project, "stash", "-q")
    manifest.write_text(head + "[secrets]" + rest.partition("[secrets]")[2])
    commit(pair.stage.project, "no suite", "v2.0.0")
    assert pair.stage.lading("deploy", "stage").exit == 0
    told = pair.promote("v2.0.0")
    assert (told.exit, told.outcome) == (3, "refused"), told
    assert "smoke" in str(told.error)


def test_a_client_cannot_loosen(pair: Pair) -> None:
    """A manifest that asks for less than production's own policy, or calls it stage, is refused."""
    pair.trust()
    assert pair.promote().exit == 0
    manifest = pair.stage.project / "lading.toml"
    honest = manifest.read_text()
    manifest.write_text(honest.replace("[environments.production]\n", '[environments.production]\ntier = "stage"\n'))
    told = pair.stage.deploy("v1.1.0", "production")
    assert (told.exit, told.error["code"]) == (3, "loosening"), told
    manifest.write_text(honest.replace('requires = { passed = "stage" }', ""))
    told = pair.stage.deploy("v1.1.0", "production")
    assert (told.exit, told.outcome) == (3, "refused"), told
    assert pair.untouched()


def test_a_gate_of_ones_own(pair: Pair) -> None:
    """Where the policy demands a gate, a release enters with it passed, not with it failed or missing."""
    pair.trust()
    told = pair.stage.lading("policy", "set", "production", "--gate", "tests", "--reason", "we test")
    assert told.exit == 0
    missing = pair.promote()
    assert (missing.exit, missing.error["code"]) == (3, "policy"), missing
    assert "tests" in str(missing.error)
    failed = pair.stage.lading("attest", "tests", "--version", "v1.0.0", "--", "false")
    assert failed.exit == 1
    assert pair.promote().exit == 3
    passed = pair.stage.lading("attest", "tests", "--version", "v1.0.0", "--", "true")
    assert (passed.exit, passed.result["attestation"]["passed"]) == (0, True)
    assert pair.promote().exit == 0
