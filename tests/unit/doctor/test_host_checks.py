"""What the doctor sees of a host: each thing that may be wrong is found, and what is well is not called wrong."""

import ast
import grp
import os
import resource
import shutil
import subprocess
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.doctor import clock, encryption, files, limits, memory, space, tools
from lading.doctor.finding import Finding, found
from lading.doctor.kinds import KINDS
from lading.doctor.registry import HOME, PROCESS, examine

SOURCE = Path(__file__).parents[3] / "src" / "lading"


def codes(findings: Iterator[Finding]) -> list[str]:
    return [one.code for one in findings]


def test_every_code_has_a_row_and_every_row_a_use() -> None:
    """A code without a row cannot be made, and a row that nothing finds would promise what is not looked for."""
    used = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "found":
                assert isinstance(node.args[0], ast.Constant), path
                used.add(node.args[0].value)
    assert used == set(KINDS) - {"ok"}


def test_every_finding_has_a_remedy() -> None:
    """What is wrong comes with what mends it."""
    assert [code for code, kind in KINDS.items() if kind.level != "ok" and not kind.remedy] == []
    assert found("disk-full", "disk", "0 GB").remedy


def test_a_sound_home_has_no_problem(tmp_path: Path) -> None:
    """A home as an agent makes it is well, but for what the machine itself lacks."""
    home = tmp_path / "home"
    home.mkdir(mode=0o711)
    home.chmod(0o711)
    wrong = [one for one in examine((*HOME, *PROCESS), home) if one.level == "problem"]
    assert wrong == []


Volume = namedtuple("Volume", "f_bavail f_frsize f_files f_favail")


@pytest.mark.parametrize(("free", "code"), [(10**8, "disk-full"), (10**9, "disk-low"), (10**10, "ok")])
def test_space_is_told_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: str) -> None:
    """Short and very short space are two things."""
    monkeypatch.setattr(os, "statvfs", lambda _place: Volume(free, 1, 0, 0))
    assert codes(space.disk(tmp_path / "not" / "there")) == [code]


def test_inodes_can_run_out_before_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that counts its inodes is looked at; one that makes them as it goes has none to run out of."""
    monkeypatch.setattr(os, "statvfs", lambda _place: Volume(10**10, 1, 10**6, 100))
    assert codes(space.inodes(tmp_path)) == ["inodes-low"]
    monkeypatch.setattr(os, "statvfs", lambda _place: Volume(10**10, 1, 0, 0))
    assert codes(space.inodes(tmp_path)) == []


def test_little_memory_is_told(tmp_path: Path) -> None:
    """What counts is what could still be had, not what is unused."""
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 8000000 kB\nMemFree: 10 kB\nMemAvailable: 100000 kB\n")
    assert codes(memory.free(tmp_path, info)) == ["memory-low"]
    info.write_text("MemTotal: 8000000 kB\nMemFree: 10 kB\nMemAvailable: 4000000 kB\n")
    assert codes(memory.free(tmp_path, info)) == ["ok"]
    assert codes(memory.free(tmp_path, tmp_path / "nothing")) == []


def test_a_clock_that_is_set_shows_beside_running_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time that moved by more than running time was set."""
    assert codes(clock.jumps(Path())) == ["ok"]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
    assert codes(clock.jumps(Path())) == ["clock-jumped"]


@pytest.mark.parametrize(
    ("there", "took", "code"),
    [(104.0, 0.0, "ok"), (106.0, 0.0, "clock-skew"), (106.0, 4.0, "ok"), (90.0, 1.0, "clock-skew")],
)
def test_two_clocks_may_differ_by_what_the_question_took(there: float, took: float, code: str) -> None:
    """A slow answer is no wrong clock."""
    assert codes(clock.skew(100.0, there, took)) == [code]


def test_limits_are_those_of_this_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few open files and core files are told."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 256))
    assert codes(limits.open_files(Path())) == ["files-limit"]
    assert codes(limits.core_files(Path())) == ["core-dumps"]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (0, 0))
    assert codes(limits.core_files(Path())) == ["ok"]


@pytest.mark.parametrize(("mode", "code"), [(0o711, "ok"), (0o700, "ok"), (0o755, "home-open"), (0o733, "home-open")])
def test_nobody_else_lists_or_writes_the_home(tmp_path: Path, mode: int, code: str) -> None:
    """Others may pass through, no more; the remedy names the place."""
    tmp_path.chmod(mode)
    (finding,) = files.home(tmp_path)
    assert finding.code == code
    assert code == "ok" or finding.remedy == f"chmod 711 {tmp_path}"


