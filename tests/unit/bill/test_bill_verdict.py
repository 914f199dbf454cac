"""A bill held against a policy: what is taken, and every refusal."""

import msgspec
import pytest

from lading.bill import reinstatement, revocation
from lading.bill.keys import FileSigner
from lading.bill.statement import payload_of, statement_in, to_base64
from lading.model.bill import Policy, Verdict, production_policy
from tests.unit.bill.cases import DAY, HOUR, NONCE, NOW, Case, Person

APPROVED = Policy(approvals=1)


def refused(verdict: Verdict, code: str, *words: str) -> None:
    """Assert that a verdict refuses with a code, and that its problems say all these words."""
    assert not verdict.accepted
    assert verdict.code == code, verdict
    text = "\n".join(verdict.problems)
    for word in words:
        assert word in text


# what is taken


def test_what_passed_is_taken(case: Case) -> None:
    """A release whose rollout passed in the demanded environment is taken, and what counted is listed."""
    verdict = case.judge(case.passed())
    assert verdict.accepted
    assert sorted(verdict.have) == ["stage/rollout ✓", "stage/smoke ✓", "stage/watch ✓"]


def test_an_open_policy_takes_what_nothing_speaks_against(case: Case) -> None:
    """Where nothing is demanded, a release without a bill enters."""
    assert case.judge([], Policy()).accepted


def test_production_takes_any_other_environments_pass(case: Case) -> None:
    """Production's default demands one other environment, its smoke suite, and a semantic version."""
    assert case.judge(case.passed(environment="anywhere"), production_policy()).accepted


def test_an_agents_own_statements_need_no_challenge(case: Case) -> None:
    """What the receiving agent itself signed counts at any age: nobody can withhold its own later words."""
    bill = case.passed(by=case.production, time=NOW - 400 * DAY)
    assert case.judge(bill).accepted


# what was never passed


def test_without_a_bill_nothing_is_taken(case: Case) -> None:
    """A release without the demanded pass is refused, and the next step is to make one."""
    verdict = case.judge([])
    refused(verdict, "policy", "it has not passed stage")
    assert verdict.hint == "lading deploy stage v1.5.0"


def test_another_environments_pass_is_not_enough(case: Case) -> None:
    """Where stage is demanded, a pass in local counts for nothing and is still shown."""
    verdict = case.judge(case.passed(environment="local"))
    refused(verdict, "policy", "it has not passed stage")
    assert "local/rollout ✓" in verdict.have


def test_every_named_environment_is_demanded(case: Case) -> None:
    """Of two demanded environments both must have passed."""
    policy = Policy(passed=("stage", "load"))
    refused(case.judge(case.passed(), policy), "policy", "it has not passed load")
    assert case.judge([*case.passed(), *case.passed(environment="load")], policy).accepted


def test_its_own_pass_does_not_let_a_release_into_production(case: Case) -> None:
    """``*`` means another environment: what passed in production itself proves nothing to production."""
    bill = case.passed(environment="production", by=case.production)
    refused(case.judge(bill, production_policy()), "policy", "it has passed no other environment")


def test_the_newest_word_counts(case: Case) -> None:
    """A failure after a pass refuses, a pass after a failure takes; the order in the bill is no matter."""
    failed = case.say(passed=False, time=NOW - 60)
    refused(case.judge([failed, *case.passed()]), "policy", "it has not passed stage", "failed in stage at 2025-10-09")
    again = case.say(time=NOW - 30)
    assert case.judge([again, failed, *case.passed()]).accepted


def test_at_the_same_time_the_failure_counts(case: Case) -> None:
    """Of a pass and a failure at the same moment, the failure is believed."""
    refused(case.judge([case.say(passed=False), case.say()]), "policy", "failed in stage")
    refused(case.judge([case.say(), case.say(passed=False)]), "policy", "failed in stage")


@pytest.mark.parametrize("facts", [{"checks": 0}, {}, {"checks": "4"}, {"checks": -1}])
def test_an_empty_suite_passes_nothing(case: Case, facts: dict[str, object]) -> None:
    """A rollout without a single smoke check is no pass, whatever it says, and does not hide an earlier real one."""
    verdict = case.judge(case.passed(facts=facts))
    refused(verdict, "bill", "it has not passed stage", "an empty suite passes nothing")
    assert case.judge([*case.passed(), *case.passed(facts=facts, time=NOW - 60)]).accepted


