"""``lading host``: what is said and asked, over a connection that is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lading.cli.main import main
from lading.client.address import SshHost
from lading.client.hosts.known import remember
from lading.client.ssh.connection import Ran

ADDRESS = "ssh://root@stage"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 somebody@laptop"
NEW = "uid=0\nsystem=Linux x86_64\napt=yes\nclock=\n"


class NoMachine:
    """A connection to a machine that tells the same facts every time, and takes every step."""

    host = SshHost("stage", "root")

    def __init__(self, facts: str) -> None:
        self.facts = facts
        self.ran: list[str] = []

    def open(self) -> None:
        """Nothing is to be opened."""

    def run(self, command: str, given: bytes = b"", timeout: float | None = None) -> Ran:
        text = given.decode(errors="replace")
        looks = "say uid" in text
        if not looks:
            self.ran.append(text)
        return Ran(0, self.facts.encode() if looks else b"", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., NoMachine]:
    """Make the machine that every address leads to; nothing of this user's own is touched."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    # An agent of it is not to be reached either.
    monkeypatch.setenv("LADING_SSH", "false")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", ".")

    def make(facts: str = NEW) -> NoMachine:
        made = NoMachine(facts)
        monkeypatch.setattr("lading.cli.host._connection", lambda _: made)
        return made

    return make


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "key.pub"
    file.write_text(KEY)
    return str(file)


def test_a_dry_run_says_every_step_and_does_none(
    machine: Callable[..., NoMachine], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would be done is said in order; nothing is run but the look."""
    there = machine()
    assert main(["host", "add", ADDRESS, "--key", key, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert there.ran == []
    assert out.index("install python3") < out.index("make deploy") < out.rindex("start it")
    assert "nothing was done" in out


def test_what_is_no_machine_is_refused(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A host is named by ssh:// and without a path."""
    for wrong in ("stage", "unix:///srv", "ssh://root@stage/srv"):
        assert main(["host", "add", wrong, "--key", key]) == 2
        assert "ssh://USER@HOST" in capsys.readouterr().err


def test_a_removal_needs_a_yes(machine: Callable[..., NoMachine], capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can be asked, nothing ends; --dry-run asks nothing; data stay."""
    there = machine(NEW + "installed=0.1.0-a\nsupervisor=9\n")
    assert main(["host", "remove", ADDRESS]) == 2
    assert main(["host", "remove", ADDRESS, "--dry-run"]) == 0
    assert there.ran == []
    assert "/var/lib/lading stays" in capsys.readouterr().out
    assert main(["host", "remove", ADDRESS, "--yes", "--json"]) == 0
    assert any("agent stop --everything" in script for script in there.ran)
    assert not any("rm -rf /var/lib/lading" in script for script in there.ran)


def test_an_upgrade_needs_a_host(machine: Callable[..., NoMachine], capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that has no Lading of ours is told how to become a host."""
    machine()
    assert main(["host", "upgrade", ADDRESS]) == 1
    assert "lading host add" in capsys.readouterr().err


def test_a_sick_host_ends_with_status_1(machine: Callable[..., NoMachine], capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding stands with its remedy, which names the machine."""
    machine()
    assert main(["host", "doctor", ADDRESS]) == 1
    assert f"lading host add {ADDRESS}" in capsys.readouterr().out


def test_the_list_tells_who_is_not_reached(
    machine: Callable[..., NoMachine], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a host there is a next step; a host that does not answer is listed, with status 7."""
    machine()
    assert main(["host", "list"]) == 0
    assert "lading host add" in capsys.readouterr().out
    remember("ssh://deploy@stage")
    assert main(["host", "list"]) == 7
    out = capsys.readouterr().out
    assert "ssh://deploy@stage" in out
    assert "not reached" in out
