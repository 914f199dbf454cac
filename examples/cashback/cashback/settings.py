"""What the environment says. Read once at the start, so that a missing value stops the process before it serves."""

import os
from dataclasses import dataclass, field

SHORTEST_KEY = 16


@dataclass(frozen=True)
class Settings:
    """The configuration of one process; secrets are kept out of its ``repr``."""

    database_url: str
    jwt_key: str = field(repr=False)
    smoke_token: str = field(repr=False)
    docs: bool = False


def from_environment() -> Settings:
    """Read the settings; raise SystemExit naming the variable that is missing or too weak."""
    if len(_required("JWT_KEY")) < SHORTEST_KEY:
        raise SystemExit(f"cashback: JWT_KEY is shorter than {SHORTEST_KEY} characters")
    return Settings(
        database_url=_required("DATABASE_URL"),
        jwt_key=_required("JWT_KEY"),
        smoke_token=_required("SMOKE_TOKEN"),
        docs=os.environ.get("DOCS", "") == "on",
    )


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"cashback: the environment variable {name} is missing or empty")
    return value
