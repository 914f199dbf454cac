"""Leave a journal of this version with a half-done rollout: python -m tests.upgrade.make_fixture [--force].

Run it once for each released version and commit what it writes; later versions must recover it.
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import lading
from lading.engine.engine import Engine
from lading.engine.faults import Fault, Killed
from lading.journal import SqliteJournal
from lading.model.bill import Policy
from lading.ports.journal import Audit
from lading.ports.journal.samples import trusted_key
from tests.recovery.house import ENVIRONMENT, House
from tests.recovery.releases import PROJECT
from tests.upgrade.fixtures import JOURNALS, dump

NONCE_ENDS = 4_000_000_000.0


def leave(journal: SqliteJournal) -> None:
    """Serve v1.0.0, then die in the cutover to v1.1.0: the router has switched, the journal knows the intent only."""
    house = House.build(journal)
    house.deploy("v1.0.0")
    rollout = house.open_deploy("v1.1.0")
    world = house.with_faults(Fault(point="router.apply:after", act="kill"))
    try:
        Engine(world).carry(rollout.id)
    except Killed:
        now = house.world.clock.now()
        journal.trust(trusted_key())
        journal.set_policy(PROJECT, ENVIRONMENT, Policy(approvals=1), Audit(at=now, who="anna", act="policy"))
        journal.add_nonce("n1", NONCE_ENDS)
        return
    raise AssertionError("the rollout ended before the cutover")


def main() -> None:
    """Write ``journals/vVERSION.sql``."""
    target = JOURNALS / f"v{lading.__version__}.sql"
    if target.exists() and "--force" not in sys.argv[1:]:
        sys.exit(f"{target} is there; a released version's journal is never made again (--force before its release)")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "journal.db"
        with closing(SqliteJournal(path)) as journal:
            leave(journal)
        target.write_text(dump(path), "utf-8")


if __name__ == "__main__":
    main()
