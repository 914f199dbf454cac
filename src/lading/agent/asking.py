"""What a client asks a rollout with."""

from typing import Literal

import msgspec

from lading.model.bill import Envelope
from lading.model.environment_table import Environment
from lading.model.manifest import Database, Manifest, Service

RolloutKind = Literal["deploy", "promote", "rollback", "rotate"]


class RolloutRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for: bring ``environment`` of ``project`` to ``version``.

    ``table`` is the environment's table of the client's manifest (None: as the environment last ran). ``to`` names the
    release a rollback returns to (None: the previous one). ``bill`` carries the release's statements from elsewhere and
    ``nonce`` the challenge this agent gave for a promotion. ``requested_by`` is a person, for the journal.
    ``again`` asks for a rollout even where nothing is to be done: for a fresh pass of what serves. ``rotate`` rolls
    out what serves, as it is configured, with the newest versions of its secrets. ``examples`` are the values of the
    project's ``.env.example``: outside the tier local, no secret may have one of them.
    """

    kind: RolloutKind
    project: str
    environment: str
    version: str | None = None
    table: Environment | None = None
    requested_by: str = ""
    to: str | None = None
    bill: tuple[Envelope, ...] = ()
    nonce: str = ""
    dry_run: bool = False
    again: bool = False
    examples: dict[str, str] = {}


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks to be run: a job of the release that ``environment`` of ``project`` serves.

    ``size`` is one of the release's sizes (None: the job's own). ``requested_by`` is a person, for the journal.
    """

    project: str
    environment: str
    job: str
    args: tuple[str, ...] = ()
    size: str | None = None
    requested_by: str = ""


class BackingAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a project needs of a local environment to be worked on: its databases, volumes, backing services.

    ``table`` is the environment's table of the client's manifest.
    """

    databases: dict[str, Database] = {}
    volumes: tuple[str, ...] = ()
    table: Environment = Environment()
    services: dict[str, Service] = {}


class BringRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be brought up behind a local environment: what Lading runs beside the programs of this manifest.

    ``requested_by`` is a person, for the journal.
    """

    manifest: Manifest
    table: Environment = Environment()
    project: str = ""
    environment: str = ""
    requested_by: str = ""
