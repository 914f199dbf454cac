"""What ``lading init`` makes of repositories as people have them."""

import re
from pathlib import Path

import pytest

from lading.manifest import check_text
from lading.survey.draft import takes_migrations
from tests.unit.survey.drawing import drawn, shapes

SHAPES = shapes()
KEY = re.compile(r"(# )?(?P<key>[A-Za-z_\[][\w\[\].-]*)\s+= |^\[\[?(?P<table>[a-z.-]+)\]")
ANEW = "run python -m tests.unit.survey.drawing and look at the difference"


def test_there_are_many_shapes():
    """At least ten kinds of repositories are kept."""
    assert len(SHAPES) >= 10


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_gives_its_manifest(shape: Path, tmp_path: Path):
    """The draft is the one kept beside the shape, and so is what is said about it."""
    manifest, said = drawn(shape, tmp_path)
    assert manifest == (shape / "lading.toml").read_text(), ANEW
    assert said == (shape / "said.txt").read_text(), ANEW


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_draft_passes_the_check(shape: Path, tmp_path: Path):
    """A drafted manifest has no problem and asks for nothing that this version does not do."""
    (shape_manifest, _) = drawn(shape, tmp_path, migrations=takes_migrations())
    checked = check_text(shape_manifest)
    assert (checked.problems, checked.notes) == ((), ())
    empty = "takes no release whose smoke suite is empty"
    assert [warning for warning in checked.warnings if warning.text != empty] == []
    assert checked.manifest is not None
    assert checked.manifest.smoke or shape.name in ("nothing", "hostile")


def test_a_migration_waits_for_a_version_that_runs_it(tmp_path: Path):
    """Where migrations are not carried out, the line is there as a comment, and it is said what to do until then."""
    shape = next(shape for shape in SHAPES if shape.name == "fastapi-alembic-sqlite")
    manifest, said = drawn(shape, tmp_path, migrations=False)
    assert '# migrate = "alembic upgrade head"' in manifest
    assert "run alembic upgrade head when the program starts" in said
    assert check_text(manifest).notes == ()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_guess_has_its_reason(shape: Path):
    """Each key has a comment beside it, or in the line above."""
    lines = (shape / "lading.toml").read_text().splitlines()
    for number, line in enumerate(lines):
        guess = KEY.match(line)
        if guess is None or guess["table"] or line.endswith("= ["):
            continue
        beside = "#" in line.removeprefix("# ")
        above = re.match(r"\s*# (?![\w\[\]-]+ +=)", lines[number - 1])
        assert beside or above, line


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_repository_is_left_as_it_was(shape: Path, tmp_path: Path):
    """Drafting changes nothing and leaves nothing behind."""
    drawn(shape, tmp_path)
    kept = {path.relative_to(shape / "repository") for path in (shape / "repository").rglob("*")}
    assert {path.relative_to(tmp_path / shape.name) for path in (tmp_path / shape.name).rglob("*")} == kept
