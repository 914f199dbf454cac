"""Secrets at this agent: values come in or are made here, only names and versions go out."""

import secrets
import string
import threading
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lading.agent.answers import SecretEntry
from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.environment_table import Environment, SecretSource, Tier
from lading.model.errors import LadingError
from lading.model.placeholders import placeholder
from lading.model.secret import MASK, Secret
from lading.model.server import is_password
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal
from lading.ports.secrets import Secrets

ALPHABET = string.ascii_letters + string.digits  # nothing that a URL, a shell or a file would want quoted
SHORTEST, LONGEST = 16, 1024  # characters of a value that is made here
AUDITS = 100_000  # how far back it is looked when a secret was set


class SecretsPut(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change: ``values`` by name, names to ``generate`` (to how many characters), names to ``remove``.

    ``known`` are the versions that whoever asks has seen; unless they still hold, nothing is changed.
    """

    values: dict[str, str] = {}
    generate: dict[str, int] = {}
    remove: tuple[str, ...] = ()
    known: dict[str, int] | None = None

    def __repr__(self) -> str:
        return f"SecretsPut({', '.join((*self.values, *self.generate, *self.remove))})"


class SecretValues:
    """Takes secrets in; every change is audited by name and version."""

    def __init__(self, journal: Journal, secrets: Secrets, clock: Clock) -> None:
        self._journal = journal
        self._secrets = secrets
        self._clock = clock
        self._changing = threading.Lock()

    def versions(self, project: str, environment: str) -> dict[str, int]:
        """Return the current version of every secret of an environment."""
        return self._versions(f"{project}/{environment}")

    def _versions(self, key: str) -> dict[str, int]:
        """Return what people may set: passwords of databases that Lading runs are its own business."""
        return {name: version for name, version in self._secrets.versions(key).items() if not is_password(name)}

    def known(self) -> tuple[Secret, ...]:
        """Return every value of every environment, to mask what is told."""
        return tuple(self._secrets.all_values().values())

    def entries(self, project: str, environment: str) -> tuple[SecretEntry, ...]:
        """Return every secret that is there or that what serves names, in the order of names."""
        key = f"{project}/{environment}"
        versions = self._versions(key)
        record = self._journal.environment(project, environment)
        serving = record.serving if record is not None else None
        needs = _needs(serving)
        acts = _acts(self._journal.audits(AUDITS), key, versions)
        tier = record.tier if record is not None else Environment().tier_of(environment)
        entries = (
            _entry(name, versions.get(name, 0), acts.get(name), needs.get(name, "unknown"), serving)
            for name in sorted({*versions, *needs})
        )
        return tuple(msgspec.structs.replace(entry, problem=self._problem(key, entry, tier)) for entry in entries)

    def _problem(self, key: str, entry: SecretEntry, tier: Tier) -> str:
        if not entry.version:
            return ""
        return placeholder(entry.name, self._secrets.get(key, entry.name, entry.version).reveal(), tier)

    def put(self, project: str, environment: str, asked: SecretsPut, who: str) -> dict[str, int]:
        """Make all changes at once and return the versions of what was stored.

        Raise ``usage`` for a name or value that no program could get and for what comes from elsewhere, ``busy`` when
        somebody else was faster.
        """
        _check(environment, asked)
        self._check_sources(project, environment, asked)
        key = f"{project}/{environment}"
        values = {**asked.values, **{name: _random(length) for name, length in asked.generate.items()}}
        with self._changing:
            self._check_known(key, environment, asked)
            before = self._secrets.versions(key)
            # An empty value is how the store says that a secret is gone; its versions stay for ways back.
            change = {**values, **dict.fromkeys(asked.remove, "")}
            versions = dict(self._secrets.put(key, {name: Secret(value) for name, value in change.items()}))
        removed = [versions.pop(name) and name for name in asked.remove]
        changed = {name: version for name, version in versions.items() if before.get(name) != version}
        if changed or removed:
            data = {"environment": key, "versions": changed, **({"removed": removed} if removed else {})}
            act = "secrets set" if changed else "secrets removed"
            self._journal.audit(Audit(at=self._clock.now(), who=who, act=act, data=data))
        return versions

    def _check_sources(self, project: str, environment: str, asked: SecretsPut) -> None:
        sources = _sources(self._journal.environment(project, environment))
        elsewhere = [name for name in (*asked.values, *asked.generate) if name in sources]
        if elsewhere:
            told = ", ".join(f"{name} comes from a {sources[name].kind}: {sources[name].place}" for name in elsewhere)
            hint = f"change it there, then: lading secrets refresh {environment}"
            raise _unstored(environment, f"{told}; the next rollout would fetch it again", hint)

    def _check_known(self, key: str, environment: str, asked: SecretsPut) -> None:
        there = self._versions(key)
        missing = [name for name in asked.remove if name not in there]
        if missing:
            raise _unstored(
                environment, f"{', '.join(missing)} cannot be removed: not set", f"lading secrets list {environment}"
            )
        if asked.known is None or asked.known == dict(there):
            return
        raise LadingError(
            "busy",
            doing=f"storing secrets of {environment}",
            happened="somebody else changed them meanwhile",
            now="nothing was stored",
            hint=f"lading secrets list {environment}, then the same command again",
        )


def _sources(record: EnvironmentRecord | None) -> dict[str, SecretSource]:
    serving = record.serving if record is not None else None
    return serving.configuration.table.secrets if serving is not None else {}


def _needs(serving: Pinned | None) -> dict[str, str]:
    if serving is None:
        return {}
    named = serving.release.manifest.secrets
    own = serving.configuration.table.needed_secrets
    return {**dict.fromkeys(named.optional, "optional"), **dict.fromkeys((*named.required, *own), "required")}


def _acts(audits: Iterable[Audit], key: str, versions: Mapping[str, int]) -> dict[str, Audit]:
    """Return the act that set the current version of each secret; ``audits`` come newest first."""
    found: dict[str, Audit] = {}
    for audit in audits:
        if audit.act == "secrets set" and audit.data.get("environment") == key:
            set_now = audit.data.get("versions", {})
            found |= {name: audit for name, version in set_now.items() if versions.get(name) == version}
    return found


def _entry(name: str, version: int, act: Audit | None, need: str, serving: Pinned | None) -> SecretEntry:
    source = serving.configuration.table.secrets.get(name) if serving is not None else None
    return SecretEntry(
        name=name,
        version=version,
        set=act.at if act is not None else 0.0,
        set_by=act.who if act is not None else "",
        source=source.kind if source is not None else "",
        need=need,
        serving=serving.configuration.secret_versions.get(name) if serving is not None else None,
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _check(environment: str, asked: SecretsPut) -> None:
    problems = list(_problems(asked))
    if problems:
        raise _unstored(environment, "; ".join(problems), "names are letters, digits and underscores: JWT_KEY")


def _problems(asked: SecretsPut) -> Iterator[str]:
    names = (*asked.values, *asked.generate, *asked.remove)
    yield from (f"{name!r} is no name of an environment variable" for name in names if not _is_name(name))
    yield from (f"{name} is named twice" for name in sorted({name for name in names if names.count(name) > 1}))
    for name, value in asked.values.items():
        if not value or "\0" in value:
            yield f"the value of {name} is empty or holds a NUL character"
        if MASK in value:
            yield f"the value of {name} holds the dots that stand for a hidden value"
    for name, length in asked.generate.items():
        if not SHORTEST <= length <= LONGEST:
            yield f"{name} cannot be made with {length} characters: {SHORTEST} to {LONGEST} are meant"


def _is_name(name: str) -> bool:
    return name.isidentifier() and name.isascii()


def _unstored(environment: str, happened: str, hint: str) -> LadingError:
    return LadingError(
        "usage", doing=f"storing secrets of {environment}", happened=happened, now="nothing was stored", hint=hint
    )
