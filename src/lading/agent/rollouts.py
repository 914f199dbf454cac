"""Opens, explains and carries rollouts: between what a client asks and what the engine does."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import msgspec

from lading.agent.asking import RolloutRequest
from lading.agent.carrying import Carriers
from lading.agent.changes import Changes
from lading.agent.gatekeeper import Gatekeeper
from lading.agent.observing import observe, running
from lading.agent.received import check_request, check_supported, refuse_dry_run
from lading.agent.sourced import Sourced
from lading.agent.ways_back import way_back
from lading.engine.context import Locks
from lading.engine.engine import Engine
from lading.engine.world import World
from lading.model.environment import Configuration, EnvironmentRecord, Observed
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from lading.model.plan import Canary, Cutover, Plan
from lading.model.release import Release
from lading.model.rollout import Rollout
from lading.model.secret import Secret
from lading.planner.plans import BACKING, is_noop, plan_release, plan_rollback
from lading.planner.units import configure
from lading.ports.journal.refusals import busy
from lading.ports.sources import SecretSources

_RANK = {"local": 0, "stage": 1, "production": 2}


class _Place(Protocol):
    """Which environment a rollout is asked for, and by whom."""

    @property
    def project(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def requested_by(self) -> str: ...


class Rollouts:
    """The agent's rollouts, each carried by a thread of its own."""

    def __init__(
        self, world: World, gatekeeper: Gatekeeper, changes: Changes, locks: Locks, sources: SecretSources
    ) -> None:
        self.admission = Locks()
        self._world = world
        self._sourced = Sourced(world.journal, world.secrets, sources, world.clock)
        self._gatekeeper = gatekeeper
        engine = Engine(world, locks=locks, published=self._told, stopping=self._is_stopping)
        self._carriers = Carriers("rollout", engine.carry, engine.give_up, changes.publish)

    # what a client asks

    def request(self, request: RolloutRequest) -> Rollout | None:
        """Open a rollout and carry it in a thread of its own; None when there is nothing to do.

        A rollback asked for while a rollout is being watched turns that rollout back and returns it.
        """
        check_request(request)
        refuse_dry_run(request)
        with self.admission.of(f"{request.project}/{request.environment}"):
            turned = self._turn_back(request) if request.kind == "rollback" else None
            if turned is not None:
                return turned
            # First, so that preparing never writes over what a running rollout changes meanwhile.
            self._check_free(request, request.kind)
            prepared = _Preparation(self._world, self._gatekeeper, self._sourced, request, register=True)
            if prepared.nothing_to_do:
                return None
            return self._begin(request, request.kind, prepared.plan)

    def back(self, asked: _Place, prepare: Callable[[], Callable[[int], Plan] | None]) -> Rollout | None:
        """Open a rollout of what backs an environment alone; None where ``prepare`` has no plan: nothing is to be done.

        ``prepare`` is asked while nothing else of the environment can be opened. Raise ``busy`` only where there is
        something to do.
        """
        with self.admission.of(f"{asked.project}/{asked.environment}"):
            plan = prepare()
            if plan is None:
                return None
            self._check_free(asked, BACKING)
            return self._begin(asked, BACKING, plan)

    def _begin(self, asked: _Place, kind: str, plan: Callable[[int], Plan]) -> Rollout:
        rollout = self._world.journal.begin(
            project=asked.project,
            environment=asked.environment,
            kind=kind,
            requested_by=asked.requested_by,
            at=self._world.clock.now(),
            plan=plan,
        )
        self._carriers.carry(rollout.id)
        return rollout

    def plan(self, request: RolloutRequest) -> Plan:
        """Return what the request would do now; a plan without steps has nothing to do."""
        return self.weigh(request)[0]

    def weigh(self, request: RolloutRequest) -> tuple[Plan, LadingError | None]:
        """Return what the request would do now, and the refusal that it would meet, if any."""
        check_request(request)
        prepared = _Preparation(self._world, self._gatekeeper, self._sourced, request, register=False)
        newest = self._world.journal.rollouts(limit=1)
        plan = prepared.plan(newest[0].id + 1 if newest else 1)
        if prepared.nothing_to_do:
            return msgspec.structs.replace(plan, steps=(), reasons=()), None
        return plan, prepared.refusal

    def cancel(self, number: int, who: str) -> None:
        """Ask a running rollout to turn back; quiet when it has ended. Raise ``busy`` when it is too late for that."""
        rollout = self._world.journal.rollout(number)
        if rollout is None:
            raise LadingError(
                "unknown-rollout",
                doing=f"cancelling rollout {number}",
                happened="this agent's journal has none of that number",
                now="nothing was changed",
                hint="lading history ENVIRONMENT",
            )
        if rollout.outcome is None:
            self._world.journal.request_cancel(number, who)
            if self._is_past_return(rollout):
                raise _too_late(rollout)

    def _check_free(self, asked: _Place, kind: str) -> None:
        for rollout in self._unfinished(asked):
            raise busy(kind, rollout, self._world.clock.now())

    def _unfinished(self, request: _Place) -> Iterator[Rollout]:
        for rollout in self._world.journal.unfinished():
            if (rollout.project, rollout.environment) == (request.project, request.environment):
                yield rollout

    def _turn_back(self, request: RolloutRequest) -> Rollout | None:
        for rollout in self._unfinished(request):
            if not _is_way_back(rollout, request.to) or not self._can_turn(rollout):
                continue
            self._world.journal.request_cancel(rollout.id, request.requested_by)
            # Asked again: a rollout that passed the point of no return meanwhile may not have heard.
            if self._can_turn(rollout):
                return rollout
        return None

    def _can_turn(self, rollout: Rollout) -> bool:
        """Tell whether a rollout has moved requests, all of them or a share, and can still be turned back."""
        steps = rollout.plan.steps
        moved = any(
            isinstance(steps[mark.step], Canary) or (isinstance(steps[mark.step], Cutover) and mark.phase == "outcome")
            for mark in self._world.journal.marks(rollout.id)
        )
        return moved and not self._is_past_return(rollout)

    def _is_past_return(self, rollout: Rollout) -> bool:
        return any(mark.step >= rollout.plan.no_return for mark in self._world.journal.marks(rollout.id))

    # carrying

    def recover(self) -> None:
        """Take up every rollout without an outcome that nobody carries, such as those of the last agent."""
        self._carriers.take_up(rollout.id for rollout in self._world.journal.unfinished())

    def waits(self, number: int) -> str:
        """Say what a rollout waits for before it can go on; empty when it goes on."""
        return self._carriers.waits(number)

    def stop(self) -> None:
        """Park what runs; the next agent takes it up again."""
        self._carriers.stop()

    def _told(self, number: int) -> None:
        self._carriers.told(number)

    def _is_stopping(self) -> bool:
        return self._carriers.stopping()


