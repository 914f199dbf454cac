"""Migration heads, read from files: Alembic's and Django's; nothing of a project is run to know them."""

from collections.abc import Mapping

import pytest

from lading.build.entries import from_bytes
from lading.build.heads import Heads, find_heads
from lading.model.errors import LadingError
from lading.model.manifest import Build, Database, Manifest, Project

INI = "[alembic]\nscript_location = %(here)s/migrations\nsqlalchemy.url = sqlite:///%%(nothing)s\n"


def heads(files: Mapping[str, str], migrate: str = "alembic upgrade head", **more: object) -> Heads:
    manifest = Manifest(
        project=Project(name="shop"),
        build={"app": Build(bundle="requirements.txt", context=str(more.pop("context", ".")))},
        databases={"main": Database(engine="sqlite", env="DATABASE_URL", migrate=migrate)},
        env=more.pop("env", {}),  # type: ignore[arg-type]
    )
    return find_heads(manifest, {name: from_bytes(text.encode()) for name, text in files.items()})


def revision(name: str, down: str = "None") -> str:
    head = f'"""A change."""\n\nrevision: str = "{name}"\ndown_revision = {down}\n'
    return f"{head}\n\ndef upgrade():\n    raise SystemExit\n"


CHAIN = {
    "alembic.ini": INI,
    "migrations/env.py": "raise SystemExit('was run')",
    "migrations/versions/a.py": revision("3f2a"),
    "migrations/versions/b.py": revision("9c41", '"3f2a"'),
    "migrations/versions/broken.py": "revision = (",
    "migrations/versions/notes/c.py": revision("deep", '"9c41"'),
}


def test_the_head_of_a_chain() -> None:
    """The revision that no other follows is the head; every one is known; files that are no revision do not disturb."""
    found = heads(CHAIN)
    assert found.heads == {"main": ("9c41",)}
    assert found.migrations["main"].tool == "alembic"
    assert found.migrations["main"].revisions == ("3f2a", "9c41")


def test_two_heads_are_refused() -> None:
    """Two heads are named, with the command that merges them; ``heads`` as target says that several are meant."""
    files = {**CHAIN, "migrations/versions/c.py": revision("77aa", '"3f2a"')}
    with pytest.raises(LadingError) as caught:
        heads(files)
    assert caught.value.code == "migration-heads"
    assert "77aa, 9c41" in caught.value.happened
    assert "alembic merge -m merge 77aa 9c41" in caught.value.hint
    assert heads(files, "alembic upgrade heads").heads == {"main": ("77aa", "9c41")}


def test_a_merge_has_one_head() -> None:
    """A revision that follows several merges them."""
    files = {**CHAIN, "migrations/versions/c.py": revision("77aa", '"3f2a"')}
    files["migrations/versions/d.py"] = revision("m", '("9c41", "77aa")')
    assert heads(files).heads == {"main": ("m",)}


