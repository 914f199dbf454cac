"""docs/manifest.md is written from the grammar."""

from pathlib import Path

from lading.manifest.reference import keys, reference

PAGE = Path(__file__).parents[2] / "docs" / "manifest.md"


def test_the_manifest_reference_has_not_drifted():
    """The page is what the grammar gives; write it anew with python -m lading.manifest.reference docs/manifest.md."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_key_is_in_the_reference():
    """No key of the grammar is undocumented."""
    page = PAGE.read_text(encoding="utf-8")
    assert [path for path, key in keys() if f"| `{key.name}` |" not in page] == []
