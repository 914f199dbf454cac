"""What make examples reads from the examples, without carrying them."""

import tomllib
from pathlib import Path

import pytest
from examples.make_repository import EXAMPLES
from scripts.examples import Example, Row, known, table


def test_every_example_with_a_manifest_takes_the_road() -> None:
    """Folders and their variants are found by their manifests; no name stands in the script."""
    assert {"cashback", "cashback/postgres", "clinic"} <= set(known())
    assert len(known()) == len(list(EXAMPLES.rglob("lading.toml")))


@pytest.mark.parametrize("name", known())
def test_what_an_example_needs_is_seen_from_it(name: str, tmp_path: Path) -> None:
    """It has the environments of the road, a value for each secret, and says nothing that is not understood."""
    example = Example(name, tmp_path)
    assert example.environments[:2] == ["local", "stage"]
    assert set(example.manifest.get("secrets", {}).get("required", ())) <= set(example._secrets())
    assert set(example.road) <= {"good", "bad", "jobs", "secrets"}
    assert set(example.road.get("jobs", ())) <= set(example.manifest.get("jobs", {}))
    if example.has_images:
        assert all(":" in image for image in example.base_images())
        assert example.base_images()


def test_logins_are_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is used as user and password is one; others are random."""
    text = '[secrets]\nrequired = ["KEY"]\n[environments.stage]\naccess = { basic = "LOGIN" }\n'
    example = Example("clinic", tmp_path)
    example.manifest = tomllib.loads(text)
    values = example._secrets()
    assert values["LOGIN"].startswith("login:")
    assert len(values["KEY"]) == 32
    example.road = {"secrets": {"KEY": "fixed"}}
    assert example._secrets()["KEY"] == "fixed"


def test_the_table_says_what_went_astray() -> None:
    """Each example has a line with its time, what it lost, how far it came, and the verdict."""
    rows = [
        Row("shop", "image", seconds=12.3, lost=0, requests=1234, steps=["v1.0.0 ✓"], verdict="stands"),
        Row("mill", "bundle", seconds=3.0, steps=["v1.0.0 ✓"], verdict="ASTRAY"),
        Row("barn", "image", verdict="left out: no container engine answers"),
    ]
    lines = table(rows).splitlines()
    assert lines[1].split("  ")[1:]
    assert "0 of 1,234" in lines[1]
    assert lines[1].endswith("stands")
    assert "no web service" in lines[2]
    assert lines[2].endswith("ASTRAY")
    assert lines[3].endswith("no container engine answers")
