"""Secrets beyond the first: edited in an editor, rotated by a rollout, removed, listed, refused when they are none."""

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from lading.cli import private_file
from lading.model.secret import MASK
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run

NAMED = '\n[secrets]\nrequired = ["JWT_KEY", "MAIL_KEY"]\noptional = ["DSN"]\n'
VALUE = "canary-4711"


@pytest.fixture
def shop(project: Path) -> Path:
    """The project with secrets, its v2.0.0 checked out."""
    manifest = project / "lading.toml"
    manifest.write_text(manifest.read_text() + NAMED)
    commit(project, "secrets", "v2.0.0")
    return project


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory where files that nobody may see are put."""
    place = tmp_path / "memory"
    place.mkdir()
    monkeypatch.setattr(private_file, "IN_MEMORY", place)
    return place


def give(agent: MemoryAgent, environment: str = "stage", **values: str) -> None:
    from lading.model.secret import Secret

    agent.world.secrets.put(f"shop/{environment}", {name: Secret(value) for name, value in values.items()})


def there(agent: MemoryAgent) -> dict[str, int]:
    """Return the versions of stage's secrets, but for the one that was there before."""
    versions = agent.world.secrets.versions("shop/stage")
    return {name: version for name, version in versions.items() if name != "TOKEN"}


def served_versions(agent: MemoryAgent) -> dict[str, int]:
    """Return the versions of secrets that stage serves with."""
    record = agent.world.journal.environment("shop", "stage")
    assert record is not None
    assert record.serving is not None
    return record.serving.configuration.secret_versions


def revealed(agent: MemoryAgent, name: str, version: int, environment: str = "stage") -> str:
    return agent.world.secrets.get(f"shop/{environment}", name, version).reveal()


