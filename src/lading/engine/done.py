"""What came of an act."""

import dataclasses
from typing import Any

from lading.model.environment import EnvironmentRecord


@dataclasses.dataclass(frozen=True)
class Done:
    """The outcome of an act: a line for people, facts for the bill, and the record to save in the same commit."""

    text: str = ""
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    record: EnvironmentRecord | None = None
