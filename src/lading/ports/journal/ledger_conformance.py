"""What every Journal must keep about releases, environments, bills, trust and policy."""

import msgspec

from lading.model.bill import Policy
from lading.model.environment import Maintenance
from lading.ports.journal import Audit, Journal
from lading.ports.journal.samples import envelope, record, release, trusted_key, unit
from lading.ports.journal.trials import AT, UNWRITABLE, at_once, refusal, unwritable


class LedgerConformance:
    """The promises about what is no rollout."""

    def again(self, journal: Journal) -> Journal:
        """Return the journal as a later agent opens it; an adapter with a file closes and reopens it here."""
        return journal

    def test_a_release_comes_back_as_it_was(self, journal: Journal) -> None:
        """A recorded release is the same value, after the journal was opened anew too."""
        assert journal.release("cashback", "v1.0.0") is None
        assert journal.add_release(release()) == release()
        assert self.again(journal).release("cashback", "v1.0.0") == release()

    def test_the_same_release_twice_is_one(self, journal: Journal) -> None:
        """The same version with the same digest returns what stands, its notes included."""
        journal.add_release(release())
        later = msgspec.structs.replace(release(), created=AT + 5)
        assert journal.add_release(later).created == release().created
        assert len(journal.releases()) == 1

    def test_a_version_is_never_repointed(self, journal: Journal) -> None:
        """The same version with another digest is refused and the earlier one stands."""
        journal.add_release(release())
        other = msgspec.structs.replace(release(), digest="sha256:another")
        error = refusal(lambda: journal.add_release(other))
        assert error.code == "version-taken"
        assert "v1.0.0" in str(error)
        assert journal.release("cashback", "v1.0.0") == release()

    def test_releases_are_listed_newest_first(self, journal: Journal) -> None:
        """Releases come in reverse order of recording, whatever their clocks said, of one project or of all."""
        journal.add_release(release("v1.0.0"))
        journal.add_release(msgspec.structs.replace(release("v1.1.0"), created=1.0))
        journal.add_release(release("v1.0.0", "shop"))
        assert [(r.project, r.version) for r in journal.releases()] == [
            ("shop", "v1.0.0"),
            ("cashback", "v1.1.0"),
            ("cashback", "v1.0.0"),
        ]
        assert [r.version for r in journal.releases("cashback")] == ["v1.1.0", "v1.0.0"]
        assert journal.releases("nobody") == []

    def test_environments(self, journal: Journal) -> None:
        """A record is replaced whole; the list is by project and name."""
        assert journal.environment("cashback", "stage") is None
        for project, name in (("shop", "local"), ("cashback", "stage"), ("cashback", "local")):
            journal.save_environment(record(name, project))
        changed = msgspec.structs.replace(record("stage"), port=None, standby=unit("v0.8.0"), alert="look here")
        journal.save_environment(changed)
        journal = self.again(journal)
        assert journal.environment("cashback", "stage") == changed
        assert [r.key for r in journal.environments()] == ["cashback/local", "cashback/stage", "shop/local"]

    def test_statements_are_kept_once_and_in_order(self, journal: Journal) -> None:
        """Statements about a digest are listed oldest first, each once, apart from those about another digest."""
        for payload in ("c2Vjb25k", "Zmlyc3Q=", "c2Vjb25k"):
            journal.add_statement("sha256:one", envelope(payload))
        journal.add_statement("sha256:two", envelope("Zmlyc3Q="))
        journal = self.again(journal)
        assert journal.statements("sha256:one") == [envelope("c2Vjb25k"), envelope("Zmlyc3Q=")]
        assert journal.statements("sha256:two") == [envelope("Zmlyc3Q=")]
        assert journal.statements("sha256:none") == []

    def test_trust(self, journal: Journal) -> None:
        """A key is believed until it is distrusted; trusting it again replaces what is known of it."""
        journal.trust(trusted_key("SHA256:b"))
        journal.trust(trusted_key("SHA256:a"))
        journal.trust(msgspec.structs.replace(trusted_key("SHA256:b"), name="new name", until=AT))
        journal = self.again(journal)
        assert [(key.fingerprint, key.name) for key in journal.trusted()] == [
            ("SHA256:a", "stage agent"),
            ("SHA256:b", "new name"),
        ]
        journal.distrust("SHA256:a")
        journal.distrust("SHA256:a")
        assert [key.until for key in journal.trusted()] == [AT]

    def test_a_policy_is_set_together_with_its_audit_entry(self, journal: Journal) -> None:
        """No policy changes without an entry that says who changed it and why."""
        assert journal.policy("cashback", "production") is None
        entry = Audit(at=AT, who="anna", act="policy loosened", reason="fair", data={"approvals": [1, 0]})
        unwritable(lambda: journal.set_policy("cashback", "production", Policy(), Audit(at=AT, who=UNWRITABLE, act="")))
        assert journal.policy("cashback", "production") is None
        journal.set_policy("cashback", "production", Policy(passed=("*",)), entry)
        journal.set_policy("cashback", "production", Policy(approvals=2), msgspec.structs.replace(entry, who="ben"))
        journal.audit(msgspec.structs.replace(entry, who="carl"))
        journal = self.again(journal)
        assert journal.policy("cashback", "production") == Policy(approvals=2)
        assert journal.policy("cashback", "stage") is None
        assert [audit.who for audit in journal.audits()] == ["carl", "ben", "anna"]
        assert journal.audits(limit=1)[0] == msgspec.structs.replace(entry, who="carl")
        assert journal.audits()[2] == entry

    def test_maintenance_is_set_together_with_its_audit_entry(self, journal: Journal) -> None:
        """An environment is under maintenance from the commit that says who did it, until the one that ends it."""
        assert journal.maintenance("cashback", "stage") is None
        entry = Audit(at=AT, who="anna", act="maintenance on", data={"environment": "cashback/stage"})
        wanted = Maintenance(message="Moving house", since=AT, by="anna", retry_after=60)
        unwritable(lambda: journal.set_maintenance("cashback", "stage", wanted, Audit(at=AT, who=UNWRITABLE, act="")))
        assert journal.maintenance("cashback", "stage") is None
        journal.set_maintenance("cashback", "stage", Maintenance(), entry)
        journal.set_maintenance("cashback", "stage", wanted, entry)
        journal = self.again(journal)
        assert (journal.maintenance("cashback", "stage"), journal.maintenance("cashback", "local")) == (wanted, None)
        for _ in range(2):
            journal.set_maintenance("cashback", "stage", None, msgspec.structs.replace(entry, act="maintenance off"))
        assert journal.maintenance("cashback", "stage") is None
        assert [audit.act for audit in journal.audits()] == ["maintenance off"] * 2 + ["maintenance on"] * 2

    def test_the_audit_of_one_environment(self, journal: Journal) -> None:
        """Asked for one environment, the audit leaves out the others and what belongs to none."""
        for place in ("shop/stage", "shop/local", None, "shop/stage"):
            journal.audit(Audit(at=AT, who="anna", act="policy set", data={"environment": place} if place else {}))
        assert len(journal.audits()) == 4
        assert [audit.data["environment"] for audit in journal.audits(environment="shop/stage")] == ["shop/stage"] * 2
        assert len(journal.audits(1, environment="shop/stage")) == 1
        assert journal.audits(environment="shop/production") == []

    def test_a_nonce_is_used_once(self, journal: Journal) -> None:
        """A nonce is good once, up to its end, and never when nobody gave it out."""
        journal.add_nonce("n1", AT)
        journal.add_nonce("n2", AT)
        journal.add_nonce("n3", AT + 100)
        journal = self.again(journal)
        assert not journal.take_nonce("unknown", AT)
        assert journal.take_nonce("n1", AT)
        assert not journal.take_nonce("n1", AT)
        assert not journal.take_nonce("n2", AT + 1)
        assert not journal.take_nonce("n2", AT)
        assert journal.take_nonce("n3", AT + 1)

    def test_a_nonce_is_used_once_by_many(self, journal: Journal) -> None:
        """Of several threads that use a nonce at once, one succeeds."""
        journal.add_nonce("n1", AT)
        assert sorted(map(bool, at_once(8, lambda _: journal.take_nonce("n1", AT)))) == [False] * 7 + [True]
