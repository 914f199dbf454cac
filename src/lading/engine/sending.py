"""Sends the files of a run to its environment's object store: each once, proven to be there, whoever dies meanwhile.

How a run ended is settled before; nothing here changes it. Which files are in the store is in the journal, file by
file, and putting a file again finds it there. So who comes after a death goes on with the first file that is not noted.
A failure is noted with its reason and the moment of the next try; the files stay on the host until they are sent.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

import msgspec

from lading.engine.patience import Parked, patiently
from lading.engine.retention import retire
from lading.engine.story import WITHHELD, known_secrets
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord
from lading.model.environment_table import ObjectStore
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, OutputFile, Sending
from lading.model.secret import redact
from lading.ports.objects import Opened, Stored
from lading.ports.secrets import Secrets

log = logging.getLogger(__name__)

FIRST_PAUSE = 5.0  # seconds before what could not be sent is tried again, doubled each time
LAST_PAUSE = 900.0  # seconds between tries at most: about as long as a store's outage takes to be noticed
MOST_DOUBLED = 20  # times the pause is doubled at most: far beyond the last one, and no number overflows

Reader = Callable[[JobRun, str], tuple[int, Iterator[bytes]]]


class Sender:
    """Sends what runs left. ``read`` gives size and bytes of a file, ``stopping`` tells that the agent is to end."""

    def __init__(self, world: World, read: Reader, stopping: Callable[[], bool]) -> None:
        self._world = world
        self._read = read
        self._stopping = stopping

    def carry(self, number: int) -> JobRun:
        """Send all that is left to send of a run, and return it; what failed is noted, and due again later.

        Raise :class:`~lading.engine.patience.Parked` when the agent is to end.
        """
        run = self._known(number)
        if not run.is_unsent:
            return run
        try:
            if run.unsent:
                at = opened(self._world.secrets, run.key, self._store(run))
                for file in run.unsent:
                    run = self._sent(run, file, at)
        except LadingError as error:
            return self._put_off(run, error)
        except OSError as error:
            return self._put_off(run, LadingError("unexpected", happened=f"a file cannot be read now: {error}"))
        run = self._change(run.id, _done)
        log.info("files of run %s of %s are in their store", run.id, run.key)
        try:
            retire(self._world, run)
        except LadingError as error:
            log.warning("files of run %s are sent, and left on the host: %s", run.id, error)
        return run

    def give_up(self, number: int, error: BaseException) -> JobRun:
        """Put off what no try could carry on; it is due again like any other."""
        happened = f"{type(error).__name__}: {error}"
        return self._put_off(self._known(number), LadingError("unexpected", happened=happened))

    def _store(self, run: JobRun) -> ObjectStore:
        """Return where a run's files go: all to one place; until one is there, the place can still be mended."""
        assert run.sending is not None, "only what is to be sent is sent"
        if any(file.url for file in run.outputs):
            return run.sending.store
        return store_of(self._world.journal.environment(run.project, run.environment)) or run.sending.store

    def _sent(self, run: JobRun, file: OutputFile, at: Opened) -> JobRun:
        assert run.sending is not None, "only what is to be sent is sent"
        try:
            size, pieces = self._read(run, file.path)
        except LadingError as error:
            if error.code != "unknown-output":
                raise
            log.warning("%s of run %s cannot be sent: %s", file.path, run.id, error)
            return self._note(run.id, at, msgspec.structs.replace(file, lost=self._masked(run, error.happened)))
        key = at.store.key(run.project, run.environment, run.job, run.sending.place, file.path)
        stored = self._put(at, key, size, pieces)
        found = msgspec.structs.replace(file, size=stored.size, url=at.store.url(key), sha256=stored.sha256)
        return self._note(run.id, at, found)

    def _put(self, at: Opened, key: str, size: int, pieces: Iterable[bytes]) -> Stored:
        def read() -> Iterator[bytes]:
            for piece in pieces:
                if self._stopping():
                    raise Parked("the agent is stopping; the next one goes on")
                yield piece

        try:
            return self._world.objects.put(at, key, size, read)
        finally:
            # A store that cannot be reached has read nothing, and would leave the file open.
            if close := getattr(pieces, "close", None):
                close()

    def _put_off(self, run: JobRun, error: LadingError) -> JobRun:
        trouble = self._masked(run, f"{error.happened}; {error.hint}" if error.hint else error.happened)
        log.warning("files of run %s of %s are not in the store yet: %s", run.id, run.key, trouble)
        now = self._world.clock.now()

        def change(run: JobRun) -> JobRun:
            if run.sending is None or run.sending.done:
                return run
            tries = run.sending.tries + 1
            again = now + min(LAST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, MOST_DOUBLED))
            sending = msgspec.structs.replace(run.sending, tries=tries, again=again, trouble=trouble)
            return msgspec.structs.replace(run, sending=sending)

        return self._change(run.id, change)

    def _note(self, number: int, at: Opened, found: OutputFile) -> JobRun:
        def change(run: JobRun) -> JobRun:
            assert run.sending is not None, "only what is to be sent is noted"
            files = tuple(found if file.path == found.path else file for file in run.outputs)
            sending = msgspec.structs.replace(run.sending, store=at.store)
            return msgspec.structs.replace(run, outputs=files, sending=sending)

        return self._change(number, change)

    def _masked(self, run: JobRun, text: str) -> str:
        known = known_secrets(self._world, f"sending files of run {run.id}")
        return redact(text, known) if known is not None else WITHHELD

    def _known(self, number: int) -> JobRun:
        run = patiently(self._world.clock, lambda: self._world.journal.run(number))
        if run is None:
            raise LadingError("unknown-run", happened=f"the journal has no run {number}")
        return run

    def _change(self, number: int, change: Callable[[JobRun], JobRun]) -> JobRun:
        return patiently(self._world.clock, lambda: self._world.journal.change_run(number, change))


def _done(run: JobRun) -> JobRun:
    assert run.sending is not None, "only what is to be sent is sent"
    return msgspec.structs.replace(run, sending=Sending(store=run.sending.store, place=run.sending.place, done=True))


def store_of(record: EnvironmentRecord | None) -> ObjectStore | None:
    """Return the store of the outputs of what an environment serves; None without one."""
    return record.serving.configuration.table.outputs if record is not None and record.serving is not None else None


def opened(secrets: Secrets, environment: str, store: ObjectStore) -> Opened:
    """Return a store with the secrets of now that open it; raise ``secret-missing``, naming those that are not set.

    Not those that a run was pinned to: a key that was changed because it did not open the store is to open it now.
    ``environment`` is ``project/name``.
    """
    versions = secrets.versions(environment)
    missing = [name for name in store.secrets if name not in versions]
    if missing:
        name = environment.partition("/")[2]
        raise LadingError(
            "secret-missing",
            doing=f"opening {store.store}",
            happened=f"{name} lacks what opens the store of its outputs: {', '.join(missing)}",
            now="nothing was touched",
            hint=" and ".join(f"lading secrets set {name} {one}" for one in missing),
        )
    access, secret = (secrets.get(environment, name, versions[name]) for name in store.secrets)
    return Opened(store, access, secret)
