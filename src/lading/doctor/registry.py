"""The checks of a host, one module a subject, and how any list of checks is run: none can keep the others from it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from lading.doctor import clock, encryption, files, limits, memory, space
from lading.doctor.finding import Finding, found

Subject = TypeVar("Subject")
Check = Callable[[Subject], Iterator[Finding]]

# Of the home of an agent, by whoever can look: the agent itself, or a command line where no agent answers.
HOME: tuple[Check[Path], ...] = (
    space.disk,
    space.inodes,
    memory.free,
    files.home,
    files.keys,
    files.socket,
    files.logs,
    encryption.at_rest,
)
# Of the program that runs them: only the agent can say it of itself.
PROCESS: tuple[Check[Path], ...] = (clock.jumps, limits.open_files, limits.core_files)


def examine(checks: Iterable[Check[Subject]], subject: Subject) -> tuple[Finding, ...]:
    """Run checks and return all they found; one that cannot look says so and keeps no other from looking."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(subject)
        except Exception as error:  # noqa: BLE001 - whatever a sick host makes of it, the other checks go on
            name = f"{check.__module__.rpartition('.')[2]} {check.__name__}".replace("_", " ")
            # The type alone: what an error says may quote what it stumbled over.
            findings.append(found("not-checked", name, f"{type(error).__name__} while looking"))
    return tuple(findings)
