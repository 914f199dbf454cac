"""One step of setting up a host, and the refusal of those that have no way."""

from typing import NamedTuple

from lading.model.errors import LadingError


class Step(NamedTuple):
    """One step: its name, what it does or why it is not needed, and the shell script that does it."""

    name: str
    text: str
    script: str = ""

    @property
    def needed(self) -> bool:
        """Tell whether there is something to do."""
        return bool(self.script)


def no_way(happened: str, hint: str) -> LadingError:
    """Return the error for a machine that cannot be made a host as it is."""
    return LadingError(
        "host-failed", doing="setting up the host", happened=happened, now="nothing was changed there", hint=hint
    )
