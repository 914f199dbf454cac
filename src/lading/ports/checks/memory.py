"""Checks that ask nobody: every answer passes until a script or a page says otherwise."""

import posixpath
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from lading.model.environment import Pass
from lading.model.manifest import Expect, Probe, SmokeStep
from lading.model.secret import Secret
from lading.ports.checks import NO_PASS, Answer
from lading.ports.checks.expectations import (
    Seen,
    captured,
    file_reason,
    probe_reason,
    reason_line,
    request_reason,
    run_reason,
)
from lading.ports.checks.templates import UnknownName, fill, fill_json, look_up

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
    """Answers by script, else by the page that is kept for the path; what has neither passes.

    ``whois`` tells what an address or base URL stands for, as words a script may name: the instance's name, its
    version, its label. Every question is kept in ``asked``.
    """

    def __init__(self, whois: Callable[[str], Sequence[str]] = lambda _address: ()) -> None:
        self.asked: list[Asked] = []
        self.whois = whois
        self._scripts: list[_Script] = []
        self._pages: dict[str, Seen] = {}
        self._files: dict[str, Mapping[str, bytes]] = {}
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

    def page(self, path: str, seen: Seen) -> None:
        """Keep an HTTP answer for a path; probes and requests of it are judged by the rules of every adapter."""
        with self._lock:
            self._pages[path] = seen

    def files(self, outputs: str, files: Mapping[str, bytes]) -> None:
        """Keep the files that a job left in its outputs directory."""
        with self._lock:
            self._files[outputs] = dict(files)

    def probe(self, address: str, probe: Probe) -> Answer:
        """Answer a probe."""
        asked = Asked(kind="probe", address=address, path=probe.path, who=tuple(self.whois(address)))
        scripted = self._ask(asked)
        page = self._pages.get(probe.path)
        if scripted is not None or page is None:
            return scripted or PASS
        return _answer(probe_reason(probe, page))

    def request(
        self,
        base_url: str,
        host: str | None,  # noqa: ARG002
        step: SmokeStep,
        values: Mapping[str, Secret],
        passing: Pass = NO_PASS,  # noqa: ARG002
    ) -> Answer:
        """Answer a smoke request; a step that names what has no value fails here too."""
        path = step.path or "/"
        who = tuple(self.whois(base_url))
        scripted = self._ask(Asked(kind="request", address=base_url, path=path, name=step.name, who=who))
        if scripted is not None:
            return scripted
        try:
            _see_named(step, values)
        except UnknownName as error:
            return _answer(str(error))
        page = self._pages.get(path)
        if page is None:
            found = {name: Secret(f"captured-{name}") for name in step.capture}
            return msgspec.structs.replace(PASS, captured=found)
        found, not_found = captured(step.capture, page)
        return _answer(request_reason(step.expect, page) or not_found, [*values.values(), *found.values()], found)

    def judge(
        self,
        expect: Expect,
        *,
        exit_status: int | None,
        output: str,
        outputs: str,
        values: Mapping[str, Secret],
    ) -> Answer:
        """Judge exit status, text and files; a script may name the outputs directory as its ``path``."""
        scripted = self._ask(Asked(kind="judge", path=outputs))
        if scripted is not None:
            return scripted
        reason = run_reason(expect, exit_status, output) or self._files_reason(expect, outputs)
        return _answer(reason, values.values())

    def _files_reason(self, expect: Expect, outputs: str) -> str:
        if outputs not in self._files:
            return ""
        for path, wanted in expect.files.items():
            place = posixpath.normpath(path)
            if place.startswith(("../", "/")):
                return f"output file {path} lies outside of the outputs"
            if place not in self._files[outputs]:
                return f"output file {path} is not there"
            reason = file_reason(path, wanted, self._files[outputs][place])
            if reason:
                return reason
        return ""

    def _ask(self, asked: Asked) -> Answer | None:
        """Note the question and return the answer of the first script that fits."""
        with self._lock:
            self.asked.append(asked)
            return next((script.take() for script in self._scripts if script.fits(asked)), None)


def _answer(reason: str, secrets: Iterable[Secret] = (), found: Mapping[str, Secret] | None = None) -> Answer:
    if not reason:
        return msgspec.structs.replace(PASS, captured=found or {})
    return Answer(passed=False, reason=reason_line(reason, secrets), seconds=PASS.seconds)


def _see_named(step: SmokeStep, values: Mapping[str, Secret]) -> None:
    fill(step.path or "/", values)
    fill_json([list(step.headers.values()), step.json, step.form], values)
    for name in (step.auth.bearer, step.auth.basic) if step.auth else ():
        if name is not None:
            look_up(name, values)
