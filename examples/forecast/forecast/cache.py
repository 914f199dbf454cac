"""Fitted models on a volume: fitting is the slow part, and releases come and go."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from forecast.maths import Model, fit


class ModelCache:
    """Keeps each fitted model in a file named by what it was learned from."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir(parents=True, exist_ok=True)

    def model(self, points: Sequence[float], season: int, method: str) -> tuple[Model, bool]:
        """Return the model for these points, and whether it was there already."""
        asked = json.dumps([list(points), season, method]).encode()
        file = self._place / f"{hashlib.sha256(asked).hexdigest()[:32]}.json"
        if file.exists():
            return read(file.read_text()), True
        model = fit(points, season, method)
        whole = file.with_suffix(f".{secrets.token_hex(8)}.new")
        whole.write_text(written(model))
        # Two threads, or two releases, may fit the same points at the same moment.
        whole.replace(file)
        return model, False

    def __len__(self) -> int:
        return sum(1 for _ in self._place.glob("*.json"))


def written(model: Model) -> str:
    """Return a model as its file holds it."""
    return json.dumps(
        {
            "method": model.method,
            "sigma": model.sigma,
            "level": model.level,
            "trend": model.trend,
            "last": list(model.last),
        }
    )


def read(text: str) -> Model:
    """Return the model that a file holds."""
    held = json.loads(text)
    return Model(held["method"], held["sigma"], held["level"], held["trend"], tuple(held["last"]))
