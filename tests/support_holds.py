"""An environment whose programs write to one SQLite database, as processes or containers, and migrations of it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from lading.data.sqlite import SqliteDatabases
from lading.model.environment import InstanceSpec
from lading.model.manifest import Database
from lading.ports.runtime import Held, HeldResult, Run
from lading.runtime.docker import DockerRuntime
from lading.runtime.process.identity import stat_of
from lading.runtime.process.runtime import ProcessRuntime
from tests.containers import Containers, image_id
from tests.processes import Processes
from tests.support import until

SQLITE = Database(engine="sqlite", env="DATABASE_URL")

# Writes a number in a transaction of its own, then says so: what was said must never be missing.
WRITER = """
import os, sqlite3, time
path = os.environ["DATABASE_URL"].split(":///")[1]
db = sqlite3.connect(path, isolation_level=None, timeout=30)
db.execute("PRAGMA journal_mode = " + os.environ["MODE"])
db.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, pad TEXT)")
while True:
    db.execute("BEGIN IMMEDIATE")
    number = db.execute("INSERT INTO rows (pad) VALUES (hex(randomblob(50)))").lastrowid
    db.execute("COMMIT")
    print(number, flush=True)
    time.sleep(0.002)
"""

# Statement by statement, each committed by itself, as tools do that have no transaction around DDL.
MIGRATION = """
import os, signal, sqlite3, sys, time
path = os.environ["DATABASE_URL"].split(":///")[1]
db = sqlite3.connect(path, isolation_level=None, timeout=5)
print("migrating", flush=True)
for number, statement in enumerate((
    "CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)",
    "ALTER TABLE rows ADD COLUMN extra TEXT DEFAULT 'new'",
    "UPDATE rows SET pad = 'changed'",
    "DELETE FROM rows WHERE id % 2 = 0",
    "INSERT INTO alembic_version VALUES ('9c41')",
)):
    db.execute(statement)
    if sys.argv[1:2] == ["leave"] and number == 3:
        sys.exit(int(sys.argv[2]))
    if sys.argv[1:] == ["die", str(number)]:
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[1:] == ["hang", str(number)]:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM rows")
        print("hanging", flush=True)
        time.sleep(600)
