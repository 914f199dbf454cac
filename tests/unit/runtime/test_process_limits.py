"""Limits by what the machine has, and the truth about which are in force."""

import os
from pathlib import Path

import pytest

from lading.model.value import Resources
from lading.runtime.process.limits import Groups, members, remove

ALL = Resources(memory=512 << 20, cpu=0.5, pids=64)


def machine(tmp_path: Path, kind: str, own: str = "/") -> Groups:
    """Make up the files by which a machine tells its control groups; plain directories stand in for them."""
    mounts, cgroup = tmp_path / "mounts", tmp_path / "cgroup"
    lines, groups = [], []
    if kind == "v1":
        for number, name in enumerate(("memory", "cpu,cpuacct", "pids", "freezer")):
            (tmp_path / name).mkdir()
            lines.append(f"cgroup {tmp_path / name} cgroup rw,relatime,{name} 0 0")
            groups.append(f"{number}:{name}:{own}")
    elif kind == "v2":
        (tmp_path / "unified").mkdir()
        (tmp_path / "unified" / "cgroup.controllers").write_text("cpu memory pids\n")
        lines.append(f"cgroup2 {tmp_path / 'unified'} cgroup2 rw,relatime 0 0")
        groups.append(f"0::{own}")
    mounts.write_text("".join(f"{line}\n" for line in lines))
    cgroup.write_text("".join(f"{line}\n" for line in groups))
    return Groups(tmp_path / "home", cgroup=cgroup, mounts=mounts)


def test_v1_limits_are_set_and_said(tmp_path: Path) -> None:
    """With version 1 each controller's own group is joined and carries its limit."""
    applied = machine(tmp_path, "v1").prepare("web-1", ALL)
    assert applied.text == "memory 512 MB, 0.5 cpu, 64 processes by cgroup"
    assert applied.address_space is None
    pids, memory, cpu = (Path(path) for path in applied.cgroups)
    assert (memory / "memory.limit_in_bytes").read_text() == str(512 << 20)
    assert (cpu / "cpu.cfs_quota_us").read_text() == "50000"
    assert (pids / "pids.max").read_text() == "64"


def test_v1_without_limits_still_gathers_the_processes(tmp_path: Path) -> None:
    """One group is joined in any case: it finds children that left group and session."""
    applied = machine(tmp_path, "v1").prepare("web-1", Resources())
    assert applied.text == "none"
    (group,) = applied.cgroups
    assert Path(group).is_relative_to(tmp_path / "pids")


def test_groups_stay_below_the_agents_own(tmp_path: Path) -> None:
    """What limits the agent's group limits its instances too."""
    (tmp_path / "memory").mkdir()
    groups = tmp_path / "memory" / "team" / "a"
    groups.mkdir(parents=True)
    mounts, cgroup = tmp_path / "mounts", tmp_path / "cgroup"
    mounts.write_text(f"cgroup {tmp_path / 'memory'} cgroup rw,memory 0 0\n")
    cgroup.write_text("4:memory:/team/a\n")
    applied = Groups(tmp_path / "home", cgroup=cgroup, mounts=mounts).prepare("web-1", ALL)
    assert Path(applied.cgroups[0]).is_relative_to(groups)
    assert applied.text == "memory 512 MB by cgroup; 0.5 cpu, 64 processes not enforced on this machine"


def test_instances_do_not_live_in_the_agents_unit(tmp_path: Path) -> None:
    """A group of the agent's systemd unit would end with it, and its instances with the group."""
    (tmp_path / "memory" / "system.slice" / "lading.service").mkdir(parents=True)
    mounts, cgroup = tmp_path / "mounts", tmp_path / "cgroup"
    mounts.write_text(f"cgroup {tmp_path / 'memory'} cgroup rw,memory 0 0\n")
    cgroup.write_text("4:memory:/system.slice/lading.service\n")
    applied = Groups(tmp_path / "home", cgroup=cgroup, mounts=mounts).prepare("web-1", ALL)
    assert "system.slice" not in applied.cgroups[0]


def test_v2_limits_are_set_and_said(tmp_path: Path) -> None:
    """With version 2 one group carries all limits, and swap is no way around the memory's."""
    applied = machine(tmp_path, "v2").prepare("web-1", ALL)
    assert applied.text == "memory 512 MB, 0.5 cpu, 64 processes by cgroup"
    (group,) = (Path(path) for path in applied.cgroups)
    assert (group / "memory.max").read_text() == str(512 << 20)
    assert (group / "memory.swap.max").read_text() == "0"
    assert (group / "cpu.max").read_text() == "50000 100000"
    assert (group / "pids.max").read_text() == "64"
    assert (tmp_path / "unified" / "lading" / "cgroup.subtree_control").exists()


def test_without_groups_only_address_space_is_limited(tmp_path: Path) -> None:
    """Where no group can be made the limit that is left, and those that are not, are named."""
    applied = machine(tmp_path, "none").prepare("web-1", ALL)
    assert applied.text == "memory 512 MB by address space only; 0.5 cpu, 64 processes not enforced on this machine"
    assert applied.address_space == 512 << 10
    assert applied.cgroups == ()


def test_a_group_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    """Limits that the machine refuses are said, and the instance still starts."""
    groups = machine(tmp_path, "v1")
    for controller in ("memory", "cpu,cpuacct", "pids"):
        (tmp_path / controller / "lading").write_text("in the way")
    applied = groups.prepare("web-1", Resources(memory=1000))
    assert applied.text == "memory 1000 bytes by address space only"


def test_removed_groups_leave_no_folder(tmp_path: Path) -> None:
    """The last instance takes the folders with it; removing twice is quiet."""
    first, second = tmp_path / "lading" / "home" / "web-1", tmp_path / "lading" / "home" / "web-2"
    first.mkdir(parents=True)
    second.mkdir()
    remove((str(first),))
    assert second.exists()
    remove((str(second),))
    remove((str(second),))
    assert not (tmp_path / "lading").exists()
    assert members((str(second),)) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make control groups")
def test_this_machines_groups_are_found(tmp_path: Path) -> None:
    """On the machine that runs the tests, what is said and what is joined fit together."""
    applied = Groups(tmp_path).prepare("web-1", Resources(memory=256 << 20))
    assert ("by cgroup" in applied.text) == bool(applied.cgroups and applied.address_space is None)
    remove(applied.cgroups)
