"""What the agent answers of what an environment demands and of its secrets, which it never shows."""

from typing import Any

import msgspec

from lading.model.bill import Policy


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment demands; ``set`` tells whether an admin set it, else it is the default of its tier."""

    environment: str
    policy: dict[str, Any]
    set: bool

    @classmethod
    def of(cls, environment: str, policy: Policy, *, was_set: bool) -> "PolicyAnswer":
        """Return the answer with every demand spelled out, defaults too."""
        demands = {name: getattr(policy, name) for name in policy.__struct_fields__}
        return cls(environment=environment, policy=demands, set=was_set)


class SecretEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One secret, never its value. ``version`` is 0 where it is missing.

    ``set`` (seconds since the epoch, 0 where it is not known) and ``set_by`` tell of the current version. ``need`` is
    what the release that serves says of it: ``required``, ``optional`` or ``unknown``; ``serving`` the version that
    serves, null where none does. ``problem`` says why the value is a placeholder, empty when it is none. ``source`` is
    where what serves gets it from: ``command``, ``variable``, ``file``, or empty for the agent's own store.
    """

    name: str
    version: int
    set: float = 0.0
    set_by: str = ""
    need: str = "unknown"
    serving: int | None = None
    problem: str = ""
    source: str = ""


class SecretVersions(msgspec.Struct, frozen=True, kw_only=True):
    """The names and current versions of secrets that were stored."""

    secrets: dict[str, int]


class SecretList(SecretVersions, frozen=True, kw_only=True):
    """The names and current versions of an environment's secrets; ``entries`` say more, also of missing ones."""

    entries: tuple[SecretEntry, ...]
