"""Release notes as Markdown: pure, and the same text for the same journal and commits."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

# What Markdown or HTML would take for more than text.
_SPECIAL = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_]))")
_MENTION = re.compile(r"(?<!\w)@")
_START = re.compile(r"^(\d{0,9})([#+=.)-])")
_SEMANTIC = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")
_OUTAGES = ("rolled_back", "stuck")
_WORDS = {
    "succeeded": "released",
    "unwound": "failed before the cutover",
    "cancelled": "cancelled",
    "rolled_back": "taken back after it had answered requests",
    "refused": "refused",
    "stuck": "got stuck",
    None: "under way",
}


class Commit(NamedTuple):
    """One commit of a version: its short id and its subject."""

    id: str
    subject: str


class Span(NamedTuple):
    """Versions above ``after`` up to ``upto``; empty ends are open."""

    after: str = ""
    upto: str = ""

    def holds(self, version: str) -> bool:
        """Tell whether a version lies in the span; one that is not semantic only lies in an open one."""
        own = order(version)
        if own is None:
            return not self.after and not self.upto
        low, high = order(self.after), order(self.upto)
        return (low is None or own > low) and (high is None or own <= high)


def order(version: str) -> tuple[Any, ...] | None:
    """Return what a semantic version is ordered by, a pre-release before its release; None for other names."""
    found = _SEMANTIC.fullmatch(version)
    if found is None:
        return None
    before = found[4]
    parts = (
        tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in before.split(".")) if before else ()
    )
    return (int(found[1]), int(found[2]), int(found[3]), before is None, parts)


def of_version(rollout: Mapping[str, Any]) -> str:
    """Return the version that a rollout tells something of: going back tells of the one that was left."""
    left = rollout["kind"] == "rollback" and rollout["previous"]
    return str(rollout["previous"] if left else rollout["release"])


def notes(
    project: str,
    span: Span,
    rollouts: Sequence[Mapping[str, Any]],
    commits: Mapping[str, Sequence[Commit]],
    environments: Sequence[str],
) -> str:
    """Return the notes: newest version first, in each the environments, failures and outages, commits.

    A rollout is an entry of a history with its ``error`` and the ``migrations`` it told of. ``commits`` are given by
    version, ``environments`` in the order of the road.
    """
    told = [rollout for rollout in rollouts if span.holds(of_version(rollout))]
    by_version: dict[str, list[Mapping[str, Any]]] = {}
    for rollout in sorted(told, key=lambda one: (one["created"], one["environment"], one["id"])):
        by_version.setdefault(of_version(rollout), []).append(rollout)
    lines = [f"# {escaped(project)}: {_title(span)}", ""]
    if not by_version:
        return "\n".join([*lines, "Nothing was released in this span.", ""])
    versions = sorted(by_version, key=lambda version: _newest_first(version, by_version[version]), reverse=True)
    lines += _overview(versions, by_version, environments)
    for version in versions:
        lines += _section(version, by_version[version], commits.get(version, ()))
    return "\n".join(lines)


def _newest_first(version: str, told: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return (order(version) is not None, order(version) or (), told[0]["created"], version)


def _title(span: Span) -> str:
    if span.after and span.upto:
        return f"releases after {escaped(span.after)}, up to {escaped(span.upto)}"
    if span.after or span.upto:
        return f"releases after {escaped(span.after)}" if span.after else f"releases up to {escaped(span.upto)}"
    return "releases"


def _overview(
    versions: Sequence[str], by_version: Mapping[str, Sequence[Mapping[str, Any]]], environments: Sequence[str]
) -> Iterator[str]:
    seen = {rollout["environment"] for told in by_version.values() for rollout in told}
    columns = [name for name in environments if name in seen] + sorted(seen - set(environments))
    yield f"| version | {' | '.join(escaped(name) for name in columns)} |"
    yield "|---|" + "---|" * len(columns)
    for version in versions:
        cells = [_cell([one for one in by_version[version] if one["environment"] == name]) for name in columns]
        yield f"| {escaped(version)} | {' | '.join(cells)} |"
    yield ""


def _cell(told: Sequence[Mapping[str, Any]]) -> str:
    if not told:
        return "–"
    last = told[-1]
    word = "rolled back" if _left(last) else _WORDS[last["outcome"]]
    failed = sum(one["outcome"] not in ("succeeded", None) for one in told[:-1])
    after = f", after {failed} failed" if failed else ""
    return f"{word} {moment(last['created'])}{after}"


def _left(rollout: Mapping[str, Any]) -> bool:
    """Tell whether a rollout took its version out of service, for an earlier one."""
    back = rollout["kind"] == "rollback" and rollout["outcome"] == "succeeded"
    return bool(back and rollout["previous"] != rollout["release"])


def _section(version: str, told: Sequence[Mapping[str, Any]], commits: Sequence[Commit]) -> Iterator[str]:
    yield f"## {escaped(version)}"
    yield ""
    for commit in commits:
        yield f"* {escaped(commit.subject)} ({escaped(commit.id)})"
    if commits:
        yield ""
    yield "| when (UTC) | environment | what | outcome | took | requests lost | by |"
    yield "|---|---|---|---|---|---|---|"
    for rollout in told:
        yield _row(rollout)
    yield ""
    yield from _listed("Migrations", (line for one in told for line in _migrations(one)))
    yield from _listed("Failures, rollbacks and outages", (line for one in told for line in _trouble(one)))


def _row(rollout: Mapping[str, Any]) -> str:
    lost = f"{rollout['lost_requests']:,} of {rollout['requests']:,}" if rollout["requests"] else "–"
    cells = (
        moment(rollout["created"]),
        rollout["environment"],
        _what(rollout),
        _WORDS[rollout["outcome"]],
        f"{rollout['seconds']:.1f} s" if rollout["outcome"] else "–",
        lost,
        rollout["requested_by"],
    )
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def _what(rollout: Mapping[str, Any]) -> str:
    before, after = rollout["previous"] or "nothing", rollout["release"]
    return f"{rollout['kind']} {after}" if before == after else f"{rollout['kind']} {before} → {after}"


def _migrations(rollout: Mapping[str, Any]) -> Iterator[str]:
    for line in rollout.get("migrations", ()):
        yield f"{escaped(rollout['environment'])}, rollout {rollout['id']}: {escaped(line)}"


def _trouble(rollout: Mapping[str, Any]) -> Iterator[str]:
    at = f"{moment(rollout['created'])} {escaped(rollout['environment'])}, rollout {rollout['id']}"
    error = rollout.get("error") or {}
    why = escaped(": ".join(part for part in (error.get("doing", ""), error.get("happened", "")) if part))
    left = escaped(rollout["previous"] or "nothing")
    if _left(rollout):
        by = escaped(rollout["requested_by"])
        yield f"{at}: rolled back from {left} to {escaped(rollout['release'])} by {by}"
    elif rollout["outcome"] not in ("succeeded", None):
        outage = "**outage**: " if rollout["outcome"] in _OUTAGES else ""
        yield f"{at}: {outage}{_WORDS[rollout['outcome']]}, {left} served on. {why}".rstrip()
    if rollout["lost_requests"]:
        yield f"{at}: {rollout['lost_requests']:,} of {rollout['requests']:,} probe requests were lost"


def _listed(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = [f"* {item}" for item in items]
    if lines:
        yield from (f"**{title}**", "", *lines, "")


def moment(at: float) -> str:
    """Return a moment (seconds since the epoch) in UTC, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def escaped(text: object) -> str:
    """Return text that Markdown shows as it is, on one line: nothing in it is a link, a table's border or HTML."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    line = _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;")).replace("<", "&lt;").replace(">", "&gt;")
    line = _MENTION.sub("&#64;", line.replace("://", "&#58;//").replace("www.", "www&#46;"))
    return _START.sub(r"\1\\\2", line)
