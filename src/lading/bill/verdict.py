"""A bill held against a policy: is this release taken, and if not, why in sentences."""

from collections.abc import Iterable, Iterator

import msgspec

from lading.bill.gates import APPROVAL, ROLLOUT, SMOKE, SUITES, VERDICT
from lading.bill.reading import Asked, Bill, SetAside, is_pass, label, newer, order, read_bill
from lading.bill.verify import AGENT, Opened
from lading.bill.words import span, when
from lading.model.bill import Envelope, Policy, Statement, TrustedKey, Verdict
from lading.model.release import SEMANTIC_VERSION

ANY = "*"  # in a policy: any one other environment


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks against the release: a sentence, the next step, and whether the bill itself is at fault."""

    text: str
    hint: str
    code: str = "policy"


def verdict(
    envelopes: Iterable[Envelope], trusted: Iterable[TrustedKey], policy: Policy, asked: Asked, now: float
) -> Verdict:
    """Judge whether ``policy`` takes the release asked about, on the evidence of its statements.

    The newest word on a gate in an environment counts, and of two at the same time the failed one. Passes must be
    confirmed by their signer over ``asked.nonce``, be the receiving agent's own, or be younger than
    ``policy.max_age``; what speaks against the release counts at any age. ``now`` in seconds since the epoch.
    """
    bill = read_bill(envelopes, trusted, asked, policy.max_age, now)
    findings = tuple(_findings(bill, policy, asked))
    code = "bill" if any(finding.code == "bill" for finding in findings) else "policy"
    return Verdict(
        problems=tuple(finding.text for finding in findings),
        have=(*_have(bill), *_notes(bill, asked, now)),
        code=code,
        hint=findings[0].hint if findings else "",
    )


def revocations(
    envelopes: Iterable[Envelope], trusted: Iterable[TrustedKey], asked: Asked, now: float
) -> tuple[str, ...]:
    """Return who takes the release back and has not lifted that since, one clause each."""
    return read_bill(envelopes, trusted, asked, float("inf"), now).revoked


def vouch(envelopes: Iterable[Envelope], trusted: Iterable[TrustedKey], asked: Asked, now: float) -> Statement:
    """Return the present word of a source agent on a release, to be signed over the receiver's ``asked.nonce``.

    ``asked.environment`` is the source environment, ``asked.own`` the source agent's key. It passes when that
    environment's newest rollout did and nothing was revoked; ``facts["gates"]`` lists what the agent stands by.
    """
    bill = read_bill(envelopes, trusted, asked, float("inf"), now)
    stands = {
        label(one.statement.environment, one.statement.gate): is_pass(one.statement)
        for one in _last_words(one for one in bill.counted if asked.is_own(one.key))
    }
    return Statement(
        project=asked.project,
        environment=asked.environment,
        digest=asked.digest,
        version=asked.version,
        manifest=asked.manifest,
        gate=VERDICT,
        passed=stands.get(label(asked.environment, ROLLOUT), False) and not bill.alarms,
        time=now,
        nonce=asked.nonce,
        facts={"gates": stands},
    )


def _findings(bill: Bill, policy: Policy, asked: Asked) -> list[_Finding]:
    look = f"lading bill {asked.version}"
    found = [_Finding(text=alarm, hint=look, code="bill") for alarm in bill.alarms]
    if policy.semantic_version and SEMANTIC_VERSION.fullmatch(asked.version) is None:
        text = f"{asked.version} is no semantic version, such as v1.5.0"
        found.append(_Finding(text=text, hint="tag the commit with a semantic version and release it"))
    for environment in policy.passed:
        found.extend(_passed(bill, policy, asked, environment))
        if environment == asked.environment:
            # To have been here before is no pass from elsewhere, which a demand by name stands for as well.
            found.extend(_passed(bill, policy, asked, ANY))
    for gate in policy.gates:
        found.extend(_gate(bill, gate))
    found.extend(_tried_before(bill, policy, asked))
    found.extend(_approvals(bill, policy, asked))
    # A denial mostly shows as the very gate it denies; it is told where it is the only thing that is wrong.
    return found or [_Finding(text=denial, hint=look, code="bill") for denial in bill.denials]


def _passed(bill: Bill, policy: Policy, asked: Asked, environment: str) -> Iterator[_Finding]:
    if environment == ANY:
        names = [name for name in bill.environments() if name != asked.environment]
        text, first = "it has passed no other environment", "stage"
    else:
        names = [environment]
        text, first = f"it has not passed {environment}", environment
    if any(_environment_passed(bill, policy, name) for name in names):
        return
    failed = next((why for name in names if (why := _why_failed(bill, name))), "")
    aside = bill.why_not(lambda one: _is_about(one, environment, asked))
    hint = f"lading deploy {first} {asked.version}"
    yield _missing(text, hint, failed, aside)


def _is_about(one: SetAside, environment: str, asked: Asked) -> bool:
    if environment == ANY:
        return one.environment != asked.environment and one.gate in SUITES
    return one.environment == environment


def _missing(text: str, hint: str, failed: str, aside: SetAside | None) -> _Finding:
    """Say what is missing: because it failed, or because what claims it does not count, or just so."""
    if failed or aside is None:
        return _Finding(text=f"{text}: {failed}" if failed else text, hint=hint)
    if aside.kind == "unknown-key":
        hint = "if that key is to be believed, on this agent: lading trust add NAME KEY"
    return _Finding(text=f"{text}: {aside.reason}", hint=hint, code="bill")


def _environment_passed(bill: Bill, policy: Policy, environment: str) -> bool:
    gates = (ROLLOUT, SMOKE) if policy.smoke_required else (ROLLOUT,)
    words = [bill.newest(environment, gate) for gate in gates]
    return all(one is not None and is_pass(one.statement) for one in words)


def _why_failed(bill: Bill, environment: str) -> str:
    newest = bill.newest(environment, ROLLOUT)
    if newest is not None and not newest.statement.passed:
        return f"it failed in {environment} at {when(newest.statement.time)}"
    if newest is not None and bill.why_not(lambda one: one.environment == environment) is None:
        return f"no smoke suite has passed in {environment}"
    return ""


def _gate(bill: Bill, gate: str) -> Iterator[_Finding]:
    words = [one for one in _last_words(bill.counted) if one.statement.gate == gate]
    if words and is_pass(words[-1].statement):
        return
    failed = f"it failed at {when(words[-1].statement.time)}" if words else ""
    aside = bill.why_not(lambda one: one.gate == gate)
    yield _missing(f"gate {gate} has not passed", f"lading attest {gate} -- COMMAND", failed, aside)


def _tried_before(bill: Bill, policy: Policy, asked: Asked) -> Iterator[_Finding]:
    """Demand a fresh pass elsewhere after a failure here, where passes are demanded at all.

    In an environment that demands none (the first of the road) trying again is how the fresh pass is made.
    """
    here = bill.newest(asked.environment, ROLLOUT)
    if not policy.passed or here is None or here.statement.passed:
        return
    for name in bill.environments():
        elsewhere = bill.newest(name, ROLLOUT)
        if (
            elsewhere is not None
            and name != asked.environment
            and elsewhere.statement.time > here.statement.time
            and _environment_passed(bill, policy, name)
        ):
            return
    first = next((name for name in policy.passed if name != ANY), "stage")
    yield _Finding(
        text=f"it failed in {asked.environment} at {when(here.statement.time)} and has not passed anywhere since",
        hint=f"lading deploy {first} {asked.version} --again",
    )


def _approvals(bill: Bill, policy: Policy, asked: Asked) -> Iterator[_Finding]:
    if policy.approvals <= 0:
        return
    given = [one for one in _approved(bill, asked) if not _is_requester(one, asked)]
    people = sorted({one.key.name for one in given})
    if len(people) >= policy.approvals:
        return
    by = f" ({', '.join(people)})" if people else ""
    own = (
        "the requester's own does not count" if any(_is_requester(one, asked) for one in _approved(bill, asked)) else ""
    )
    aside = bill.why_not(lambda one: (one.environment, one.gate) == (asked.environment, APPROVAL))
    text = f"it has {len(people)} of {policy.approvals} approvals{by}"
    yield _missing(text, f"lading approve {asked.environment} {asked.version}", own, aside)


def _approved(bill: Bill, asked: Asked) -> list[Opened]:
    """Return each approver's last word for this environment, if it is a consent."""
    last: dict[str, Opened] = {}
    for one in bill.counted:
        if one.statement.gate != APPROVAL or one.statement.environment != asked.environment:
            continue
        before = last.get(one.key.fingerprint)
        if before is None or newer(one, before):
            last[one.key.fingerprint] = one
    return [one for one in last.values() if one.statement.passed]