"""


class HeldHouse:
    """A database below a process runtime's environment, its writers, and holds of it."""

    def __init__(self, world: Processes, mode: str) -> None:
        self.world = world
        self.mode = mode
        source = world.home / "layers" / "source"
        (source / "writer.py").write_text(WRITER)
        (source / "migration.py").write_text(MIGRATION)
        self.databases = SqliteDatabases(world.home / "runtime" / "environments")
        self.url = self.databases.provide("shop", "stage", "main", SQLITE)
        self.file = Path(self.url.split(":///")[1])

    def spec(self, name: str, command: str) -> InstanceSpec:
        return self.world.spec(
            name, port=None, command=command, databases={"DATABASE_URL": self.url}, env={"MODE": self.mode}
        )

    def write(self, *names: str) -> None:
        for name in names:
            self.world.runtime.start(self.spec(name, "python writer.py"), {})
            until(lambda name=name: self.said(name), within=10)  # type: ignore[misc]

    def said(self, *names: str) -> set[int]:
        found = set()
        for name in names:
            log = self.world.home / "runtime" / "logs" / f"{name}.log"
            lines = log.read_text().split("\n")[:-1] if log.exists() else []
            found |= {int(line) for line in lines if line.isdigit()}
        return found

    def held(self, words: str = "", *, limit: float = 10.0, name: str = "hold-1") -> Held:
        run = Run(name=name, spec=self.spec(name, f"python migration.py {words}"), timeout=limit)
        place = self.databases.custody("shop", "stage", "main", 1)
        return Held(name=name, run=run, place=place, limit=limit)

    def hold(self, words: str = "", *, limit: float = 10.0) -> HeldResult:
        return self.world.runtime.run_held(self.held(words, limit=limit), {})

    def rows(self) -> dict[int, str]:
        with closing(sqlite3.connect(self.file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return dict(connection.execute("SELECT id, pad FROM rows").fetchall())

    def columns(self) -> list[str]:
        with closing(sqlite3.connect(self.file)) as connection:
            return [row[1] for row in connection.execute("PRAGMA table_info(rows)")]

    def is_frozen(self, name: str) -> bool:
        state = self.world.runtime.look(name)
        stat = stat_of(state.pid) if state is not None else None
        return stat is not None and stat.state == "T"

    def stop(self, *names: str) -> None:
        for name in names:
            self.world.runtime.stop(name, grace=0.0)

    def assert_untouched(self, *writers: str) -> None:
        """Everything that was acknowledged is there, nothing of the migration is, and writers write on."""
        before = max(self.said(*writers))
        until(lambda: max(self.said(*writers)) > before + 10, within=10)
        self.stop(*writers)
        rows = self.rows()
        assert self.said(*writers) <= set(rows)
        assert "changed" not in rows.values()
        assert self.columns() == ["id", "pad"]
        assert self.databases.revision("shop", "stage", "main") == ()

    # in the words of the conformance suite

    @property
    def runtime(self) -> ProcessRuntime:
        return self.world.runtime

    def reopen(self) -> ProcessRuntime:
        return self.world.reopen()


# The same programs as one file: an image made up by tests has one.
CONTAINED = f"""
import sys
WRITER, MIGRATION = {WRITER!r}, {MIGRATION!r}
exec(WRITER if sys.argv.pop(1) == "write" else MIGRATION)
"""


class ContainedHouse:
    """A database of a docker runtime's environment, its writers, and holds of it."""

    def __init__(self, world: Containers) -> None:
        self.world = world
        world.use(image_id(program=CONTAINED))
        self.databases = SqliteDatabases(world.home / "environments")
        self.url = self.databases.provide("shop", "stage", "main", SQLITE)
        self.file = Path(self.url.split(":///")[1])

    @property
    def runtime(self) -> DockerRuntime:
        return self.world.runtime

    def reopen(self) -> DockerRuntime:
        return self.world.reopen()

    def spec(self, name: str, command: str) -> InstanceSpec:
        return self.world.spec(
            name, port=None, command=command, databases={"DATABASE_URL": self.url}, env={"MODE": "wal"}
        )

    def start(self, *names: str) -> None:
        for name in names:
            self.runtime.start(self.spec(name, "python app.py write"), {})
            until(lambda name=name: self.said(name), within=20)  # type: ignore[misc]

    def said(self, *names: str) -> set[int]:
        lines = [line for name in names for line in self.runtime.logs(name, lines=20_000)]
        return {int(line) for line in lines if line.isdigit()}

    def hold(self, name: str, *, exit_status: int = 0, words: str = "", limit: float = 10.0) -> Held:
        words = f"leave {exit_status}" if exit_status else words
        run = Run(name=name, spec=self.spec(name, f"python app.py migrate {words}"), timeout=limit)
        return Held(name=name, run=run, place=self.databases.custody("shop", "stage", "main", 1), limit=limit)

    def is_changed(self) -> bool:
        return self.databases.revision("shop", "stage", "main") == ("9c41",)

    def stands_still(self, name: str) -> bool:
        return bool(self._inspect(name)["State"]["Paused"])

    def writes_on(self, *names: str) -> None:
        before = max(self.said(*names))
        until(lambda: max(self.said(*names)) > before + 3, within=20)

    def pause(self, name: str) -> None:
        """Pause a writer between two of its transactions: in the midst of one it would keep everybody else waiting."""
        container = f"/containers/{self._inspect(name)['Id']}"

        def pauses() -> bool:
            self.world.engine.post(f"{container}/pause")
            if self.is_free():
                return True
            self.world.engine.post(f"{container}/unpause")
            return False

        until(pauses, within=20)

    def is_free(self) -> bool:
        """Tell whether somebody else gets to write."""
        with closing(sqlite3.connect(self.file, timeout=1.0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            connection.execute("ROLLBACK")
            return True

    def rows(self) -> set[int]:
        with closing(sqlite3.connect(self.file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return {row[0] for row in connection.execute("SELECT id FROM rows")}

    def assert_untouched(self, *writers: str) -> None:
        """Everything that was acknowledged is there, nothing of the migration is, and writers write on."""
        self.writes_on(*writers)
        for name in writers:
            self.runtime.stop(name, grace=0.0)
        assert self.said(*writers) <= self.rows()
        assert not self.is_changed()

    def _inspect(self, name: str) -> dict[str, Any]:
        found = self.world.runtime._instances.inspect(name)
        assert found is not None
        return found
