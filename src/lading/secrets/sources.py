"""Secrets that others keep, fetched on this host: by a command, from a variable of the agent, from a file."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from lading.model.environment_table import SecretSource
from lading.model.secret import Secret, redact
from lading.ports.sources.refusals import not_allowed, refused
from lading.secrets.allowed import Allowed, words_of

LONGEST: Final = 1 << 16  # bytes of a value; an environment variable can hold little more
AT_ONCE: Final = 8  # sources that are asked side by side
LAST_LINES = 5  # of what a command that failed wrote to stderr
_PRIVATE = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|KEY", re.IGNORECASE)


class _Wrong(Exception):
    """Why a source gave nothing: a sentence, then further lines; never a value."""


class HostSources:
    """Fetch what the host's admin ``allowed``; ``environ`` is the agent's own, ``known`` gives values to mask.

    Commands run as the agent's user, without a shell, without input, in the root directory, with the agent's own
    variables. What they print is held in memory only. One that takes too long is killed with all that it started.
    """

    def __init__(
        self,
        allowed: Sequence[Allowed],
        environ: Mapping[str, str] = os.environ,
        known: Callable[[], Collection[Secret]] = tuple,
    ) -> None:
        self._allowed = tuple(allowed)
        self._environ = environ
        self._known = known

    def __repr__(self) -> str:
        return f"HostSources({', '.join(rule.environment for rule in self._allowed)})"

    def fetch(self, environment: str, sources: Mapping[str, SecretSource]) -> Mapping[str, Secret]:
        """Return the present value of every secret named; all at once, so that it takes as long as the slowest."""
        found: dict[str, Secret] = {}
        wrong: dict[str, tuple[str, ...]] = {}
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            asked = {name: pool.submit(self._value, environment, source) for name, source in sources.items()}
            for name, answer in asked.items():
                try:
                    found[name] = answer.result()
                except _Wrong as reason:
                    wrong[name] = reason.args
        if wrong:
            raise refused(environment, wrong)
        return found

    def _value(self, environment: str, source: SecretSource) -> Secret:
        rule = self._rule(environment, source)
        if source.command is not None:
            raw = self._printed(source.command, rule.timeout)
        elif source.env is not None:
            raw = self._environ.get(source.env, "").encode(errors="surrogateescape")
        else:
            raw = self._read(environment, source, rule)
        return _checked(raw, source)

    def _rule(self, environment: str, source: SecretSource) -> Allowed:
        try:
            for rule in self._allowed:
                if rule.covers(environment) and rule.allows(source):
                    return rule
        except ValueError as error:
            raise _Wrong(f"its command cannot be split into words: {error}") from error
        raise _Wrong(*not_allowed(environment, source))

    def _read(self, environment: str, source: SecretSource, rule: Allowed) -> bytes:
        real = os.path.realpath(source.place)
        # A link must not lead out of what was allowed.
        if not rule.allows(SecretSource(file=real)):
            raise _Wrong(f"{source.place} is a link", *not_allowed(environment, SecretSource(file=real)))
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(LONGEST + 2)
        except OSError as error:
            raise _Wrong(f"the file {source.place}: {error.strerror}") from error

    def _printed(self, command: str, timeout: float) -> bytes:
        words = words_of(command)
        program = shutil.which(words[0], path=self._environ.get("PATH", os.defpath))
        if program is None:
            raise _Wrong(f"{words[0]} is not installed on this host, or not in the agent's PATH")
        try:
            process = subprocess.Popen(
                [program, *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=dict(self._environ),
                start_new_session=True,
            )
        except OSError as error:
            raise _Wrong(f"{words[0]} cannot be run: {error.strerror}") from error
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise _Wrong(f"{command}: no answer within {timeout:g} s") from error
        if process.returncode != 0:
            raise _Wrong(f"{command}: {_status(process.returncode)}", *self._last_words(out, err))
        return out

    def _last_words(self, out: bytes, err: bytes) -> list[str]:
        """Return the end of what a command complained of, without what it printed and whatever it could know."""
        printed = [line.strip() for line in out.decode(errors="replace").splitlines()]
        own = [value for name, value in self._environ.items() if _PRIVATE.search(name)]
        masked = [*self._known(), *(Secret(value) for value in (*printed, *own) if value)]
        lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
        return [redact(line, masked) for line in lines[-LAST_LINES:]]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and whatever it started, and let go of its pipes."""
    with suppress(ProcessLookupError):
        # It was not waited for yet, so its number is still its own.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _status(code: int) -> str:
    return f"it was ended by signal {-code}" if code < 0 else f"exit status {code}"


def _checked(raw: bytes, source: SecretSource) -> Secret:
    value = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not value:
        raise _Wrong(f"the {source.kind} {source.place} gave nothing")
    if len(value) > LONGEST:
        raise _Wrong(f"the {source.kind} {source.place} gave more than {LONGEST} bytes, which is no secret")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        # Not chained: the cause holds the value.
        raise _Wrong(f"what the {source.kind} {source.place} gave is no text") from None
    if "\0" in text:
        raise _Wrong(f"what the {source.kind} {source.place} gave holds a NUL character")
    return Secret(text)
