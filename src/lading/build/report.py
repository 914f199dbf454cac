"""How a build tells of itself."""

from typing import Protocol


class Report(Protocol):
    """Takes what a build says; raising ends the build."""

    def __call__(self, text: str, line: str | None = None, /) -> None:
        """Take a line for people; or, with ``line``, what is waited for and the last output of that."""
        ...
