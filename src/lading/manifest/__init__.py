"""lading.toml → model: read with places, check everything at once, JSON Schema.

What differs between two manifests is in :mod:`lading.manifest.diff`: reading one should not wait for it.
"""

from lading.manifest.load import Checked, check, check_text, load, load_text
from lading.manifest.problems import Problem
from lading.manifest.schema import schema
from lading.manifest.text import FILE_NAME
from lading.manifest.unsupported import refuse_unsupported, unsupported

__all__ = [
    "FILE_NAME",
    "Checked",
    "Problem",
    "check",
    "check_text",
    "load",
    "load_text",
    "refuse_unsupported",
    "schema",
    "unsupported",
]
