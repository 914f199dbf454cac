"""The story of a rollout as events: written to the journal, streamed to whoever listens, free of secrets."""

from collections.abc import Callable
from typing import Any

from lading.engine.world import World
from lading.model.plan import Step
from lading.model.rollout import Event, Rollout
from lading.model.secret import Secret, redact


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
        """Append one event; known secret values are masked in its text and data."""
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
        self._world.journal.append_event(event)
        self.published()

    def published(self) -> None:
        """Tell listeners that there is something new to read."""
        self._publish(self._rollout.id)

    def clean(self, text: str) -> str:
        """Return the text with every known secret value masked."""
        if self._secrets is None:
            self._secrets = tuple(self._world.secrets.all_values().values())
        return redact(text, self._secrets)

    def clean_data(self, value: Any) -> Any:
        """Return JSON-ready data with every known secret value masked in its texts."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {key: self.clean_data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_data(item) for item in value]
        return value