ONE = revision("1")
HEAD = "alembic upgrade head"
PLACES = {
    "config": (
        "alembic -c db/alembic.ini upgrade head",
        {"db/alembic.ini": "[alembic]\nscript_location = %(here)s/m\n", "db/m/versions/a.py": ONE},
    ),
    "section": (
        "python -m alembic --config=a.ini --name other upgrade head",
        {"a.ini": "[other]\nscript_location = m\n", "m/versions/a.py": ONE},
    ),
    "pyproject": (
        HEAD,
        {"pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/m"\n', "m/versions/a.py": ONE},
    ),
    "package": (HEAD, {"alembic.ini": "[alembic]\nscript_location = shop:m\n", "src/shop/m/versions/a.py": ONE}),
    "locations": (
        HEAD,
        {
            "alembic.ini": "[alembic]\nscript_location = m\nversion_locations = m/one m/two\n",
            "m/one/a.py": revision("0"),
            "m/two/b.py": revision("1", '"0"'),
        },
    ),
    "recursive": (
        HEAD,
        {
            "alembic.ini": "[alembic]\nscript_location=m\nrecursive_version_locations=true\n",
            "m/versions/x/a.py": ONE,
        },
    ),
    "flask": ("flask --app shop db upgrade", {"migrations/versions/a.py": ONE}),
    "flask elsewhere": ("flask db upgrade -d db head", {"db/versions/a.py": ONE}),
    "target": (
        "alembic upgrade 1",
        {
            "alembic.ini": "[alembic]\nscript_location=m\n",
            "m/versions/a.py": ONE,
            "m/versions/b.py": revision("2", '"1"'),
        },
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_where_alembic_may_lie(place: str) -> None:
    """Configuration and scripts are found wherever Alembic would."""
    migrate, files = PLACES[place]
    assert heads(files, migrate).heads == {"main": ("1",)}


def test_a_configuration_named_by_a_variable_and_a_context() -> None:
    """The variable Alembic asks counts, and paths are those of the build's context."""
    files = {f"app/{name.replace('alembic.ini', 'other.ini')}": text for name, text in CHAIN.items()}
    assert heads(files, context="app", env={"ALEMBIC_CONFIG": "other.ini"}).heads == {"main": ("9c41",)}


@pytest.mark.parametrize(
    "migrate",
    ["python migrate.py", "sh -c 'alembic upgrade head'", "alembic current", "alembic upgrade +1", "'", "alembic"],
)
def test_what_is_not_known_is_left_out(migrate: str) -> None:
    """Any other command is taken as it is: its rehearsal shows what it does."""
    assert heads(CHAIN, migrate).heads == {}
    assert heads({}, "alembic upgrade head").heads == {}


def migration(*follows: str, app: str = "shop", replaces: str = "[]") -> str:
    pairs = "".join(f'("{app}", "{name}"), ' for name in follows)
    return (
        "from django.db import migrations\nraise SystemExit('was run')\n\n\nclass Migration(migrations.Migration):\n"
        f"    replaces = {replaces}\n"
        f'    dependencies = [migrations.swappable_dependency("auth.User"), ("auth", "0001_initial"), {pairs}]\n'
    )


DJANGO = {
    "manage.py": "",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": migration(),
    "shop/migrations/0002_more.py": migration("0001_initial"),
    "shop/migrations/_helpers.py": "x = 1",
    "billing/apps.py": 'class Billing(AppConfig):\n    name = "billing"\n    label = "bills"\n',
    "billing/migrations/__init__.py": "",
    "billing/migrations/0001_initial.py": migration(app="bills"),
    "scripts/migrations/old.py": migration(),
}


@pytest.mark.parametrize(
    "migrate",
    ["python manage.py migrate", "./manage.py migrate --noinput", "python -m django migrate", "django-admin migrate"],
)
def test_django_has_a_leaf_an_app(migrate: str) -> None:
    """Every app of the project's own has its last migration, under the label its configuration gives."""
    found = heads(DJANGO, migrate)
    assert found.heads == {"main": ("bills.0001_initial", "shop.0002_more")}
    assert found.migrations["main"].tool == "django"
    assert "shop.0001_initial" in found.migrations["main"].revisions


def test_django_apps_with_two_leaves_are_refused() -> None:
    """Two leaves of one app are named, with the command that merges them."""
    files = {**DJANGO, "shop/migrations/0002_other.py": migration("0001_initial")}
    with pytest.raises(LadingError) as caught:
        heads(files, "python manage.py migrate")
    assert caught.value.code == "migration-heads"
    assert "shop.0002_more, shop.0002_other" in caught.value.happened
    assert "makemigrations --merge" in caught.value.hint


def test_a_squash_stands_for_what_it_replaces() -> None:
    """Migrations that were squashed and are still there are no leaves; who follows one of them follows the squash."""
    squash = migration(replaces='[("shop", "0001_initial"), ("shop", "0002_more")]')
    files = {**DJANGO, "shop/migrations/0001_squashed.py": squash}
    assert heads(files, "python manage.py migrate").heads["main"] == ("bills.0001_initial", "shop.0001_squashed")
    files["shop/migrations/0003_next.py"] = migration("0002_more")
    assert heads(files, "python manage.py migrate").heads["main"] == ("bills.0001_initial", "shop.0003_next")
