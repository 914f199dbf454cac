"""The commands in the order a release travels, as ``lading --help`` teaches them, and what others call them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the help: commands that belong together, as they are typed, and what they are for."""

    shown: str
    words: str

    @property
    def names(self) -> tuple[str, ...]:
        """The commands that the line is about."""
        return tuple(part.split()[0] for part in self.shown.split(", "))

    def only(self, known: Collection[str]) -> Row | None:
        """Return the line for the commands that there are; None when it is about none of them."""
        parts = [part for part in self.shown.split(", ") if part.split()[0] in known]
        return self._replace(shown=", ".join(parts)) if parts else None


# Commands that this program does not have are left out; one that it has and that no row names stands at the end.
ROAD: dict[str, tuple[Row, ...]] = {
    "start": (
        Row("init", "write a lading.toml for what is here"),
        Row("check, schema", "what is wrong in the manifest; its schema"),
        Row("up, down", "build it, start it, check it here; stop it"),
        Row("dev", "run it here with hot reload"),
    ),
    "travel": (
        Row("release", "build the clean HEAD, once"),
        Row("deploy ENV", "bring an environment to a release"),
        Row("promote FROM TO", "take a release on, with its signed bill"),
        Row("rollback ENV", "go back to the release before, as it ran"),
        Row("run ENV JOB, outputs ENV", "run a job of what serves; the files it left"),
        Row("follow ENV, cancel ENV", "watch a rollout that goes on; turn it back"),
    ),
    "look": (
        Row("status", "what every environment serves"),
        Row("logs ENV", "what its instances wrote"),
        Row("history ENV, runs ENV", "what was released and run there; its end"),
        Row("plan ENV, diff ENV ENV", "what a deploy would do; how two differ"),
        Row("bill, explain, doctor", "a release's papers; an error; this host"),
    ),
    "keep": (
        Row("secrets, maintenance", "an environment's secrets; close it"),
        Row("policy, trust", "what an agent demands, and whom it believes"),
        Row("approve, attest, revoke", "add to a release's bill, or take it back"),
        Row("host, agent, stack", "machines; the daemon; a side stack"),
        Row("completion", "complete commands and names in your shell"),
    ),
}

# What the same is called by other tools; whoever types it is told the word.
ELSEWHERE = {
    "abort": "cancel",
    "apply": "deploy",
    "compose": "stack",
    "attach": "follow",
    "build": "release",
    "compare": "diff",
    "artifacts": "outputs",
    "cron": "runs",
    "exec": "run",
    "job": "run",
    "jobs": "runs",
    "env": "status",
    "environments": "status",
    "launch": "deploy",
    "list": "status",
    "log": "logs",
    "kill-switch": "maintenance",
    "ls": "status",
    "ps": "status",
    "push": "deploy",
    "releases": "history",
    "revert": "rollback",
    "serve": "dev",
    "ship": "deploy",
    "start": "up",
    "stop": "down",
    "tail": "logs",
    "undo": "rollback",
    "validate": "check",
    "verify": "check",
    "watch": "follow",
}


def rows(known: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Yield the group and the line of every row that names a command there is."""
    for group, lines in ROAD.items():
        for line in lines:
            left = line.only(known)
            if left is not None:
                yield group, left


def help_lines(known: Collection[str], about: Callable[[str], str]) -> list[str]:
    """Return ``lading --help`` for the commands there are; ``about`` says what one without a place is for."""
    from lading.cli.terminal import Paint, wants_colour

    paint = Paint(wants_colour(sys.stdout))
    lines = ["Usage: lading COMMAND …    The road of a release, from laptop to production:", ""]
    lost = [("other", Row(name, about(name))) for name in known if name not in placed()]
    before = ""
    for group, row in (*rows(known), *lost):
        title = group if group != before else ""
        lines.append(f"  {paint(f'{title:<8}', 'bold')} {row.shown:<24} {row.words}")
        before = group
    return [*lines, "", "lading COMMAND --help says more.  Everywhere: --json, -C DIR, --agent ADDRESS."]


def placed() -> frozenset[str]:
    """Return the commands that the road has a place for."""
    return frozenset(name for lines in ROAD.values() for line in lines for name in line.names)


def close_to(word: str, known: Collection[str]) -> list[str]:
    """Return the commands that somebody may have meant by a word, best first."""
    import difflib

    meant = [ELSEWHERE[word]] if ELSEWHERE.get(word) in known else []
    alike = difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.6)
    return list(dict.fromkeys([*meant, *alike]))
