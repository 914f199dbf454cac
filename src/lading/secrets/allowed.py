"""What one environment may ask of this host, as the host's admin wrote it: word by word, nothing implied."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

import msgspec

from lading.model.environment_table import SecretSource

ANY: Final = "*"
SOURCE_TIMEOUT: Final = 20.0  # seconds a source may take unless the admin says otherwise
LONGEST_TIMEOUT: Final = 45.0  # seconds; whoever asks for a rollout waits for it


class Allowed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[secrets]]`` of the agent's settings: what an environment (``project/name``) may get its secrets from.

    ``commands``, ``variables`` and ``files`` are patterns: ``*`` stands for a part of one word or of one name in a
    path. The program itself is written out. ``timeout`` bounds each of its commands, in seconds.
    """

    environment: str
    commands: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    timeout: float = SOURCE_TIMEOUT

    def __post_init__(self) -> None:
        """Refuse what would allow more than somebody can oversee."""
        if not re.fullmatch(r"[a-z*][a-z0-9*-]*/[a-z*][a-z0-9*-]*", self.environment):
            raise ValueError(f'secrets.environment: "{self.environment}" is not like "cashback/production"')
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise ValueError(f"secrets.timeout: should be at most {LONGEST_TIMEOUT:g} seconds")
        for command in self.commands:
            if ANY in next(iter(words_of(command)), ANY):
                raise ValueError(f"secrets.commands: {command!r} should begin with one program, written out")
        for file in self.files:
            if not file.startswith("/") or ".." in file.split("/"):
                raise ValueError(f"secrets.files: {file!r} should be an absolute path without ..")

    def covers(self, environment: str) -> bool:
        """Tell whether it is about an environment."""
        return _fits(environment.split("/"), self.environment.split("/"))

    def allows(self, source: SecretSource) -> bool:
        """Tell whether a source is among what is allowed."""
        if source.command is not None:
            words = words_of(source.command)
            return any(_fits(words, words_of(command)) for command in self.commands)
        if source.env is not None:
            return any(_fits([source.env], [variable]) for variable in self.variables)
        path = source.place
        return ".." not in path.split("/") and any(_fits(path.split("/"), file.split("/")) for file in self.files)


def words_of(command: str) -> list[str]:
    """Return the words of a command, as a shell would split it; ValueError for quotes that do not close."""
    return shlex.split(command)


def _fits(words: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(words) == len(patterns) and all(map(_fits_word, words, patterns))


def _fits_word(word: str, pattern: str) -> bool:
    # Where the admin allowed a value, nobody gets an option of the program in.
    if pattern.startswith(ANY) and word.startswith("-"):
        return False
    expression = ".+".join(re.escape(part) for part in pattern.split(ANY))
    return re.fullmatch(expression, word, re.DOTALL) is not None
