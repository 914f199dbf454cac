"""``lading explain``: what an error code or exit status means."""

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.model.errors import CODES, EXIT_STATUSES, Code, LadingError

INDENT = 14  # columns before what is told of one code


@click.command(cls=LadingCommand)
@click.argument("code", required=False)
@pass_state
def explain(state: State, code: str | None) -> None:
    """Explain an error CODE or an exit status; all of them unless one is given."""
    chosen = {name: row for name, row in CODES.items() if code in (None, name, str(row.exit_status))}
    if not chosen and code != "0":
        raise LadingError(
            "usage",
            doing="lading explain",
            happened=f"there is no error code or exit status {code}",
            hint="lading explain, for all of them",
        )
    if code in CODES:
        _explain_one(state, code, chosen[code])
        return
    for status, meaning in EXIT_STATUSES.items():
        if code in (None, str(status)) or any(row.exit_status == status for row in chosen.values()):
            state.say(f"exit status {status}: {meaning}")
            for name, row in chosen.items():
                if row.exit_status == status:
                    state.say(f"  {name:<22} {row.meaning}")
    if code is None:
        state.say("\nlading explain CODE says what is still true then, and what to do")
    rows = [{"code": name, "exit_status": row.exit_status, "meaning": row.meaning} for name, row in chosen.items()]
    state.result({"codes": rows})


def _explain_one(state: State, code: str, row: Code) -> None:
    from lading.cli.cells import wrap
    from lading.cli.terminal import columns
    from lading.model.remedies import REMEDIES

    remedy = REMEDIES[code]
    state.say(f"  exit status {row.exit_status}: {EXIT_STATUSES[row.exit_status]}", head=code)
    for title, text in (("means", row.meaning), ("still true", remedy.still), ("to do", remedy.do)):
        lines = wrap(text.replace("`", ""), columns() - INDENT)
        state.say(f"  {title:<{INDENT - 2}}{lines[0]}")
        for line in lines[1:]:
            state.say(" " * INDENT + line)
    told = {"code": code, "exit_status": row.exit_status, "meaning": row.meaning}
    state.result({"codes": [{**told, "still_true": remedy.still, "to_do": remedy.do}]})
