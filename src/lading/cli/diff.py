"""``lading diff``: how two environments differ, or what the manifest would change in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.agent import segment
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.comparing import Facts, Row
    from lading.model.manifest import Manifest

DIFFERENT = 1  # exit status with --exit-code where something differs, as git has it
WIDEST = 44  # columns of one side; what is longer is cut, and whole with --json


class Side(NamedTuple):
    """One environment: what its agent says (None: not reached), and what is compared."""

    name: str
    detail: dict[str, Any] | None
    now: Facts
    serves: Facts
    required: frozenset[str]
    missing: dict[str, str]
    trouble: str = ""

    @property
    def release(self) -> str | None:
        """The version that serves."""
        view = self.detail["environment"] if self.detail else None
        return view["release"] if view else None


@click.command(cls=LadingCommand)
@click.argument("first", metavar="ENVIRONMENT")
@click.argument("second", metavar="OTHER", required=False)
@click.option("--all", "everything", is_flag=True, help="Show what is the same, too.")
@click.option("--exit-code", is_flag=True, help="End with exit status 1 when something differs, as git diff does.")
@pass_state
@click.pass_context
def diff(ctx: click.Context, state: State, first: str, second: str | None, everything: bool, exit_code: bool) -> None:
    """Show how ENVIRONMENT and OTHER differ, or without OTHER what the manifest would change in ENVIRONMENT.

    Compared is what a deploy would bring now: the manifest's tables and the stored secrets; where something else
    serves, that is said beside it. Required secrets are marked *, and those that are missing stand first. Secrets are
    told by presence and version, never by value, and values that look like one are not shown. Two environments count
    versions each for themselves, so equal numbers do not mean equal values.
    """
    left = _side(state, first)
    right = _side(state, second) if second is not None else None
    rows = _rows(left, right)
    shown = rows if everything else [row for row in rows if row.differs]
    for line in _text(left, right, shown):
        state.say(line)
    state.result({"diff": _plain(left, right, shown)})
    ctx.exit(DIFFERENT if exit_code and any(row.differs for row in rows) else 0)


def _side(state: State, name: str) -> Side:
    from lading.cli.comparing import facts_of, secret_facts
    from lading.cli.project import read

    manifest = read(state.outline.path)
    detail, trouble = _detail(state, name)
    required = frozenset((*manifest.secrets.required, *manifest.environments[name].needed_secrets))
    named = required | set(manifest.secrets.optional)
    now = facts_of(manifest, manifest.environments[name], name)
    if detail is None:
        return Side(name, None, now, {}, required, {}, trouble)
    stored = {one["name"]: one["version"] for one in detail["secrets"] if one["version"]}
    needed = required | {one["name"] for one in detail["secrets"] if one["need"] == "required"}
    troubles = {one["name"]: one["problem"] for one in detail["secrets"] if one["problem"]}
    table = manifest.environments[name]
    # What comes from elsewhere is fetched by the next rollout.
    there = {*stored, *table.secrets}
    missing = {key: troubles.get(key, "missing") for key in sorted(needed) if key not in there or key in troubles}
    now |= secret_facts(stored, named, table)
    return Side(name, detail, now, _serves(detail, name), needed, missing)


def _detail(state: State, name: str) -> tuple[dict[str, Any] | None, str]:
    path = f"/v1/environments/{segment(state.outline.name)}/{segment(name)}"
    agent = state.agent_for(name)
    try:
        found: dict[str, Any] = agent.get(path)
    except LadingError as error:
        if error.code not in ("agent-unreachable", "agent-refused"):
            raise
        return None, f"{error.doing}: {error.happened}"
    return found, ""


def _serves(detail: dict[str, Any], name: str) -> Facts:
    from lading.cli.comparing import facts_of, release_facts, secret_facts
    from lading.model.environment_table import Environment
    from lading.model.manifest import Manifest

    if detail["configuration"] is None:
        return {}
    from lading.model import typed

    manifest: Manifest = typed.convert(detail["manifest"], Manifest)
    configuration = detail["configuration"]
    table = typed.convert(configuration.get("table", {}), Environment)
    view = detail["environment"]
    named = frozenset((*manifest.secrets.required, *manifest.secrets.optional, *table.needed_secrets))
    return {
        **facts_of(manifest, table, name),
        **secret_facts(configuration.get("secret_versions", {}), named, table),
        **release_facts(view["release"], view["digest"]),
    }


def _rows(left: Side, right: Side | None) -> list[Row]:
    from lading.cli.comparing import compare

    if right is None:
        # A release is no configuration: which one comes next, a deploy says.
        serves = {key: value for key, value in left.serves.items() if key[0] != "release"}
        named = {key: value for key, value in left.now.items() if key in serves or not _is_unnamed(key, left)}
        return compare(serves, named, left.required)
    required = left.required | right.required
    return compare(_seen(left) | _demands(left), _seen(right) | _demands(right), required)


def _demands(side: Side) -> Facts:
    from lading.cli.comparing import policy_facts

    return policy_facts(side.detail["policy"]) if side.detail is not None else {}


def _is_unnamed(key: tuple[str, str], side: Side) -> bool:
    """Tell whether a fact is about a secret that neither the manifest nor what serves names."""
    if key[0] != "secrets" or side.detail is None:
        return False
    entry = next((one for one in side.detail["secrets"] if one["name"] == key[1]), None)
    return entry is not None and entry["need"] == "unknown" and key[1] not in side.required


def _seen(side: Side) -> Facts:
    """Return a side's facts as they would be now, each with what serves where that is something else."""
    seen = dict(side.now)
    for key, value in side.serves.items():
        now = side.now.get(key)
        if now is None:
            seen[key] = value if key[0] == "release" else value._replace(shown=f"– (serves: {value.shown})")
        elif now.compared != value.compared:
            both = (now.compared, value.compared)
            seen[key] = now._replace(compared=both, shown=f"{now.shown} (serves: {value.shown})")
    return seen


