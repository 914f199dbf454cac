"""Images by their names: found in the engine, else fetched from a registry by it."""

import json
from typing import Any

from lading.docker.engine import Engine, EngineRefused, segment

PULLING = 600.0  # seconds without a word from the engine


def find_image(engine: Engine, reference: str) -> dict[str, Any] | None:
    """Return what the engine knows of an image, None when it has none of that name."""
    try:
        found: dict[str, Any] = engine.get(f"/images/{segment(reference)}/json")
    except EngineRefused as error:
        if error.status == 404:
            return None
        raise
    return found


def pull_image(engine: Engine, reference: str) -> tuple[dict[str, Any] | None, str]:
    """Let the engine fetch an image; return what it then knows of it, and why it failed where it did."""
    said = ""
    try:
        with engine.stream("POST", "/images/create", timeout=PULLING, fromImage=reference) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines() if line.strip()]
        said = next((str(line["error"]) for line in lines if "error" in line), "")
    except EngineRefused as error:
        said = error.message
    return find_image(engine, reference), said or "nothing came"