def _too_late(rollout: Rollout) -> LadingError:
    return LadingError(
        "busy",
        doing=f"cancelling rollout {rollout.id}",
        happened=f"it is too late: {rollout.plan.release} was watched and serves, and what is left only tidies up",
        now=f"the rollout goes on to its end, {rollout.environment} serves {rollout.plan.release}",
        hint=f"once it has ended: lading rollback {rollout.environment}",
    )


def _is_way_back(rollout: Rollout, to: str | None) -> bool:
    """Tell whether turning a rollout back is what somebody means who wants to go back to a version (None: any)."""
    if rollout.direction != "forward" or rollout.plan.previous is None:
        return False
    if rollout.kind == "rollback":
        # Turned back, it would return to the very release that was left: nobody means that who asks twice to go back.
        return to == rollout.plan.previous
    return to in (None, rollout.plan.previous)


class _Preparation:
    """Everything that is settled before a rollout is opened: release, configuration, record, admission."""

    def __init__(
        self, world: World, gatekeeper: Gatekeeper, sourced: Sourced, request: RolloutRequest, *, register: bool
    ) -> None:
        self._world = world
        self._sourced = sourced
        self._request = request
        self._storing = register
        self._fresh: Mapping[str, Secret] = {}
        self.nothing_to_do = False
        self.refusal: LadingError | None = None
        if request.kind == "rollback":
            self.plan = self._rollback(gatekeeper)
        elif request.kind == "rotate":
            self.plan = self._rotation(gatekeeper)
        else:
            self.plan = self._release(gatekeeper, register=register)

    def _rollback(self, gatekeeper: Gatekeeper) -> Callable[[int], Plan]:
        record = self._known_record()
        unit = way_back(self._world, record, self._request.to)
        gatekeeper.check_return(unit.release, record, self._request.requested_by)
        observed = observe(self._world, record, unit.release, unit.configuration, register=False)
        return lambda _number: plan_rollback(unit, observed)

    def _rotation(self, gatekeeper: Gatekeeper) -> Callable[[int], Plan]:
        record = self._known_record()
        assert record.serving is not None, "a known record serves"
        release = record.serving.release
        configuration = self._configure(record, record.serving.configuration.table, release)
        seen = Observed(record=record, running=self._running())
        self.nothing_to_do = not self._request.again and is_noop(release, configuration, seen)
        gatekeeper.check_rotation(release, configuration, record, self._request.requested_by, fresh=self._fresh)
        observed = observe(self._world, record, release, configuration, register=False)
        return lambda number: plan_release(number, "rotate", release, configuration, observed)

    def _release(self, gatekeeper: Gatekeeper, *, register: bool) -> Callable[[int], Plan]:
        request = self._request
        release = self._find_release()
        record = self._record_for(request.table)
        table = request.table or (record.serving.configuration.table if record.serving else Environment())
        check_supported(release, request.environment, table)
        configuration = self._configure(record, table, release)
        seen = Observed(record=record, running=self._running())
        self.nothing_to_do = not request.again and is_noop(release, configuration, seen)
        # What opens a rollout is always judged; only a plan may be made without.
        if not self.nothing_to_do and (register or not request.dry_run):
            gatekeeper.admit(
                release,
                configuration,
                record,
                bill=request.bill,
                nonce=request.nonce,
                requested_by=request.requested_by,
                examples=request.examples,
            )
        elif not self.nothing_to_do:
            self.refusal = gatekeeper.would_refuse(
                release,
                configuration,
                record,
                bill=request.bill,
                requested_by=request.requested_by,
                examples=request.examples,
                fresh=self._fresh,
            )
        if register and not self.nothing_to_do:
            record = self._register(record, table)
        observed = observe(self._world, record, release, configuration, register=register)
        return lambda number: plan_release(number, request.kind, release, configuration, observed)

    def _find_release(self) -> Release:
        request = self._request
        release = self._world.journal.release(request.project, request.version or "")
        if release is None:
            known = [found.version for found in self._world.journal.releases(request.project)][:5]
            raise LadingError(
                "unknown-release",
                doing=f"{request.kind} of {request.project} to {request.environment}",
                happened=f"no release {request.version} is known here",
                now=f"known: {', '.join(known)}" if known else "no release of this project is known here",
                hint=f"lading release {request.version}",
            )
        return release

    def _configure(self, record: EnvironmentRecord, table: Environment, release: Release) -> Configuration:
        if self._storing:
            known = self._sourced.take(record, table, release.manifest, self._request.requested_by)
        else:
            known = self._sourced.look(record, table, release.manifest)
        self._fresh = known.fresh
        return configure(record.name, table, known.versions, release.manifest)

    def _known_record(self) -> EnvironmentRecord:
        request = self._request
        record = self._world.journal.environment(request.project, request.environment)
        if record is not None and record.is_down:
            raise LadingError(
                "nothing-to-return-to",
                doing=f"rollback of {request.environment}",
                happened="it was taken down, so there is nothing that serves to go back from",
                now="its data and its earlier releases are there",
                hint=f"lading up {request.environment}, or by name: lading deploy {request.environment} VERSION",
            )
        if record is None or record.serving is None:
            serves = "serves nothing" if record is not None and record.history else "has never served"
            raise LadingError(
                "nothing-to-return-to",
                doing=f"{request.kind} in {request.environment}",
                happened=f"{request.project} {serves} in {request.environment} on this host",
                hint=f"lading deploy {request.environment}",
            )
        return record

    def _record_for(self, table: Environment | None) -> EnvironmentRecord:
        """Return the record, or what it would be; a client may raise an environment's tier, never lower it."""
        request = self._request
        record = self._world.journal.environment(request.project, request.environment)
        wanted = (table or Environment()).tier_of(request.environment)
        # Before its first rollout an environment named production is held as such, whatever a manifest calls it.
        named = Environment().tier_of(request.environment)
        held = record.tier if record is not None else named if named == "production" else wanted
        if table is not None and _RANK[wanted] < _RANK[held]:
            raise LadingError(
                "loosening",
                doing=f"{request.kind} to {request.environment}",
                happened=f"the manifest calls it {wanted}, this host holds it as {held}",
                now=f"the policy of {held} stands",
                hint=f'set tier = "{held}" in [environments.{request.environment}]',
            )
        if record is None:
            return EnvironmentRecord(project=request.project, name=request.environment, tier=wanted)
        return msgspec.structs.replace(record, tier=wanted) if table is not None else record

    def _register(self, record: EnvironmentRecord, table: Environment) -> EnvironmentRecord:
        port = self._world.router.reserve_port(record.key, table.port)
        registered = record
        if record.serving is None:
            # Where something serves, its address moves with the cutover and not before.
            registered = msgspec.structs.replace(record, port=port, domain=table.domain)
        self._world.journal.save_environment(registered)
        return registered

    def _running(self) -> frozenset[str]:
        return running(self._world)