def test_production_demands_the_smoke_gate_itself(case: Case) -> None:
    """Where a smoke suite is required, a rollout's statement alone is not enough."""
    refused(case.judge([case.say()], production_policy()), "policy", "no smoke suite has passed in stage")


def test_only_semantic_versions_enter_production(case: Case) -> None:
    """A version that is none is refused there, and taken where the policy does not mind."""
    refused(
        case.judge(case.passed(), production_policy(), version="build-7"), "policy", "build-7 is no semantic version"
    )
    assert case.judge(case.passed(), version="build-7").accepted


# gates of one's own


def test_a_demanded_gate_must_have_passed(case: Case) -> None:
    """A gate of one's own counts by its name, whoever of the trusted signed it; its newest word holds."""
    policy = Policy(gates=("tests",))
    refused(case.judge([], policy), "policy", "gate tests has not passed")
    assert case.judge([], policy).hint == "lading attest tests -- COMMAND"
    passed = case.say("tests", environment="", facts={"exit": 0})
    verdict = case.judge([passed], policy)
    assert verdict.accepted
    assert verdict.have == ("stage-host/tests ✓",)
    failed = case.say("tests", environment="", passed=False, time=NOW - 60)
    refused(case.judge([passed, failed], policy), "policy", "gate tests has not passed: it failed at")


# a bill that is about something else, or not to be believed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": "sha256:" + "77" * 32}, "about another digest (sha256:777777777777…)"),
        ({"project": "other"}, "about another project (other)"),
        ({"manifest": "sha256:" + "00" * 32}, "about another manifest"),
    ],
)
def test_a_statement_about_something_else_proves_nothing(case: Case, change: dict[str, str], reason: str) -> None:
    """A genuine pass of another digest, project or manifest is refused and told."""
    refused(case.judge(case.passed(**change)), "bill", "it has not passed stage", reason)


def test_an_unknown_key_proves_nothing(case: Case, stranger: FileSigner) -> None:
    """A pass signed by a key that nobody pinned is refused, naming the key and how it would be believed."""
    verdict = case.judge(case.passed(by=stranger))
    refused(verdict, "bill", "it has not passed stage", stranger.fingerprint, "does not trust")
    assert "lading trust add" in verdict.hint


def test_an_unknown_key_beside_a_known_one_does_no_harm(case: Case, stranger: FileSigner) -> None:
    """Statements of strangers are passed over where those of trusted agents are enough."""
    assert case.judge([*case.passed(by=stranger), *case.passed()]).accepted


def test_a_tampered_statement_spoils_the_bill(case: Case) -> None:
    """One forged statement refuses the release, even where the others would be enough or none is demanded."""
    envelope = case.say(passed=False)
    forged = payload_of(msgspec.structs.replace(statement_in(envelope), passed=True))
    bill = [*case.passed(), msgspec.structs.replace(envelope, payload=to_base64(forged))]
    refused(case.judge(bill), "bill", "tampered with", "stage-host")
    refused(case.judge(bill, Policy()), "bill", "tampered with")


def test_a_key_past_its_overlap_proves_nothing(case: Case) -> None:
    """A pass signed by a replaced key counts within the overlap only."""
    case.trusted[0] = msgspec.structs.replace(case.trusted[0], until=NOW - 1)
    refused(case.judge(case.passed()), "bill", "an earlier key of stage-host")


def test_a_person_cannot_pass_a_gate(case: Case, bob: Person) -> None:
    """An approver's key approves and nothing else: a rollout that it signed counts for nothing."""
    case.trusted.append(bob.trusted)
    statement = statement_in(case.say())
    refused(case.judge([bob.seal(statement)]), "bill", "it has not passed stage", "bob", "not trusted for rollout")


# age and clocks


