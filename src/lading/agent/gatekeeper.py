"""Who may enter: the receiving agent's policy held against the release's bill."""

from collections.abc import Callable, Sequence

from lading.bill.policy import default_policy, refusal, tighten
from lading.bill.reading import Asked
from lading.bill.verdict import verdict
from lading.engine.world import World
from lading.model.bill import Envelope, Policy, TrustedKey
from lading.model.canonical import digest_of
from lading.model.environment import Configuration, EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.manifest import Tier
from lading.model.release import Release
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
    ) -> None:
        """Return when the release may enter; else write the refusal into the audit and raise it.

        Statements that came along (``bill``) are kept once they led to an admission.
        """
        try:
            self._check_secrets(release, configuration, record)
            self._check(release, configuration, record, bill=bill, nonce=nonce, requested_by=requested_by)
        except LadingError as error:
            self._note_refusal(release, record, error, requested_by)
            raise
        for envelope in bill:
            self._world.journal.add_statement(release.digest, envelope)

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
        policy = tighten(self.policy_of(record.project, record.name, record.tier), configuration.table.requires)
        own = self._own_keys()
        asked = Asked(
            project=record.project,
            environment=record.name,
            version=release.version,
            digest=release.digest,
            manifest=digest_of(release.manifest.frozen()),
            requester=requested_by,
            nonce=self._take(nonce),
            own=self._world.signer.fingerprint,
            own_earlier=tuple(key.fingerprint for key in own if key.fingerprint != self._world.signer.fingerprint),
        )
        trusted = (*own, *self._world.journal.trusted())
        known = (*self._world.journal.statements(release.digest), *bill)
        judged = verdict(known, trusted, policy, asked, self._world.clock.now())
        if not judged.accepted:
            raise refusal(judged, asked, _serving(record))
        self._check_isolation(policy, release, record)

    def _check_isolation(self, policy: Policy, release: Release, record: EnvironmentRecord) -> None:
        if policy.accept_no_isolation or self._world.runtime.isolation != "none":
            return
        raise LadingError(
            "isolation",
            doing="refused",
            happened=f"{record.name} does not take {release.version}: the process runtime gives isolation: none",
            details=("instances run as ordinary processes of this host, with no container around them",),
            now=f"serving: {_serving(record) or 'nothing yet'}, untouched",
            hint=f"where that is acceptable: lading policy allow {record.name} no-isolation --reason WHY",
        )

    def _check_secrets(self, release: Release, configuration: Configuration, record: EnvironmentRecord) -> None:
        required = release.manifest.secrets.required
        missing = [name for name in required if name not in configuration.secret_versions]
        if not missing:
            return
        raise LadingError(
            "secret-missing",
            doing="refused",
            happened=f"{record.name} lacks what {release.version} requires: {', '.join(missing)}",
            now=f"serving: {_serving(record) or 'nothing yet'}, untouched",
            hint=f"lading secrets set {record.name} {missing[0]}",
        )

    def _take(self, nonce: str) -> str:
        """Return the nonce if this agent gave it and it was not used before, else nothing."""
        return nonce if nonce and self._world.journal.take_nonce(nonce, self._world.clock.now()) else ""

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


def _serving(record: EnvironmentRecord) -> str:
    return record.serving.release.version if record.serving is not None else ""
