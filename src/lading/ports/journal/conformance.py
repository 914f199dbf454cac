"""What every Journal must keep, as tests: subclass it and give a ``journal`` fixture, empty at first."""

from lading.ports.journal.job_conformance import JobConformance
from lading.ports.journal.ledger_conformance import LedgerConformance
from lading.ports.journal.rollout_conformance import RolloutConformance


class JournalConformance(LedgerConformance, RolloutConformance, JobConformance):
    """All promises of the Journal port."""