def editor(monkeypatch: pytest.MonkeyPatch, directory: Path, *acts: str) -> Path:
    """Make an editor whose n-th call does the n-th act (Python) to ``text``; return the file of what it saw."""
    script, seen = directory / "editor.py", directory / "seen.jsonl"
    script.write_text(
        "import json, os, pathlib, sys\n"
        f"path, seen, acts = pathlib.Path(sys.argv[-1]), pathlib.Path({str(seen)!r}), {list(acts)!r}\n"
        "text = path.read_text()\n"
        "call = len(seen.read_text().splitlines()) if seen.exists() else 0\n"
        "note = {'text': text, 'mode': path.stat().st_mode & 0o777, 'path': str(path)}\n"
        "note['around'] = path.parent.stat().st_mode & 0o777\n"
        "with seen.open('a') as file: file.write(json.dumps(note) + '\\n')\n"
        "space = {'text': text, 'path': path}\n"
        "exec(acts[min(call, len(acts) - 1)], space)\n"
        "path.write_text(space['text'])\n"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    return seen


def notes(seen: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in seen.read_text().splitlines()]


class Terminal(io.StringIO):
    """Standard input as somebody types it at a terminal."""

    def isatty(self) -> bool:
        return True


# edit


def test_what_is_left_as_dots_stays(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New names, changed values and removed lines are stored at once; dots keep what is there; no value is shown."""
    give(agent, JWT_KEY=VALUE, OLD="canary-old", SAME="canary-same")
    act = f"text = text.replace('MAIL_KEY=', 'MAIL_KEY=new').replace('JWT_KEY={MASK}', 'JWT_KEY=other')"
    act += f".replace('OLD={MASK}\\n', '')"
    seen = editor(monkeypatch, tmp_path, act)
    said = run("secrets", "edit", "stage", "--yes")
    assert said.status == 0, said.err
    assert there(agent) == {"JWT_KEY": 2, "MAIL_KEY": 1, "SAME": 1}
    assert revealed(agent, "JWT_KEY", 2) == "other"
    assert revealed(agent, "SAME", 1) == "canary-same"
    assert all(line in said.out for line in ("~ JWT_KEY", "+ MAIL_KEY", "- OLD", "2 unchanged", "lading deploy stage"))
    assert "canary" not in said.out + said.err + seen.read_text()


def test_the_file_is_private_and_gone_at_the_end(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in memory with mode 600 in a directory of mode 700, and nothing of it is left, backup files included."""
    seen = editor(monkeypatch, tmp_path, "path.with_suffix('.bak').write_text(text); text += 'DSN=x-9\\n'")
    assert run("secrets", "edit", "stage", "--yes").status == 0
    (note,) = notes(seen)
    assert (note["mode"], note["around"]) == (0o600, 0o700)
    assert Path(str(note["path"])).is_relative_to(memory)
    assert list(memory.iterdir()) == []


@pytest.mark.parametrize("act", ["raise SystemExit(1)", "path.unlink(); raise SystemExit(0)"])
def test_an_editor_that_fails_stores_nothing(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Whoever leaves the editor with an error, or takes the file away, wants nothing stored; and it is gone."""
    editor(monkeypatch, tmp_path, f"text += 'DSN={VALUE}\\n'; path.write_text(text); {act}")
    said = run("secrets", "edit", "stage", "--yes")
    assert (said.status, there(agent)) == (2, {})
    assert list(memory.iterdir()) == []
    assert VALUE not in said.out + said.err


def test_what_a_killed_editor_left_is_swept(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that was killed cannot clean up: the next one does, and leaves those of living ones alone."""
    for pid in (2**22 + 1, os.getpid()):
        left = memory / f"lading-edit-{pid}-abc"
        left.mkdir()
        (left / "stage.env").write_text(VALUE)
    editor(monkeypatch, tmp_path, "pass")
    assert run("secrets", "edit", "stage", "--yes").status == 0
    assert [path.name for path in memory.iterdir()] == [f"lading-edit-{os.getpid()}-abc"]


def test_an_unchanged_file_changes_nothing(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the file as it is stores nothing, and nothing is audited."""
    give(agent, JWT_KEY=VALUE)
    editor(monkeypatch, tmp_path, "pass")
    said = run("secrets", "edit", "stage", "--yes")
    assert (said.status, "nothing was changed" in said.out) == (0, True)
    assert agent.world.journal.audits() == []


def test_a_mistake_opens_the_editor_again_with_its_place(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text comes back with what is wrong on top, at the line where it now stands; mended, it is stored."""
    wrong = f"text += 'DSN=\"{VALUE}\\nthis is no line\\n'"
    mend = "text = text.replace('DSN=\"', 'DSN=').replace('this is no line\\n', '')"
    seen = editor(monkeypatch, tmp_path, wrong, mend)
    monkeypatch.setattr("sys.stdin", Terminal("\ny\n"))
    said = run("secrets", "edit", "stage")
    assert said.status == 0, said.err
    _, again = notes(seen)
    lines = str(again["text"]).splitlines()
    place = next(line for line in lines if line.startswith("#! stage.env:"))
    assert lines[int(place.split(":")[1].split()[0]) - 1].startswith("DSN=")
    assert revealed(agent, "DSN", 1) == VALUE
    assert VALUE not in said.out + said.err


def test_who_leaves_the_mistake_gives_up(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that comes back unchanged with its mistake ends the command: nothing is stored, nothing is left."""
    editor(monkeypatch, tmp_path, "text += 'what\\n'", "pass")
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    said = run("secrets", "edit", "stage")
    assert (said.status, "stage.env:" in said.err) == (2, True)
    assert there(agent) == {}
    assert list(memory.iterdir()) == []


def test_a_program_is_not_asked_twice(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody sits, a mistake ends the command at once: an editor that is a script would make it for ever."""
    seen = editor(monkeypatch, tmp_path, "text += 'what\\n'")
    assert run("secrets", "edit", "stage", "--yes").status == 2
    assert len(notes(seen)) == 1


def test_nothing_is_stored_without_agreement(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would change is shown, and only a yes stores it."""
    editor(monkeypatch, tmp_path, "text += 'DSN=canary-9\\n'")
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    said = run("secrets", "edit", "stage")
    assert (said.status, "+ DSN" in said.out, there(agent)) == (2, True, {})


@pytest.mark.parametrize("line", [f"DSN={MASK}", f"JWT_KEY=abc{MASK}"])
def test_dots_are_no_value(
    shop: Path,
    run: Run,
    agent: MemoryAgent,
    memory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
) -> None:
    """Dots stand for what is stored: of a name that is not, or within a value, they are a mistake."""
    give(agent, JWT_KEY=VALUE)
    editor(monkeypatch, tmp_path, f"text = text.replace('JWT_KEY={MASK}\\n', '') + {line!r} + '\\n'", "pass")
    said = run("secrets", "edit", "stage", "--yes")
    assert (said.status, "a whole new value" in said.err) == (2, True)
    assert there(agent) == {"JWT_KEY": 1}


def test_nobody_to_agree_stores_nothing(shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes the editor is not even opened."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    said = run("secrets", "edit", "stage")
    assert (said.status, "--yes" in said.err) == (2, True)


def test_an_editor_that_is_not_there_is_named(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint says what to set."""
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    said = run("secrets", "edit", "stage", "--yes")
    assert (said.status, "no-such-editor" in said.err, "EDITOR" in said.err) == (2, True, True)
    assert list(memory.iterdir()) == []


def test_who_was_slower_stores_nothing(
    shop: Path, run: Run, agent: MemoryAgent, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody else stored while the editor was open is not written over."""
    from lading.agent.secret_values import SecretsPut

    give(agent, JWT_KEY=VALUE)
    editor(monkeypatch, tmp_path, f"text = text.replace('{MASK}', 'mine-9')")
    put = agent.service.secrets.put
    agent.service.secrets.put("shop", "stage", SecretsPut(values={"JWT_KEY": "theirs-9"}), "bob")
    with pytest.raises(Exception, match="somebody else"):
        put("shop", "stage", SecretsPut(values={"JWT_KEY": "mine-9"}, known={"JWT_KEY": 1}), "ada")
    assert revealed(agent, "JWT_KEY", 2) == "theirs-9"


# refused before anything


def test_everything_that_is_wrong_is_refused_at_once(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Missing and placeholder values are named together, each with the command that sets it; nothing is started."""
    give(agent, JWT_KEY="changeme")
    said = run("deploy", "stage")
    assert said.status == 3
    assert "JWT_KEY, MAIL_KEY" in said.err
    assert "lading secrets set stage JWT_KEY" in said.err
    assert "lading secrets set stage MAIL_KEY" in said.err
    assert "lading secrets edit stage" in said.err
    assert "changeme" not in said.err
    assert list(agent.world.runtime.list()) == []
    assert list(agent.world.journal.rollouts()) == []


def test_the_value_of_the_example_file_is_refused_outside_of_a_laptop(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """A secret that stands in the repository is none; locally it may be used."""
    (shop / ".env.example").write_text("JWT_KEY=canary-example\n")
    for environment in ("stage", "local"):
        give(agent, environment, JWT_KEY="canary-example", MAIL_KEY=VALUE)
    said = run("deploy", "stage")
    assert (said.status, ".env.example" in said.err, "canary" in said.err) == (3, True, False)
    assert run("deploy", "local").status == 0


def test_an_example_file_that_is_none_holds_nothing_up(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """A broken example file is nobody's trouble at a deploy."""
    (shop / ".env.example").write_text("what is\nthis = 'thing\n")
    give(agent, JWT_KEY=VALUE, MAIL_KEY=VALUE)
    assert run("deploy", "stage").status == 0


def test_a_placeholder_is_told_when_it_is_stored(
    shop: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stored, as no release may ask for it, with a warning that does not repeat it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("<your-key>\n"))
    said = run("secrets", "set", "stage", "JWT_KEY")
    assert (said.status, "warning: JWT_KEY" in said.err, "your-key" in said.err) == (0, True, False)


def test_going_back_is_never_refused_for_a_placeholder(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """What ran may be returned to, whatever it ran with."""
    give(agent, "stage", JWT_KEY=VALUE, MAIL_KEY=VALUE)
    assert run("deploy", "stage").status == 0
    assert run("deploy", "stage", "--again").status == 0
    give(agent, "stage", JWT_KEY="changeme")
    assert run("deploy", "stage", "--again").status == 3
    assert run("rollback", "stage").status == 0


# rotate, remove, list


@pytest.fixture
def served(shop: Path, run: Run, agent: MemoryAgent) -> Path:
    """The project, its v2.0.0 serving on stage."""
    give(agent, JWT_KEY=VALUE, MAIL_KEY=VALUE, EXTRA=VALUE)
    assert run("deploy", "stage").status == 0
    return shop


def test_rotation_rolls_out_what_serves_with_the_new_version(served: Path, run: Run, agent: MemoryAgent) -> None:
    """Same release, same digest, another revision; the agent made the value, and nobody saw it."""
    said = run("secrets", "rotate", "stage", "JWT_KEY", "MAIL_KEY", "--generate")
    assert said.status == 0, said.err
    rotation, before = agent.world.journal.rollouts()
    assert (rotation.kind, rotation.plan.digest) == ("rotate", before.plan.digest)
    assert served_versions(agent) == {"JWT_KEY": 2, "MAIL_KEY": 2}
    made = revealed(agent, "JWT_KEY", 2)
    assert (len(made), made.isalnum(), made != revealed(agent, "MAIL_KEY", 2)) == (48, True, True)
    assert made not in said.out + said.err + repr(agent.world.journal.audits())
    assert "version 1 → 2" in said.out
    assert run("rollback", "stage").status == 0
    assert served_versions(agent)["JWT_KEY"] == 1


def test_a_rotation_that_fails_leaves_the_old_version_serving(served: Path, run: Run, agent: MemoryAgent) -> None:
    """The rollout unwinds, and it is said which version serves and what becomes of the stored one."""
    agent.world.checks.fail("the new key is not taken", path="/ready")  # type: ignore[attr-defined]
    said = run("secrets", "rotate", "stage", "JWT_KEY", "--generate")
    assert said.status == 4
    assert "JWT_KEY: version 1 still serves, version 2 is stored" in said.err
    assert served_versions(agent)["JWT_KEY"] == 1


def test_rotation_may_only_store(served: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --no-deploy no rollout is opened; the value comes from standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO("canary-5\n"))
    said = run("secrets", "rotate", "stage", "JWT_KEY", "--no-deploy")
    assert (said.status, "lading deploy stage" in said.out) == (0, True)
    assert revealed(agent, "JWT_KEY", 2) == "canary-5"
    assert len(agent.world.journal.rollouts()) == 1


def test_rotation_of_what_nothing_names_needs_no_rollout(served: Path, run: Run, agent: MemoryAgent) -> None:
    """A secret that the serving release does not name is stored, and it is said why nothing is rolled out."""
    said = run("secrets", "rotate", "stage", "EXTRA", "--generate")
    assert (said.status, "no rollout" in said.out) == (0, True)
    assert len(agent.world.journal.rollouts()) == 1


@pytest.mark.parametrize(("words", "told"), [(("NEW",), "lading secrets set"), (("JWT_KEY", "MAIL_KEY"), "--generate")])
def test_rotation_refuses_what_it_cannot_do(
    served: Path, run: Run, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    """A name that is not set yet, or several and one input: nothing is stored."""
    monkeypatch.setattr("sys.stdin", io.StringIO("canary-5\n"))
    said = run("secrets", "rotate", "stage", *words)
    assert (said.status, told in said.err) == (2, True)
    assert agent.world.secrets.versions("shop/stage")["JWT_KEY"] == 1


def test_a_generated_value_is_never_weak(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Too few characters are refused."""
    assert run("secrets", "set", "stage", "JWT_KEY", "--generate", "--length", "8").status == 2
    assert run("secrets", "set", "stage", "JWT_KEY", "--generate", "--length", "16").status == 0
    assert len(revealed(agent, "JWT_KEY", 1)) == 16


def test_a_removed_secret_is_missing_for_the_next_rollout(served: Path, run: Run, agent: MemoryAgent) -> None:
    """What serves keeps it, a rollback finds it, and a deploy that requires it is refused."""
    said = run("secrets", "remove", "stage", "JWT_KEY")
    assert (said.status, "until it is set again" in said.out) == (0, True)
    assert "JWT_KEY" not in agent.world.secrets.versions("shop/stage")
    assert revealed(agent, "JWT_KEY", 1) == VALUE
    assert run("deploy", "stage", "--again").status == 3
    assert run("secrets", "remove", "stage", "JWT_KEY").status == 2
    assert agent.world.journal.audits()[0].act in ("refused", "secrets removed")


def test_the_list_says_what_the_release_needs(served: Path, run: Run, agent: MemoryAgent) -> None:
    """Versions, when and by whom, required, optional or named by nobody, and what serves; never a value."""
    assert run("secrets", "rotate", "stage", "JWT_KEY", "--generate", "--no-deploy").status == 0
    assert run("secrets", "remove", "stage", "MAIL_KEY").status == 0
    said = run("secrets", "list", "stage", "--json")
    entries = {entry["name"]: entry for entry in said.result["entries"] if entry["name"] != "TOKEN"}
    assert {name: (one["version"], one["need"], one["serving"]) for name, one in entries.items()} == {
        "DSN": (0, "optional", None),
        "EXTRA": (1, "unknown", None),
        "JWT_KEY": (2, "required", 1),
        "MAIL_KEY": (0, "required", 1),
    }
    assert entries["JWT_KEY"]["set_by"]
    told = run("secrets", "list", "stage").out
    assert "version 1 serves" in told
    assert "missing: MAIL_KEY" in told
    assert VALUE not in told + said.out


def test_modes_of_the_private_directory_do_not_hang_on_the_umask(memory: Path) -> None:
    """Even with no umask nobody else can look."""
    before = os.umask(0)
    try:
        with private_file.private_file("x.env") as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)
