"""Checks that ask nobody: every answer passes until a script says otherwise."""

import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec

from lading.model.manifest import Expect, Probe, SmokeStep
from lading.model.secret import Secret
from lading.ports.checks import Answer

PASS = Answer(passed=True, seconds=0.001)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One question that was put: ``kind`` is ``probe``, ``request`` or ``judge``; ``who`` whom it was about."""

    kind: str
    address: str = ""
    path: str = ""
    name: str = ""
    who: tuple[str, ...] = ()


class _Script(msgspec.Struct, kw_only=True):
    answers: list[Answer]
    of: str | None
    path: str | None
    name: str | None
    forever: bool

    def fits(self, asked: Asked) -> bool:
        return (
            bool(self.answers)
            and self.of in (None, asked.address, *asked.who)
            and self.path in (None, asked.path)
            and self.name in (None, asked.name)
        )

    def take(self) -> Answer:
        return self.answers[0] if self.forever and len(self.answers) == 1 else self.answers.pop(0)


class MemoryChecks:
    """Answers by script; what no script fits passes.

    ``whois`` tells what an address or base URL stands for, as words a script may name: the instance's name, its
    version, its label. Every question is kept in ``asked``.
    """

    def __init__(self, whois: Callable[[str], Sequence[str]] = lambda _address: ()) -> None:
        self.asked: list[Asked] = []
        self.whois = whois
        self._scripts: list[_Script] = []
        self._lock = threading.Lock()

    def fail(
        self,
        reason: str = "503",
        *,
        of: str | None = None,
        path: str | None = None,
        name: str | None = None,
        times: int | None = None,
    ) -> None:
        """Fail what fits: ``of`` an address or any word of ``whois``, a ``path``, a smoke step's ``name``.

        None fits all. ``times`` failures, then it passes again; None fails for good. Later scripts go first.
        """
        bad = Answer(passed=False, reason=reason, seconds=0.001)
        self.script([bad] * (times or 1), of=of, path=path, name=name, forever=times is None)

    def script(
        self,
        answers: Sequence[Answer],
        *,
        of: str | None = None,
        path: str | None = None,
        name: str | None = None,
        forever: bool = False,
    ) -> None:
        """Give these answers in turn to what fits; ``forever`` keeps giving the last one."""
        with self._lock:
            self._scripts.insert(0, _Script(answers=list(answers), of=of, path=path, name=name, forever=forever))

    def heal(self) -> None:
        """Forget every script: all passes again."""
        with self._lock:
            self._scripts.clear()

    def probe(self, address: str, probe: Probe) -> Answer:
        """Answer a probe by script."""
        return self._answer(Asked(kind="probe", address=address, path=probe.path, who=tuple(self.whois(address))))

    def request(self, base_url: str, host: str | None, step: SmokeStep, values: Mapping[str, Secret]) -> Answer:  # noqa: ARG002
        """Answer a smoke request by script."""
        who = tuple(self.whois(base_url))
        return self._answer(
            Asked(kind="request", address=base_url, path=step.path or "", name=step.name, who=who),
            captured={name: Secret(f"captured-{name}") for name in step.capture},
        )

    def judge(
        self,
        expect: Expect,
        *,
        exit_status: int | None,
        output: str,
        outputs: str,
        values: Mapping[str, Secret],  # noqa: ARG002
    ) -> Answer:
        """Judge exit status and text as they are; files by script (``path`` is the outputs directory)."""
        if exit_status is None:
            return Answer(passed=False, reason="stopped at its timeout")
        wanted = 0 if expect.exit is None else expect.exit
        if exit_status != wanted:
            return Answer(passed=False, reason=f"exit status {exit_status}, expected {wanted}")
        if expect.text is not None and expect.text not in output:
            return Answer(passed=False, reason="the expected text is not in its output")
        return self._answer(Asked(kind="judge", path=outputs))

    def _answer(self, asked: Asked, captured: Mapping[str, Secret] | None = None) -> Answer:
        with self._lock:
            self.asked.append(asked)
            for script in self._scripts:
                if script.fits(asked):
                    return script.take()
        return msgspec.structs.replace(PASS, captured=captured or {})
