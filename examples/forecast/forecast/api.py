"""Series in, forecasts out."""

from typing import Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from forecast import RELEASE
from forecast.cache import ModelCache
from forecast.system import operator

Method = Literal["auto", "holt", "seasonal"]

router = APIRouter(prefix="/api/v1")


class Points(BaseModel):
    """A series: its points, oldest first, and how many make a season."""

    points: list[float] = Field(min_length=2, max_length=5000)
    season: int = Field(default=1, ge=1, le=400)


class Question(Points):
    """A series that is not kept, and how far ahead to look."""

    horizon: int = Field(default=3, ge=1, le=400)
    method: Method = "auto"


@router.get("/series")
def names(request: Request) -> list[str]:
    """Return the names of all series."""
    found: list[str] = request.app.state.store.names()
    return found


@router.put("/series/{name}", dependencies=[Depends(operator)])
def put(request: Request, name: str, given: Points) -> dict[str, Any]:
    """Keep a series, in place of the one of that name."""
    request.app.state.store.put(name, given.season, given.points)
    return {"name": name, "points": len(given.points)}


@router.get("/series/{name}/forecast")
def forecast(request: Request, name: str, horizon: int = 3, method: Method = "auto") -> dict[str, Any]:
    """Return the next points of a series."""
    series = request.app.state.store.series(name)
    if series is None:
        raise HTTPException(404, f"there is no series {name}")
    asked = Question(points=list(series.points), season=series.season, horizon=horizon, method=method)
    return _answer(request.app.state.cache, asked)


@router.post("/forecast")
def ask(request: Request, given: Question) -> dict[str, Any]:
    """Return the next points of a series that is not kept."""
    return _answer(request.app.state.cache, given)


def _answer(cache: ModelCache, asked: Question) -> dict[str, Any]:
    try:
        model, cached = cache.model(asked.points, asked.season, asked.method)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    ahead = [round(point, 6) for point in model.ahead(asked.horizon)]
    return {"method": model.method, "forecast": ahead, "cached": cached, "release": RELEASE}
