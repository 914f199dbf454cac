"""Checks over HTTP, and the judgement of finished commands and jobs."""

import time
from collections.abc import Callable, Iterable, Mapping

from lading.checks.exchange import NoAnswer, Question, exchange, place_of
from lading.checks.outputs import files_reason
from lading.checks.smoke import Unsendable, ask, deadline_of, question_of, target_of
from lading.model.environment import Pass
from lading.model.manifest import Expect, Probe, SmokeStep
from lading.model.secret import Secret
from lading.ports.checks import NO_PASS, Answer
from lading.ports.checks.expectations import captured, probe_reason, reason_line, request_reason, run_reason
from lading.ports.checks.templates import UnknownName


class HttpChecks:
    """Asks instances and the router over HTTP, a connection a question.

    ``known`` gives every secret the agent knows; none of them appears in a reason, nor any of a step's own values.
    """

    def __init__(self, known: Callable[[], Iterable[Secret]] = tuple) -> None:
        self._known = known

    def probe(self, address: str, probe: Probe) -> Answer:
        """Ask one instance once; the whole try takes at most ``probe.timeout`` seconds."""
        began = time.monotonic()
        try:
            place = place_of(address)
            headers = {"Host": probe.host or place.authority, "User-Agent": "lading", "Accept": "*/*"}
            question = Question(method="GET", target=target_of(probe.path), headers={**headers, "Connection": "close"})
            reason = probe_reason(probe, exchange(place, question, deadline_of(probe.timeout)))
        except NoAnswer as error:
            reason = str(error)
        return self._answer(reason, began)

    def request(
        self, base_url: str, host: str | None, step: SmokeStep, values: Mapping[str, Secret], passing: Pass = NO_PASS
    ) -> Answer:
        """Carry out one HTTP smoke step, its redirects included, within ``step.timeout`` seconds."""
        began = time.monotonic()
        found: dict[str, Secret] = {}
        try:
            place = place_of(base_url)
            question = question_of(step, host or place.authority, values, passing.headers)
            limit = deadline_of(step.timeout)
            seen = ask(place, question, redirects=step.redirects, deadline=limit, trust=passing.trust)
            # Captured first: the reason why an answer does not pass may quote it, and it holds the token.
            found, not_found = captured(step.capture, seen)
            reason = request_reason(step.expect, seen) or not_found
        except (NoAnswer, UnknownName, Unsendable) as error:
            reason = str(error)
        return self._answer(reason, began, [*values.values(), *found.values(), *passing.headers.values()], found)

    def judge(
        self,
        expect: Expect,
        *,
        exit_status: int | None,
        output: str,
        outputs: str,
        values: Mapping[str, Secret],
    ) -> Answer:
        """Judge a finished command or job: exit status, text in its output, files it wrote below ``outputs``."""
        began = time.monotonic()
        reason = run_reason(expect, exit_status, output) or files_reason(outputs, expect.files)
        return self._answer(reason, began, values.values())

    def _answer(
        self,
        reason: str,
        began: float,
        values: Iterable[Secret] = (),
        found: Mapping[str, Secret] | None = None,
    ) -> Answer:
        seconds = time.monotonic() - began
        if not reason:
            return Answer(passed=True, seconds=seconds, captured=found or {})
        return Answer(passed=False, reason=reason_line(reason, [*self._known(), *values]), seconds=seconds)
