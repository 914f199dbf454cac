"""The steps of a plan for what outlives a release: databases, their migrations, and backing services."""

from typing import ClassVar

from lading.model.environment import InstanceSpec, Login
from lading.model.step import StepBase

# Revisions named in one line: a Django project has one an app.
REVISIONS_SHOWN = 2


class StartDatabase(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="database"):
    """See that a database's server runs and answers, ``within`` seconds; it is kept from release to release.

    ``spec`` is the server as Lading runs it, None where somebody else does. ``login`` is the programs', ``admin`` that
    of whoever may do everything there, None where it is somebody else's business.
    """

    undo_text: ClassVar[str] = "leave it running, if it has answered"
    database: str
    spec: InstanceSpec | None
    login: Login
    within: float
    admin: Login | None = None

    @property
    def subject(self) -> str:
        return self.database

    @property
    def detail(self) -> str:
        if self.spec is None:
            return f"run by somebody else, at {self.login.secret}"
        return f"{self.spec.image}, kept from release to release"


class StartBacking(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="backing"):
    """See that a backing service runs as the release wants it, and within ``within`` seconds passes its ``check``.

    ``back`` is what there was when it was planned: brought back when the rollout is turned back.
    """

    undo_text: ClassVar[str] = "bring back what there was before it"
    service: str
    spec: InstanceSpec
    within: float
    back: InstanceSpec | None = None
    check: str | None = None

    @property
    def subject(self) -> str:
        return self.service

    @property
    def detail(self) -> str:
        if self.back == self.spec:
            return f"{self.spec.image}, unchanged: left as it runs"
        if self.back is None:
            return f"{self.spec.image}"
        return f"{self.spec.image}, replaces {self.back.image if self.back.image != self.spec.image else 'what runs'}"


class Dump(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="dump"):
    """Keep a copy of a database as it is before its migration; ``spec`` is what writes it."""

    undo_text: ClassVar[str] = "keep the dump"
    database: str
    spec: InstanceSpec
    login: Login
    heads: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.database

    @property
    def detail(self) -> str:
        return "pg_dump, in case somebody has to go back"


class Rehearse(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="rehearse"):
    """Run a database's migration on a copy of it, so that one that fails is known before anybody is held.

    ``spec`` is what runs it; its ``command`` is the manifest's ``migrate``. One that takes longer than ``limit``
    seconds fails here: others may not stand still for longer when it is done in earnest.
    """

    undo_text: ClassVar[str] = "remove the copies"
    database: str
    spec: InstanceSpec
    limit: float

    @property
    def subject(self) -> str:
        return self.database

    @property
    def detail(self) -> str:
        return f"{self.spec.command}, on a copy"


class Migrate(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="migrate"):
    """Migrate a database while whatever may write to it is frozen, ``limit`` seconds at most.

    ``at`` is the revision that was observed, ``heads`` the release's own, where they are known. ``rehearsed`` tells
    that a rehearsal stands before it in the plan; without one the database was seen to be at the release's heads.
    ``login`` is set where the database has a server: then nobody is frozen, and ``limit`` is for how long a statement
    may wait for a lock that requests wait behind.
    """

    undo_text: ClassVar[str] = "leave the database as it is"
    database: str
    spec: InstanceSpec
    limit: float
    at: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rehearsed: bool = True
    login: Login | None = None

    @property
    def subject(self) -> str:
        return self.database

    @property
    def detail(self) -> str:
        there = bool(self.heads) and set(self.at) == set(self.heads)
        if not self.rehearsed and (there or self.login is None):
            return f"at {revision_text(self.at)} already"
        heads = f"{revision_text(self.at)} → {revision_text(self.heads)}, " if self.heads else ""
        return f"{heads}{'while requests go on' if self.login else f'requests wait {self.limit:g} s at most'}"


def revision_text(revision: tuple[str, ...]) -> str:
    """Return a revision as a line shows it: none, by name, or how many where they are many, as Django's are."""
    if not revision:
        return "nothing"
    return ", ".join(revision) if len(revision) <= REVISIONS_SHOWN else f"{len(revision)} migrations"
