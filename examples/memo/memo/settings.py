"""What the environment tells the programs."""

import os
from pathlib import Path
from typing import NamedTuple


class Settings(NamedTuple):
    """Where things are; ``judge_key`` is empty where no language model is to be asked."""

    database: Path
    config: Path
    uploads: Path
    judge_key: str = ""
    judge_url: str = "https://api.openai.com/v1/chat/completions"
    judge_model: str = "gpt-4o-mini"


def from_environment() -> Settings:
    """Read the variables; raise SystemExit naming those that are missing."""
    missing = [name for name in ("DATABASE_URL", "CONFIG_DIR") if not os.environ.get(name)]
    if missing:
        raise SystemExit(f"memo: not set: {', '.join(missing)}")
    return Settings(
        database=Path(os.environ["DATABASE_URL"].removeprefix("sqlite:///")),
        config=Path(os.environ["CONFIG_DIR"]),
        uploads=Path(os.environ.get("UPLOADS_DIR", "uploads")),
        judge_key=os.environ.get("JUDGE_KEY", ""),
        judge_url=os.environ.get("JUDGE_URL", Settings._field_defaults["judge_url"]),
        judge_model=os.environ.get("JUDGE_MODEL", Settings._field_defaults["judge_model"]),
    )
