"""How a release is asked whether it works."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from lading.model.environment import Pass
from lading.model.manifest import Expect, Probe, SmokeStep
from lading.model.secret import Secret

NO_PASS = Pass()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check: whether it passed, and why not in one line (``503, body: {"database": …}``).

    ``captured`` holds values for later steps; they are treated as secrets.
    """

    passed: bool
    reason: str = ""
    seconds: float = 0.0
    captured: Mapping[str, Secret] = {}


class Checks(Protocol):
    """Asks once and judges; waiting and repeating is the engine's part. Never raises for a failed check."""

    def probe(self, address: str, probe: Probe) -> Answer:
        """Ask one instance at ``host:port`` once, within the probe's timeout."""
        ...

    def request(
        self, base_url: str, host: str | None, step: SmokeStep, values: Mapping[str, Secret], passing: Pass = NO_PASS
    ) -> Answer:
        """Carry out one HTTP smoke step against ``base_url``, sending ``host`` as Host header if given.

        ``values`` fill ``{{NAME}}`` and ``auth``; no value appears in the answer's reason. What ``passing`` holds is
        sent along, over headers of the step's own.
        """
        ...

    def judge(
        self,
        expect: Expect,
        *,
        exit_status: int | None,
        output: str,
        outputs: str,
        values: Mapping[str, Secret],
    ) -> Answer:
        """Judge a finished command or job: exit status (0 unless said), text in its output, files it wrote.

        ``outputs`` is the directory its files are below; paths that leave it do not pass.
        """
        ...