def test_a_statement_grows_too_old(case: Case) -> None:
    """Without its signer's present word, a pass counts up to the policy's age and not a second more."""
    policy = Policy(passed=("stage",), max_age=DAY)
    assert case.judge(case.passed(time=NOW - DAY), policy).accepted
    refused(
        case.judge(case.passed(time=NOW - DAY - 1), policy),
        "bill",
        "it is 1 day old, and the policy takes none older than 1 day",
    )
    refused(
        case.judge(case.passed(time=NOW - 9 * DAY)),
        "bill",
        "it is 9 days old, and the policy takes none older than 7 days",
    )


def test_a_failure_never_grows_too_old(case: Case) -> None:
    """What speaks against a release counts at any age: leaving the clock to run makes nothing better."""
    bill = [case.say(passed=False, time=NOW - 30 * DAY)]
    refused(case.judge(bill), "policy", "failed in stage")


def test_a_statement_from_the_future_proves_nothing(case: Case) -> None:
    """Clocks may differ by five minutes; a pass dated later is refused, and the clocks are named as the cause."""
    assert case.judge(case.passed(time=NOW + 299)).accepted
    refused(case.judge(case.passed(time=NOW + 301)), "bill", "still to come", "clocks")


def test_a_failure_from_the_future_counts(case: Case) -> None:
    """A signer whose clock is ahead is still believed when it says no."""
    refused(case.judge([*case.passed(), case.say(passed=False, time=NOW + HOUR)]), "policy", "failed in stage")


# the challenge of a promotion


def test_a_confirmed_bill_has_no_age(case: Case) -> None:
    """A source that confirms its words over the receiver's challenge is believed whatever their age, without a note."""
    bill = case.passed(time=NOW - 90 * DAY)
    verdict = case.judge([*bill, case.vouched(bill)], nonce=NONCE)
    assert verdict.accepted
    assert not [line for line in verdict.have if "confirmed" in line]


def test_a_revoked_bill_cannot_be_replayed(case: Case) -> None:
    """A client that leaves the later failure out of the bill is refused: the source's present word contradicts it."""
    bill = case.passed()
    failed = case.say(passed=False, time=NOW - 60)
    now_says = case.vouched([*bill, failed])
    assert not statement_in(now_says).passed
    refused(case.judge([*bill, now_says], nonce=NONCE), "bill", "it has not passed stage", "no longer stands by it")


def test_an_answer_to_an_earlier_challenge_confirms_nothing(case: Case) -> None:
    """A replayed answer leaves the statements to their age: too old ones are refused, young ones serve with a note."""
    old = case.passed(time=NOW - 9 * DAY)
    replayed = case.vouched(old, nonce="0" * 32, at=NOW - 8 * DAY)
    refused(case.judge([*old, replayed], nonce=NONCE), "bill", "9 days old")
    young = case.judge([*case.passed(), case.vouched(case.passed(), nonce="0" * 32)], nonce=NONCE)
    assert young.accepted
    assert "stage not confirmed now: statements of up to 1 hour serve" in young.have


def test_an_answer_counts_for_no_promotion_without_a_challenge(case: Case) -> None:
    """Where no challenge was given, an answer with an empty one confirms nothing."""
    old = case.passed(time=NOW - 9 * DAY)
    refused(case.judge([*old, case.vouched(old, nonce="")], nonce=""), "bill", "9 days old")


def test_an_unreachable_source_is_recorded(case: Case) -> None:
    """Where a challenge was given and not answered, young statements serve and the verdict says so."""
    verdict = case.judge(case.passed(), nonce=NONCE)
    assert verdict.accepted
    assert "stage not confirmed now: statements of up to 1 hour serve" in verdict.have


def test_a_denial_refuses_even_where_another_environment_passed(case: Case) -> None:
    """A source that does not stand by the release stops its promotion, though another environment would suffice."""
    local = case.passed(environment="local", by=case.production)
    denial = case.vouched([case.say(passed=False)])
    refused(case.judge([*local, denial], Policy(passed=("*",)), nonce=NONCE), "bill", "stage-host does not stand by it")


def test_of_two_answers_the_later_counts(case: Case) -> None:
    """When the source changes its mind within one promotion, its last word holds, whatever the order."""
    bill = case.passed()
    yes = case.vouched(bill, at=NOW)
    no = case.vouched([*bill, case.say(passed=False, time=NOW)], at=NOW + 1)
    for answers in ([yes, no], [no, yes]):
        refused(case.judge([*bill, *answers], nonce=NONCE), "bill", "no longer stands by it")