def test_keys_and_socket_are_for_their_owner_alone(tmp_path: Path) -> None:
    """A key that others can read is a problem, whichever it is; none is none."""
    assert codes(files.keys(tmp_path)) == []
    key = tmp_path / "secrets" / "keys" / "age.key"
    key.parent.mkdir(parents=True)
    key.touch(mode=0o600)
    assert codes(files.keys(tmp_path)) == ["ok"]
    key.chmod(0o640)
    assert codes(files.keys(tmp_path)) == ["key-open"]
    (tmp_path / "agent.sock").touch(mode=0o600)
    assert codes(files.socket(tmp_path)) == ["ok"]
    (tmp_path / "agent.sock").chmod(0o666)
    assert codes(files.socket(tmp_path)) == ["socket-open"]


def test_a_socket_may_be_open_to_the_group_of_its_settings(tmp_path: Path) -> None:
    """What agent.toml names is meant; another group, or everybody, is not."""
    group = grp.getgrgid(os.getgid()).gr_name
    (tmp_path / "agent.sock").touch()
    (tmp_path / "agent.sock").chmod(0o660)
    assert codes(files.socket(tmp_path)) == ["socket-open"]
    named = (f'group = "{group}"', "ok"), ('group = "no-such-group"', "socket-open"), ("nonsense", "socket-open")
    for text, code in named:
        (tmp_path / "agent.toml").write_text(text)
        assert codes(files.socket(tmp_path)) == [code]


def test_logs_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest file is named."""
    (tmp_path / "agent.log").write_bytes(bytes(100))
    assert codes(files.logs(tmp_path)) == ["ok"]
    monkeypatch.setattr(files, "LARGE", 10)
    (finding,) = files.logs(tmp_path)
    assert (finding.code, str(tmp_path / "agent.log") in finding.text) == ("logs-large", True)


def mounts(directory: Path, *lines: str) -> Path:
    path = directory / "mountinfo"
    path.write_text("".join(f"{number} 1 {line}\n" for number, line in enumerate(lines, 20)))
    return path


def device(sys: Path, number: str, uuid: str = "", *beneath: str) -> None:
    (sys / number / "slaves").mkdir(parents=True)
    if uuid:
        (sys / number / "dm").mkdir()
        (sys / number / "dm" / "uuid").write_text(uuid)
    for one in beneath:
        (sys / number / "slaves" / one).symlink_to(sys / one)


def test_encryption_is_seen_through_volume_groups(tmp_path: Path) -> None:
    """LUKS right below the mount or further down counts; a volume that lies on a bare disk too does not."""
    sys, home = tmp_path / "sys", tmp_path / "srv" / "lading"
    home.mkdir(parents=True)
    device(sys, "8:1")
    device(sys, "253:0", "CRYPT-LUKS2-abc", "8:1")
    device(sys, "253:1", "LVM-abc", "253:0")
    device(sys, "253:2", "LVM-def", "253:0", "8:1")
    for number, code in (("8:1", "unencrypted"), ("253:0", "ok"), ("253:1", "ok"), ("253:2", "unencrypted")):
        table = mounts(
            tmp_path,
            "8:1 / / rw - ext4 /dev/sda1 rw",
            f"{number} / {tmp_path}/srv rw,relatime shared:1 - xfs /dev/x rw",
            f"8:1 / {tmp_path}/srv-other rw - ext4 /dev/sda1 rw",
        )
        assert codes(encryption.at_rest(home, table, sys)) == [code], number


def test_a_home_in_memory_needs_no_encryption(tmp_path: Path) -> None:
    """What is gone with the power is at rest nowhere."""
    table = mounts(tmp_path, f"0:25 / {tmp_path} rw - tmpfs tmpfs rw", "8:1 / / rw - ext4 /dev/sda1 rw")
    assert codes(encryption.at_rest(tmp_path, table, tmp_path / "sys")) == ["ok"]


def test_tools_are_asked_for_their_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is missing or does not work is found; what works says its version."""
    assert codes(tools.git(Path())) + codes(tools.uv(Path())) + codes(tools.python(Path())) == ["ok"] * 3
    broken = tmp_path / "git"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _name: str(broken))
    assert codes(tools.git(Path())) == ["tool-missing"]
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert codes(tools.git(Path())) == ["tool-missing"]
    assert subprocess.run([broken], check=False).returncode == 3


def test_a_check_that_cannot_look_keeps_no_other_from_it() -> None:
    """Whatever a sick host makes of one check, the others say what they find; its error is not repeated."""

    def sick(_home: Path) -> Iterator[Finding]:
        yield found("disk-low", "disk", "1 GB")
        raise RuntimeError("canary-4711")

    findings = examine((sick, memory.free), Path())
    assert [one.code for one in findings][:2] == ["disk-low", "not-checked"]
    assert "canary" not in repr(findings)
    assert [one.subject for one in findings] == ["disk", "test host checks sick", "memory"]
