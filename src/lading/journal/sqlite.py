"""The journal in one SQLite file."""

from lading.journal.jobs import Jobs
from lading.journal.rollouts import Rollouts
from lading.journal.upkeep import Upkeep


class SqliteJournal(Rollouts, Jobs, Upkeep):
    """Keeps the journal at a path: WAL, a full sync at each commit, values as JSON of the model.

    Opening creates the file (readable by its owner only) or brings an older one up to date in one transaction.
    """