def _is_requester(one: Opened, asked: Asked) -> bool:
    # "ann@laptop" asks, "Ann" or "ann@example.org" approves: rather too many are taken for the requester than too few.
    if not asked.requester:
        return False
    names = {asked.requester.casefold(), asked.requester.partition("@")[0].casefold()}
    return one.key.fingerprint == asked.requester or not names.isdisjoint(
        {one.key.name.casefold(), one.key.name.partition("@")[0].casefold()}
    )


def _last_words(words: Iterable[Opened]) -> list[Opened]:
    """Return the newest word of agents on every gate in every environment, in the order they were said."""
    last: dict[tuple[str, str], Opened] = {}
    for one in words:
        key = (one.statement.environment, one.statement.gate)
        if one.key.role == AGENT and (key not in last or newer(one, last[key])):
            last[key] = one
    return sorted(last.values(), key=order)


def _have(bill: Bill) -> Iterator[str]:
    for one in _last_words(bill.counted):
        place = one.statement.environment or one.key.name
        yield f"{place}/{one.statement.gate} {'✓' if one.statement.passed else '✗'}"
    for one in bill.counted:
        if one.statement.gate == APPROVAL:
            yield f"approval by {one.key.name} {'✓' if one.statement.passed else '✗'}"


def _notes(bill: Bill, asked: Asked, now: float) -> Iterator[str]:
    """Record, where a challenge was given, which statements serve without an answer to it."""
    if not asked.nonce:
        return
    for place in bill.unconfirmed:
        times = [one.statement.time for one in bill.counted if (one.statement.environment or one.key.name) == place]
        oldest = span(max(now - min(times), 0.0)) if times else "unknown age"
        yield f"{place} not confirmed now: statements of up to {oldest} serve"
