"""The runtimes of this host as one: bundles run as processes, images as containers, in one environment by turns."""

import logging
from collections.abc import Collection, Mapping, Sequence

from lading.model.environment import InstanceSpec, InstanceState
from lading.model.errors import LadingError
from lading.model.release import Platform, Release
from lading.model.secret import Secret
from lading.ports.runtime import Ended, Held, HeldResult, Room, Run, RunResult, Runtime, Written

log = logging.getLogger(__name__)


class Runtimes:
    """Passes each instance on to the runtime of its artifact's kind; by name alone, to the one that knows it.

    ``bundles`` comes first and is asked first: it needs nothing but this machine.
    """

    def __init__(self, bundles: Runtime, images: Runtime) -> None:
        self._bundles = bundles
        self._images = images
        self._away = False

    @property
    def name(self) -> str:
        """The name of the runtime that is always there."""
        return self._bundles.name

    @property
    def isolation(self) -> str:
        """What the weaker of the two gives."""
        return self._bundles.isolation

    def isolation_of(self, kind: str) -> str:
        """Return how far instances of a kind of artifact are kept apart."""
        return self._of(kind).isolation_of(kind)

    def require(self, kind: str) -> None:
        """Raise when artifacts of a kind cannot run here now."""
        self._of(kind).require(kind)

    def require_egress(self) -> None:
        """Raise when what containers may reach cannot be restricted; bundles that ask for it are refused before."""
        self._images.require_egress()

    def denied(self, marker: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last attempts that were refused."""
        return self._images.denied(marker, lines=lines)

    def platform(self) -> Platform:
        """Return what bundles must have been built for."""
        return self._bundles.platform()

    def room(self, release: Release) -> Room | None:
        """Return the room that a release's images need beside the store, None for bundles alone."""
        images = any(artifact.kind == "image" for artifact in release.artifacts)
        return self._images.room(release) if images else None

    def prepare(self, release: Release) -> None:
        """Let each runtime prepare its own part of a release."""
        for kind in release.kinds:
            self._of(kind).prepare(release)

    def prune(self, keep: Collection[str]) -> int:
        """Let each runtime remove what is not kept."""
        return self._bundles.prune(keep) + self._images.prune(keep)

    def start(self, spec: InstanceSpec, secrets: Mapping[str, Secret]) -> InstanceState:
        """Start the instance."""
        return self._of(spec.kind).start(spec, secrets)

    def look(self, name: str) -> InstanceState | None:
        """Return the instance as it is now."""
        return self._bundles.look(name) or self._images.look(name)

    def list(self) -> Sequence[InstanceState]:
        """Return every instance; while the engine is away, none of its, so that it holds up nothing that needs none."""
        return tuple(sorted([*self._bundles.list(), *self._contained()], key=lambda state: state.name))

    def _contained(self) -> Sequence[InstanceState]:
        try:
            found = self._images.list()
        except LadingError as error:
            if error.code != "no-engine":
                raise
            if not self._away:
                log.warning("containers are left out until the engine answers: %s", error)
            self._away = True
            return ()
        self._away = False
        return found

    def stop(self, name: str, *, grace: float) -> None:
        """Stop the instance."""
        self._knowing(name).stop(name, grace=grace)

    def remove(self, name: str) -> None:
        """Remove the instance."""
        self._knowing(name).remove(name)

    def connections(self, name: str) -> int:
        """Count the connections to the instance."""
        return self._knowing(name).connections(name)

    def logs(self, name: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last lines written under the name."""
        return self._bundles.logs(name, lines=lines) or self._images.logs(name, lines=lines)

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run a command to its end."""
        return self._of(run.spec.kind).run(run, secrets)

    def begin_run(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Start a command that goes on by itself."""
        self._of(run.spec.kind).begin_run(run, secrets)

    def run_end(self, run: Run, *, wait: float) -> Ended | None:
        """Wait for a begun run and return how it ended."""
        return self._of(run.spec.kind).run_end(run, wait=wait)

    def stop_run(self, run: Run, *, grace: float) -> None:
        """Stop a begun run."""
        self._of(run.spec.kind).stop_run(run, grace=grace)

    def run_output(self, run: Run, cursor: str = "") -> Written:
        """Return lines that a begun run wrote."""
        return self._of(run.spec.kind).run_output(run, cursor)

    def drop_run(self, run: Run) -> None:
        """Forget a begun run."""
        self._of(run.spec.kind).drop_run(run)

    def run_held(self, held: Held, secrets: Mapping[str, Secret]) -> HeldResult:
        """Run while everything else of the environment stands still, processes and containers alike."""
        return self._of(held.run.spec.kind).run_held(held, secrets)

    def unsettled(self, marker: str) -> Sequence[str]:
        """Return the names of an environment's holds that have not come to their end."""
        return (*self._bundles.unsettled(marker), *self._images.unsettled(marker))

    def settle(self, name: str) -> HeldResult | None:
        """Bring a hold to its end, whichever runtime knows it: to the other it never began."""
        ended = [runtime.settle(name) for runtime in (self._bundles, self._images)]
        told = [result for result in ended if result is not None]
        return max(told, key=lambda one: (one.outcome != "restored", one.held)) if len(told) == len(ended) else None

    def _of(self, kind: str) -> Runtime:
        return self._images if kind == "image" else self._bundles

    def _knowing(self, name: str) -> Runtime:
        return self._bundles if self._bundles.look(name) is not None else self._images
