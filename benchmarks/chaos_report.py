"""What a campaign finds: unsound ends are printed as they are found, and counted."""

import sys
import threading

from benchmarks.figures import Figure, at_most


class Findings:
    """Counts cases and what was wrong with them; several threads may report."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.cases = 0
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def report(self, case: str, problems: list[str]) -> None:
        """Note how a case ended; an empty list is a sound end."""
        with self._lock:
            self.cases += 1
            if problems:
                self.wrong.append(case)
                print(f"  ✗ {self.what}: {case}: {'; '.join(problems)}", file=sys.stderr, flush=True)

    def figure(self, command: str) -> Figure:
        """Return the number of unsound ends as a figure whose bar is none."""
        return at_most(
            f"{self.what}: ended neither old nor new, or left something",
            len(self.wrong),
            "cases",
            0,
            command=command,
            n=self.cases,
        )