def test_an_agent_vouches_for_its_own_words_only(case: Case) -> None:
    """A source's present word lists what it signed itself, and passes only if its own environment did."""
    foreign = case.passed(by=case.production)
    word = statement_in(case.vouched(foreign))
    assert not word.passed
    assert word.facts == {"gates": {}}
    own = statement_in(case.vouched([*foreign, case.say("tests", environment="")]))
    assert own.facts == {"gates": {"/tests": True}}
    passed = statement_in(case.vouched(case.passed()))
    assert passed.passed
    assert passed.facts == {"gates": {"stage/rollout": True, "stage/smoke": True, "stage/watch": True}}


# revocations


def test_a_revoked_release_goes_nowhere(case: Case) -> None:
    """A trusted agent's revocation refuses the release everywhere, at any age, whatever passed before or since."""
    taken_back = case.stage.sign(revocation(case.asked, "leaks tokens", NOW - 60 * DAY))
    bill = [*case.passed(), taken_back]
    refused(case.judge(bill), "bill", "stage-host revoked it", "leaks tokens")
    refused(case.judge(bill, Policy()), "bill", "stage-host revoked it")
    assert not statement_in(case.vouched(bill)).passed


def test_only_its_own_signer_lifts_a_revocation(case: Case) -> None:
    """The revoking agent can lift its revocation; another agent cannot, nor can a person revoke."""
    taken_back = case.stage.sign(revocation(case.asked, "", NOW - 60))
    by_other = case.production.sign(reinstatement(case.asked, "", NOW - 30))
    refused(case.judge([*case.passed(), taken_back, by_other]), "bill", "stage-host revoked it")
    lifted = case.stage.sign(reinstatement(case.asked, "", NOW - 30))
    assert case.judge([*case.passed(), lifted, taken_back]).accepted
    again = case.stage.sign(revocation(case.asked, "", NOW - 10))
    refused(case.judge([*case.passed(), lifted, taken_back, again]), "bill", "stage-host revoked it")


def test_a_lifted_revocation_stays_lifted(case: Case) -> None:
    """A reinstatement does not grow too old: the revocation must not come back by itself."""
    bill = [
        case.stage.sign(revocation(case.asked, "", NOW - 90 * DAY)),
        case.stage.sign(reinstatement(case.asked, "", NOW - 80 * DAY)),
    ]
    assert case.judge([*bill, *case.passed()]).accepted


def test_a_revocation_that_says_passed_still_revokes(case: Case) -> None:
    """No value of ``passed`` turns a revocation into a pass."""
    refused(case.judge([*case.passed(), case.say("revoked", passed=True)]), "bill", "revoked it")


# a release that failed here before


def test_a_failed_release_needs_a_fresh_pass(case: Case) -> None:
    """What failed in production is not tried again there until it has passed elsewhere after that failure."""
    failed = case.say(environment="production", by=case.production, passed=False, time=NOW - 60)
    verdict = case.judge([*case.passed(), failed])
    refused(verdict, "policy", "it failed in production at", "has not passed anywhere since")
    assert verdict.hint == "lading deploy stage v1.5.0 --again"
    assert case.judge([*case.passed(), failed, *case.passed(time=NOW - 30)]).accepted


def test_where_passes_are_made_trying_again_is_free(case: Case) -> None:
    """An environment that demands no pass takes a release again after it failed there: that is how a pass is made."""
    failed = case.say(environment="production", by=case.production, passed=False, time=NOW - 60)
    assert case.judge([failed], Policy()).accepted


# approvals


def test_an_approval_lets_in(case: Case, bob: Person) -> None:
    """A person other than the requester approves, and stands in what counted."""
    case.trusted.append(bob.trusted)
    verdict = case.judge([bob.approve(case.asked)], APPROVED)
    assert verdict.accepted
    assert verdict.have == ("approval by bob ✓",)


def test_without_approval_nothing_enters(case: Case) -> None:
    """A missing approval is told with how many there are, and how one is given."""
    verdict = case.judge([], Policy(approvals=2))
    refused(verdict, "policy", "it has 0 of 2 approvals")
    assert verdict.hint == "lading approve production v1.5.0"


