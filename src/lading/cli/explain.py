"""``lading explain``: what an error code or exit status means."""

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.model.errors import CODES, EXIT_STATUSES, LadingError


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
    for status, meaning in EXIT_STATUSES.items():
        if code in (None, str(status)) or any(row.exit_status == status for row in chosen.values()):
            state.say(f"exit status {status}: {meaning}")
            for name, row in chosen.items():
                if row.exit_status == status:
                    state.say(f"  {name:<22} {row.meaning}")
    rows = [{"code": name, "exit_status": row.exit_status, "meaning": row.meaning} for name, row in chosen.items()]
    state.result({"codes": rows})
