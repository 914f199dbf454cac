"""The JSON Schema of lading.toml, for editors; made of the same table of keys as the checker.

Run as ``python -m lading.manifest.schema`` to write the file that is shipped in the package.
"""

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from lading.manifest.grammar import MANIFEST

FILE = "lading.schema.json"


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


def text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def shipped() -> str:
    """Return the schema as the file in the package has it: no grammar has to be read for it."""
    return resources.files("lading.manifest").joinpath(FILE).read_text(encoding="utf-8")


def main() -> None:
    """Write the file that is shipped."""
    Path(__file__).with_name(FILE).write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")


if __name__ == "__main__":
    main()
