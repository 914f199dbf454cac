"""The story of a rollout as events: written to the journal, streamed to whoever listens, free of secrets."""

import logging
from collections.abc import Callable
from typing import Any

from lading.engine.patience import patiently
from lading.engine.world import World
from lading.model.errors import CODES
from lading.model.plan import Step
from lading.model.rollout import EXIT_OF_OUTCOME, Event, Rollout
from lading.model.secret import Secret, redact

log = logging.getLogger(__name__)

# What is written instead of a text while the secrets that would have to be masked in it cannot be read.
WITHHELD = "(withheld: the secrets to mask cannot be read)"


def known_secrets(world: World, teller: str) -> tuple[Secret, ...] | None:
    """Return every value that has to be masked in what is told; None while they cannot be read."""
    try:
        return tuple(world.secrets.all_values().values())
    except Exception:  # secrets that nobody can read must not hold up what needs none
        log.warning("what %s tells is withheld", teller, exc_info=True)
        return None


class Story:
    """Tells what happens in one rollout."""

    def __init__(self, world: World, rollout: Rollout, published: Callable[[int], None]) -> None:
        self._world = world
        self._rollout = rollout
        self._publish = published
        self._secrets: tuple[Secret, ...] | None = None

    def tell(
        self,
        kind: str,
        *,
        index: int | None = None,
        step: Step | None = None,
        text: str = "",
        seconds: float | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Append one event, patiently; known secret values are masked in its text and data."""
        event = Event(
            rollout=self._rollout.id,
            seq=0,
            at=self._world.clock.now(),
            kind=kind,
            step=index,
            name=step.kind if step is not None else "",
            subject=step.subject if step is not None else "",
            text=self.clean(text),
            seconds=seconds,
            data=self.clean_data(data or {}),
        )
        # A line that cannot be written must not turn around what goes well.
        patiently(self._world.clock, lambda: self._world.journal.append_event(event))
        self.published()

    def published(self) -> None:
        """Tell listeners that there is something new to read."""
        self._publish(self._rollout.id)

    def clean(self, text: str) -> str:
        """Return the text with every known secret value masked; nothing of it while those values cannot be read."""
        # Recovery and exit statuses rest on these words, and none of them is anybody's secret.
        if not text or text in CODES or text in EXIT_OF_OUTCOME:
            return text
        known = self._known()
        return redact(text, known) if known is not None else WITHHELD

    def _known(self) -> tuple[Secret, ...] | None:
        if self._secrets is None:
            self._secrets = known_secrets(self._world, f"rollout {self._rollout.id}")
        return self._secrets

    def clean_data(self, value: Any) -> Any:
        """Return JSON-ready data with every known secret value masked in its texts."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {key: self.clean_data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_data(item) for item in value]
        return value
