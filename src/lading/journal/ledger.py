"""What stands in the journal beside the rollouts: releases, environments, bills, trust, policy."""

from collections.abc import Sequence

from lading.journal.file import JournalFile, text_of
from lading.model.bill import Envelope, Policy, TrustedKey
from lading.model.canonical import digest_of
from lading.model.environment import EnvironmentRecord, Maintenance
from lading.model.release import Release
from lading.ports.journal import Audit
from lading.ports.journal.refusals import version_taken


class Ledger(JournalFile):
    """Reads and writes everything that is no rollout."""

    # releases
    def add_release(self, release: Release) -> Release:
        """Record a release; raise ``version-taken`` when its version names another digest."""
        with self._transaction("recording a release in") as connection:
            known = self.release(release.project, release.version)
            if known is not None and known.digest != release.digest:
                raise version_taken(known, release)
            if known is None:
                connection.execute(
                    "INSERT INTO releases (project, version, digest, value) VALUES (?, ?, ?, ?)",
                    (release.project, release.version, release.digest, text_of(release)),
                )
            return known or release

    def release(self, project: str, version: str) -> Release | None:
        """Return a release by version."""
        return self._one(Release, "SELECT value FROM releases WHERE project = ? AND version = ?", project, version)

    def releases(self, project: str | None = None) -> Sequence[Release]:
        """Return releases, newest first."""
        # By row, not by time: a clock that was set back changes no order.
        sql = "SELECT value FROM releases WHERE ? IS NULL OR project = ? ORDER BY id DESC"
        return self._all(Release, sql, project, project)

    # environments
    def environment(self, project: str, name: str) -> EnvironmentRecord | None:
        """Return an environment's record."""
        sql = "SELECT value FROM environments WHERE project = ? AND name = ?"
        return self._one(EnvironmentRecord, sql, project, name)

    def environments(self) -> Sequence[EnvironmentRecord]:
        """Return all environments by project and name."""
        return self._all(EnvironmentRecord, "SELECT value FROM environments ORDER BY project, name")

    def save_environment(self, record: EnvironmentRecord) -> None:
        """Insert or replace an environment's record."""
        with self._transaction("saving an environment in") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO environments (project, name, value) VALUES (?, ?, ?)",
                (record.project, record.name, text_of(record)),
            )

    # bills
    def add_statement(self, digest: str, envelope: Envelope) -> None:
        """Keep a signed statement about a release's digest; the same envelope is kept once."""
        with self._transaction("keeping a statement in") as connection:
            connection.execute(
                "INSERT OR IGNORE INTO statements (digest, envelope, value) VALUES (?, ?, ?)",
                (digest, digest_of(envelope), text_of(envelope)),
            )

    def statements(self, digest: str) -> Sequence[Envelope]:
        """Return the statements about a digest, oldest first."""
        return self._all(Envelope, "SELECT value FROM statements WHERE digest = ? ORDER BY id", digest)

    # trust, policy, audit
    def trust(self, key: TrustedKey) -> None:
        """Believe a key (or replace what is known of it)."""
        with self._transaction("trusting a key in") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO trusted_keys (fingerprint, value) VALUES (?, ?)",
                (key.fingerprint, text_of(key)),
            )

    def distrust(self, fingerprint: str) -> None:
        """Stop believing a key; idempotent."""
        with self._transaction("distrusting a key in") as connection:
            connection.execute("DELETE FROM trusted_keys WHERE fingerprint = ?", (fingerprint,))

    def trusted(self) -> Sequence[TrustedKey]:
        """Return the keys that are believed, by fingerprint."""
        return self._all(TrustedKey, "SELECT value FROM trusted_keys ORDER BY fingerprint")

    def policy(self, project: str, environment: str) -> Policy | None:
        """Return the policy an admin set for an environment, None when the default of its tier holds."""
        sql = "SELECT value FROM policies WHERE project = ? AND environment = ?"
        return self._one(Policy, sql, project, environment)

    def set_policy(self, project: str, environment: str, policy: Policy, audit: Audit) -> None:
        """Set an environment's policy together with its audit entry."""
        with self._transaction("setting a policy in") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO policies (project, environment, value) VALUES (?, ?, ?)",
                (project, environment, text_of(policy)),
            )
            self.audit(audit)

    def maintenance(self, project: str, environment: str) -> Maintenance | None:
        """Return the maintenance an environment is under, None when it is under none."""
        sql = "SELECT value FROM maintenance WHERE project = ? AND environment = ?"
        return self._one(Maintenance, sql, project, environment)

    def set_maintenance(self, project: str, environment: str, wanted: Maintenance | None, audit: Audit) -> None:
        """Put an environment under maintenance, or (None) end it, together with its audit entry."""
        with self._transaction("setting maintenance in") as connection:
            connection.execute("DELETE FROM maintenance WHERE project = ? AND environment = ?", (project, environment))
            if wanted is not None:
                connection.execute(
                    "INSERT INTO maintenance (project, environment, value) VALUES (?, ?, ?)",
                    (project, environment, text_of(wanted)),
                )
            self.audit(audit)

    def audit(self, entry: Audit) -> None:
        """Append an audit entry."""
        with self._transaction("adding an audit entry to") as connection:
            connection.execute("INSERT INTO audits (value) VALUES (?)", (text_of(entry),))

    def audits(self, limit: int = 100, environment: str = "") -> Sequence[Audit]:
        """Return audit entries, newest first; those of one environment where its key is given."""
        if not environment:
            return self._all(Audit, "SELECT value FROM audits ORDER BY id DESC LIMIT ?", limit)
        sql = "SELECT value FROM audits WHERE json_extract(value, '$.data.environment') = ? ORDER BY id DESC LIMIT ?"
        return self._all(Audit, sql, environment, limit)

    # challenges of promotions
    def add_nonce(self, nonce: str, expires: float) -> None:
        """Remember a nonce that was given out."""
        with self._transaction("keeping a nonce in") as connection:
            connection.execute("INSERT OR REPLACE INTO nonces (nonce, expires) VALUES (?, ?)", (nonce, expires))

    def take_nonce(self, nonce: str, now: float) -> bool:
        """Use a nonce up: True once, False when unknown, used before, or expired."""
        with self._transaction("using up a nonce in") as connection:
            taken = connection.execute("DELETE FROM nonces WHERE nonce = ? AND expires >= ?", (nonce, now)).rowcount
            connection.execute("DELETE FROM nonces WHERE expires < ?", (now,))
            return taken == 1
