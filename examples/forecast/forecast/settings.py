"""What the program is told by its environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where data and fitted models lie, who may log in, and what tokens are signed with."""

    database_url: str
    model_cache: Path
    operator_password: str
    token_key: str


def from_environment() -> Settings:
    """Read the settings; KeyError names what is missing."""
    return Settings(
        database_url=os.environ["DATABASE_URL"],
        model_cache=Path(os.environ["MODEL_CACHE"]),
        operator_password=os.environ["OPERATOR_PASSWORD"],
        token_key=os.environ["TOKEN_KEY"],
    )
