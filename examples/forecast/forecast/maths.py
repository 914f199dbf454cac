"""The forecasting itself: Holt's linear trend and the seasonal naive method; the same points give the same answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Weights that are tried: for the level, and for the trend.
GRID = tuple(step / 20 for step in range(1, 20))


@dataclass(frozen=True)
class Model:
    """What was learned from a series. ``sigma`` is the spread of its errors one step ahead.

    Holt's method has a ``level`` and a ``trend``; the naive one repeats ``last``, the latest season.
    """

    method: str
    sigma: float
    level: float = 0.0
    trend: float = 0.0
    last: tuple[float, ...] = ()

    def ahead(self, horizon: int) -> list[float]:
        """Return the next points."""
        if self.method == "holt":
            return [self.level + step * self.trend for step in range(1, horizon + 1)]
        return [self.last[step % len(self.last)] for step in range(horizon)]


def fit(points: Sequence[float], season: int, method: str = "auto") -> Model:
    """Learn from points, at least two; ``auto`` takes the method that would have been nearer to them."""
    if method == "holt":
        return holt(points)
    if method == "seasonal":
        return seasonal(points, season)
    found = [holt(points), *([seasonal(points, season)] if len(points) > season else [])]
    return min(found, key=lambda model: model.sigma)


def holt(points: Sequence[float]) -> Model:
    """Learn level and trend with the weights whose errors one step ahead are the smallest."""
    return min((_holt(points, alpha, beta) for alpha in GRID for beta in GRID), key=lambda model: model.sigma)


def _holt(points: Sequence[float], alpha: float, beta: float) -> Model:
    level, trend, squares = points[1], points[1] - points[0], 0.0
    for point in points[2:]:
        expected = level + trend
        squares += (point - expected) ** 2
        before, level = level, alpha * point + (1 - alpha) * expected
        trend = beta * (level - before) + (1 - beta) * trend
    return Model("holt", _spread(squares, len(points) - 2), level=level, trend=trend)


def seasonal(points: Sequence[float], season: int) -> Model:
    """Learn the latest season; ValueError when there is less than one and a point to compare."""
    if len(points) <= season:
        raise ValueError(f"a season of {season} needs more than {season} points")
    squares = sum((point - before) ** 2 for before, point in zip(points, points[season:], strict=False))
    return Model("seasonal", _spread(squares, len(points) - season), last=tuple(points[-season:]))


def _spread(squares: float, count: int) -> float:
    return math.sqrt(squares / count) if count > 0 else 0.0
