"""The JSON Schema of lading.toml, for editors; made of the same table of keys as the checker."""

from typing import Any

from lading.manifest.grammar import MANIFEST


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a manifest.

    It covers names, types, patterns and limits; rules that span several keys are left to the checker.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lading.toml",
        "description": "What a project is made of and where it runs.",
        **MANIFEST.schema(),
    }