@pytest.mark.parametrize("requester", ["ann", "ann@laptop", "ANN@elsewhere"])
def test_the_requester_never_approves(case: Case, ann: Person, requester: str) -> None:
    """Who asks for the rollout does not approve it, under whatever host or spelling."""
    case.trusted.append(ann.trusted)
    verdict = case.judge([ann.approve(case.asked)], APPROVED, requester=requester)
    refused(verdict, "policy", "it has 0 of 1 approvals", "the requester's own does not count")


def test_one_person_approves_once(case: Case, bob: Person) -> None:
    """Two approvals by the same key are one; and so are two keys that bear the same name."""
    second = Person("bob-2")
    case.trusted += [bob.trusted, msgspec.structs.replace(second.trusted, name="bob")]
    bill = [bob.approve(case.asked), bob.approve(case.asked, NOW - 60), second.approve(case.asked)]
    refused(case.judge(bill, Policy(approvals=2)), "policy", "it has 1 of 2 approvals (bob)")


def test_two_people_approve_twice(case: Case, bob: Person, eve: Person) -> None:
    """Approvals of different people add up."""
    case.trusted += [bob.trusted, eve.trusted]
    assert case.judge([bob.approve(case.asked), eve.approve(case.asked)], Policy(approvals=2)).accepted


def test_consent_can_be_taken_back(case: Case, bob: Person) -> None:
    """An approver's last word counts."""
    case.trusted.append(bob.trusted)
    bill = [bob.approve(case.asked), bob.approve(case.asked, NOW - 60, consent=False)]
    refused(case.judge(bill, APPROVED), "policy", "it has 0 of 1 approvals")


def test_an_approval_is_for_one_environment_and_release(case: Case, bob: Person) -> None:
    """Consent to stage, or to another digest, lets nothing into production."""
    case.trusted.append(bob.trusted)
    elsewhere = bob.approve(msgspec.structs.replace(case.asked, environment="stage"))
    other = bob.approve(msgspec.structs.replace(case.asked, digest="sha256:" + "77" * 32))
    refused(case.judge([elsewhere], APPROVED), "policy", "it has 0 of 1 approvals")
    refused(case.judge([other], APPROVED), "bill", "it has 0 of 1 approvals", "another digest")


def test_an_approval_grows_too_old(case: Case, bob: Person) -> None:
    """Consent counts for the policy's age, like any pass."""
    case.trusted.append(bob.trusted)
    refused(case.judge([bob.approve(case.asked, NOW - 8 * DAY)], APPROVED), "bill", "8 days old")


def test_an_agent_or_a_stranger_cannot_approve(case: Case, eve: Person) -> None:
    """Approvals count by approvers' keys only: an agent's and an unknown person's are told and not counted."""
    by_agent = case.say("approval", environment="production")
    refused(case.judge([by_agent], APPROVED), "bill", "not trusted for approval")
    refused(case.judge([eve.approve(case.asked)], APPROVED), "bill", eve.trusted.fingerprint)


# keys of the same name, and rotated keys


def test_a_shared_name_makes_no_statement_ones_own(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another agent that bears the receiving agent's name is still another: its old statements need its word."""
    twin = FileSigner(tmp_path_factory.mktemp("twin") / "agent.key", case.production.name)
    case.trusted.append(twin.trusted_key(NOW))
    refused(case.judge(case.passed(by=twin, time=NOW - 9 * DAY)), "bill", "9 days old")


def test_ones_own_earlier_key_stays_ones_own(case: Case, stranger: FileSigner) -> None:
    """After a rotation, what the agent signed with its earlier key needs no challenge either, within the overlap."""
    case.trusted.append(msgspec.structs.replace(stranger.trusted_key(NOW), until=NOW + DAY))
    bill = case.passed(by=stranger, time=NOW - 9 * DAY)
    assert case.judge(bill, own_earlier=(stranger.fingerprint,)).accepted


def test_several_problems_are_told_at_once(case: Case) -> None:
    """Everything that speaks against a release is told in one refusal."""
    policy = Policy(passed=("stage",), gates=("tests",), approvals=1, semantic_version=True)
    verdict = case.judge([], policy, version="latest")
    assert len(verdict.problems) == 4