def _text(left: Side, right: Side | None, rows: list[Row]) -> list[str]:
    sides = [side for side in (left, right) if side is not None]
    lines = [f"! {side.name} is not known, only what the manifest says of it: {side.trouble}" for side in sides
             if side.trouble]  # fmt: skip
    if right is None and left.detail is not None and left.release is None:
        lines.append(f"{left.name} serves nothing yet")
    for side in sides:
        lines += _missing(side)
    if not rows:
        same = f"{left.name} and {right.name} do not differ" if right else f"{left.name} serves what the manifest says"
        return [*lines, same]
    heads = (left.name, right.name) if right else (f"{left.name} serves", "the manifest now")
    return [*lines, *_table(heads, rows)]


def _missing(side: Side) -> list[str]:
    if not side.missing:
        return []
    lines = [f"required in {side.name}, and not there:"]
    lines += [f"  * {name:<24} {why}; lading secrets set {side.name} {name}" for name, why in side.missing.items()]
    return [*lines, ""]


def _table(heads: tuple[str, str], rows: list[Row]) -> list[str]:
    from lading.cli.cells import fit, pad, width

    cells = [(("* " if row.required else "  ") + row.key, _cell(row, row.left), _cell(row, row.right)) for row in rows]
    first = max(width(cell[0]) for cell in cells)
    second = min(WIDEST, max(width(heads[0]), *(width(cell[1]) for cell in cells)))
    lines = [f"  {pad('', first)}  {pad(heads[0], second)}  {heads[1]}"]
    before = ""
    for row, (key, one, other) in zip(rows, cells, strict=True):
        if row.section != before:
            lines.append(row.section)
            before = row.section
        lines.append(f"  {pad(key, first)}  {pad(fit(one, second), second)}  {fit(other, WIDEST)}".rstrip())
    return lines


def _cell(row: Row, text: str) -> str:
    return text or ("default" if row.section in ("strategy", "resources") else "–")


def _plain(left: Side, right: Side | None, rows: list[Row]) -> dict[str, Any]:
    sides = [side for side in (left, right) if side is not None]
    return {
        "environments": [
            {"name": side.name, "release": side.release, "known": side.detail is not None} for side in sides
        ],
        "missing": [
            {"environment": side.name, "name": name, "problem": why}
            for side in sides
            for name, why in side.missing.items()
        ],
        "rows": [row._asdict() for row in rows],
    }
