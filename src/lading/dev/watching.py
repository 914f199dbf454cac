"""Tells which of a project's files changed, as long as they are of a kind that programs are made of."""

import threading
from collections.abc import Callable
from pathlib import Path

SUFFIXES = frozenset(
    {".py", ".html", ".htm", ".jinja", ".jinja2", ".j2", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".sql", ".mo"}
)
NAMES = frozenset({".env"})
DEBOUNCE = 200  # milliseconds in which changes are taken for one
STEP = 40  # milliseconds of quiet that end it
LOOK = 500  # milliseconds between looks at whether to stop


class Watching:
    """Calls ``changed`` with the files that changed below ``root``, from a thread of its own, until it is closed.

    Only what a program reads when it starts counts: code, templates, configuration. What it writes itself, such as a
    database, a log or an upload, must not start it again for ever.
    """

    def __init__(self, root: Path, virtualenv: Path, changed: Callable[[frozenset[Path]], None]) -> None:
        self._root = root
        self._virtualenv = virtualenv
        self._changed = changed
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watches files", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        # Imported where used: only this command watches.
        from watchfiles import Change, DefaultFilter, watch

        usual = DefaultFilter()

        def counts(change: Change, path: str) -> bool:
            return usual(change, path) and self._is_source(Path(path))

        for changes in watch(
            self._root,
            watch_filter=counts,
            debounce=DEBOUNCE,
            step=STEP,
            stop_event=self._closed,
            rust_timeout=LOOK,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            self._changed(frozenset(Path(path) for _, path in changes))

    def _is_source(self, path: Path) -> bool:
        if path.is_relative_to(self._virtualenv):
            return False
        return path.name in NAMES or path.suffix.lower() in SUFFIXES
