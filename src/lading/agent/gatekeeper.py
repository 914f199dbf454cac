"""Who may enter: the receiving agent's policy held against the release's bill."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lading.agent.observing import run_here
from lading.agent.required import check_secrets
from lading.bill.policy import default_policy, no_return, refusal, tighten
from lading.bill.reading import Asked, is_pass
from lading.bill.verdict import revocations, verdict
from lading.bill.verify import verify_envelope
from lading.engine.world import World
from lading.model.bill import Envelope, Policy, Statement, TrustedKey, Verdict
from lading.model.canonical import digest_of
from lading.model.environment import Configuration, EnvironmentRecord
from lading.model.environment_table import Tier
from lading.model.errors import LadingError
from lading.model.release import Release, is_dirty
from lading.model.secret import Secret
from lading.ports.journal import Audit


class Gatekeeper:
    """Holds a release's bill against the policy of the environment it wants to enter.

    ``own_keys`` gives the agent's own keys, present and replaced, as trusted ones: what it signed itself counts.
    """

    def __init__(self, world: World, own_keys: Callable[[], Sequence[TrustedKey]]) -> None:
        self._world = world
        self._own_keys = own_keys

    def policy_of(self, project: str, environment: str, tier: Tier) -> Policy:
        """Return the policy an admin set, else the default of the environment's tier."""
        return self._world.journal.policy(project, environment) or default_policy(tier)

    def admit(
        self,
        release: Release,
        configuration: Configuration,
        record: EnvironmentRecord,
        *,
        bill: tuple[Envelope, ...],
        nonce: str,
        requested_by: str,
        examples: Mapping[str, str],
    ) -> None:
        """Return when the release may enter; else write the refusal into the audit and raise it.

        Of the statements that came along (``bill``) those that speak against the release are kept in any case, so that
        they cannot be left out the next time, and all genuine ones once they led to an admission.
        """
        genuine = list(self._genuine(bill, release))
        try:
            _refuse_dirty(release, record)
            check_secrets(self._world.secrets, release, configuration, record, examples)
            self._check_runtime(release, record, run_here(release, configuration))
            self._check(release, configuration, record, bill=bill, nonce=nonce, requested_by=requested_by)
        except LadingError as error:
            self._keep(release, [envelope for envelope, statement in genuine if not is_pass(statement)])
            self._note_refusal(release, record, error, requested_by)
            raise
        self._keep(release, [envelope for envelope, _ in genuine])

    def would_refuse(
        self,
        release: Release,
        configuration: Configuration,
        record: EnvironmentRecord,
        *,
        bill: tuple[Envelope, ...],
        requested_by: str,
        examples: Mapping[str, str],
        fresh: Mapping[str, Secret] = {},
    ) -> LadingError | None:
        """Return the refusal that an admission would end with now, None when there is none; nothing is written down.

        ``fresh`` are values of secrets that would be stored then.
        """
        try:
            _refuse_dirty(release, record)
            check_secrets(self._world.secrets, release, configuration, record, examples, fresh)
            self._judge(release, configuration, record, self._asked(release, record, requested_by), bill)
        except LadingError as error:
            return error
        return None

    def check_rotation(
        self,
        release: Release,
        configuration: Configuration,
        record: EnvironmentRecord,
        requested_by: str,
        fresh: Mapping[str, Secret] = {},
    ) -> None:
        """Raise ``secret-missing`` or ``bill`` when what serves may not be started anew with other secrets.

        It was let in and serves, so its papers may be older than they could be for an entry; but none may speak
        against it.
        """
        try:
            check_secrets(self._world.secrets, release, configuration, record, {}, fresh)
        except LadingError as error:
            self._note_refusal(release, record, error, requested_by)
            raise
        self.check_return(release, record, requested_by)

    def check_return(self, release: Release, record: EnvironmentRecord, requested_by: str) -> None:
        """Raise ``bill`` when somebody believed took back the release that a rollback would return to.

        Raise ``no-engine`` when nothing on this host can run it now.
        """
        self._check_runtime(release, record, [name for name in release.manifest.databases if name in record.backing])
        asked = self._asked(release, record, requested_by)
        statements = self._world.journal.statements(release.digest)
        revoked = revocations(statements, self._trusted(), asked, self._world.clock.now())
        if revoked:
            error = no_return(revoked, asked, _serving(record))
            self._note_refusal(release, record, error, requested_by)
            raise error

    def _check(
        self,
        release: Release,
        configuration: Configuration,
        record: EnvironmentRecord,
        *,
        bill: tuple[Envelope, ...],
        nonce: str,
        requested_by: str,
    ) -> None:
        asked = self._asked(release, record, requested_by, self._take(nonce))
        policy, judged = self._judge(release, configuration, record, asked, bill)
        if policy.passed or policy.gates or policy.approvals:
            self._note_admission(asked, record, judged)

    def _judge(
        self,
        release: Release,
        configuration: Configuration,
        record: EnvironmentRecord,
        asked: Asked,
        bill: tuple[Envelope, ...],
    ) -> tuple[Policy, Verdict]:
        policy = tighten(self.policy_of(record.project, record.name, record.tier), configuration.table.requires)
        known = (*self._world.journal.statements(release.digest), *bill)
        judged = verdict(known, self._trusted(), policy, asked, self._world.clock.now())
        if not judged.accepted:
            raise refusal(judged, asked, _serving(record))
        self._check_isolation(policy, release, record)
        return policy, judged

    def _asked(self, release: Release, record: EnvironmentRecord, requested_by: str, nonce: str = "") -> Asked:
        own = self._world.signer.fingerprint
        return Asked(
            project=record.project,
            environment=record.name,
            version=release.version,
            digest=release.digest,
            manifest=digest_of(release.manifest.frozen()),
            requester=requested_by,
            nonce=nonce,
            own=own,
            own_earlier=tuple(key.fingerprint for key in self._own_keys() if key.fingerprint != own),
        )

    def _trusted(self) -> tuple[TrustedKey, ...]:
        return (*self._own_keys(), *self._world.journal.trusted())

    def _genuine(self, bill: Iterable[Envelope], release: Release) -> Iterator[tuple[Envelope, Statement]]:
        """Yield the statements of a bill that a believed key signed about this very digest."""
        trusted, now = self._trusted(), self._world.clock.now()
        for envelope in bill:
            found = verify_envelope(envelope, trusted, now)
            if isinstance(found, Statement) and found.digest == release.digest:
                yield envelope, found

    def _keep(self, release: Release, envelopes: Iterable[Envelope]) -> None:
        for envelope in envelopes:
            self._world.journal.add_statement(release.digest, envelope)

    def _check_isolation(self, policy: Policy, release: Release, record: EnvironmentRecord) -> None:
        isolated = (self._world.runtime.isolation_of(kind) != "none" for kind in release.kinds)
        if policy.accept_no_isolation or all(isolated):
            return
        raise LadingError(
            "isolation",
            doing="refused",
            happened=f"{record.name} does not take {release.version}: the process runtime gives isolation: none",
            details=("instances run as ordinary processes of this host, with no container around them",),
            now=f"serving: {_serving(record) or 'nothing yet'}, untouched",
            hint=f"where that is acceptable: lading policy allow {record.name} no-isolation --reason WHY",
        )

    def _check_runtime(self, release: Release, record: EnvironmentRecord, servers: Iterable[str]) -> None:
        wanted = {kind: f"is made of {kind}s" for kind in release.kinds}
        for name in servers:
            wanted.setdefault("image", f"wants a container for its database {name}")
        for kind, why in wanted.items():
            try:
                self._world.runtime.require(kind)
            except LadingError as error:
                raise LadingError(
                    error.code,
                    doing="refused",
                    happened=f"{release.version} {why}, and none can run here: {error.happened}",
                    now=f"serving: {_serving(record) or 'nothing yet'}, untouched",
                    hint=error.hint,
                ) from error

    def _take(self, nonce: str) -> str:
        """Return the nonce if this agent gave it and it was not used before, else nothing."""
        return nonce if nonce and self._world.journal.take_nonce(nonce, self._world.clock.now()) else ""

    def _note_admission(self, asked: Asked, record: EnvironmentRecord, judged: Verdict) -> None:
        """Write down on what evidence a release was let in, and whether its source had to answer a challenge."""
        data: dict[str, Any] = {"environment": record.key, "version": asked.version, "digest": asked.digest}
        data |= {"have": list(judged.have), "challenged": bool(asked.nonce)}
        self._world.journal.audit(
            Audit(at=self._world.clock.now(), who=asked.requester, act="admitted", reason="", data=data)
        )

    def _note_refusal(self, release: Release, record: EnvironmentRecord, error: LadingError, requested_by: str) -> None:
        self._world.journal.audit(
            Audit(
                at=self._world.clock.now(),
                who=requested_by,
                act="refused",
                reason=error.happened,
                data={"environment": record.key, "version": release.version, "digest": release.digest},
            )
        )


def _refuse_dirty(release: Release, record: EnvironmentRecord) -> None:
    """Raise ``policy`` for what was built from no commit, outside local environments; no policy can allow it."""
    if record.tier == "local" or not is_dirty(release.version):
        return
    raise LadingError(
        "policy",
        doing="refused",
        happened=f"{record.name} does not take {release.version}: it was built from changes that are in no commit",
        now=f"serving: {_serving(record) or 'nothing yet'}, untouched",
        hint=f"git commit, then: lading deploy {record.name}",
    )


def _serving(record: EnvironmentRecord) -> str:
    return record.serving.release.version if record.serving is not None else ""
