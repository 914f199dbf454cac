"""Limits of memory, processor and processes, by whatever means this machine has, and which that is, in words."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from lading.model.value import Resources
from lading.runtime.process.records import file_name

PERIOD = 100_000  # microseconds over which a share of a processor is measured
V1_CONTROLLERS = ("pids", "memory", "cpu")
SYSTEMD_UNITS = (".service", ".scope", ".slice")


class Applied(NamedTuple):
    """What was prepared for an instance: groups it must join, kibibytes of address space, and the words for it."""

    cgroups: tuple[str, ...] = ()
    address_space: int | None = None
    text: str = "none"


class Groups:
    """The control groups of this machine that Lading may use; none where it may not, or is not root."""

    def __init__(self, home: Path, *, cgroup: Path | None = None, mounts: Path | None = None) -> None:
        # Two agents with homes of their own must not meet in one group.
        self._folder = Path("lading") / hashlib.sha256(str(home).encode()).hexdigest()[:12]
        own = _own_groups(cgroup or Path("/proc/self/cgroup"))
        self._v1, self._v2 = _mounted(mounts or Path("/proc/self/mounts"), own)

    @property
    def folders(self) -> list[Path]:
        """Where the groups of this agent's instances lie, one folder a controller."""
        bases = [*self._v1.values(), *([self._v2] if self._v2 is not None else [])]
        return [base / self._folder for base in bases]

    def prepare(self, name: str, resources: Resources) -> Applied:
        """Make an instance's groups with its limits and return what it has to join; never raise for want of rights."""
        wanted = _wanted(resources)
        if self._v1:
            joined, held = self._prepare_v1(name, resources)
        elif self._v2 is not None:
            joined, held = self._prepare_v2(self._v2, name, resources)
        else:
            joined, held = [], set()
        by_group = [text for key, text in wanted.items() if key in held]
        rest = {key: text for key, text in wanted.items() if key not in held}
        memory = rest.pop("memory", None)
        words = []
        if by_group:
            words.append(", ".join(by_group) + " by cgroup")
        if memory is not None:
            words.append(f"{memory} by address space only")
        if rest:
            words.append(", ".join(rest.values()) + " not enforced on this machine")
        kibibytes = resources.memory // 1024 if memory is not None and resources.memory is not None else None
        return Applied(tuple(str(path) for path in joined), kibibytes, "; ".join(words) or "none")

    def _prepare_v1(self, name: str, resources: Resources) -> tuple[list[Path], set[str]]:
        joined, held = [], set()
        for controller, base in self._v1.items():
            values = _v1_values(controller, resources)
            # The first is joined without a limit too: it finds processes that left their group and session.
            if not values and controller != "pids":
                continue
            path = base / self._folder / file_name(name)
            try:
                path.mkdir(parents=True, exist_ok=True)
                for file, value in values.items():
                    (path / file).write_text(value)
            except OSError:
                continue  # said by what is left out of ``held``
            joined.append(path)
            held.add(controller)
            if controller == "memory":
                # Where swap is counted, memory pushed out to it would be no limit at all.
                with contextlib.suppress(OSError):
                    (path / "memory.memsw.limit_in_bytes").write_text(str(resources.memory))
        return joined, held

    def _prepare_v2(self, base: Path, name: str, resources: Resources) -> tuple[list[Path], set[str]]:
        path = base / self._folder / file_name(name)
        held: set[str] = set()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            return [], held
        for controller in V1_CONTROLLERS:
            try:
                for parent in (base, base / self._folder.parts[0], path.parent):
                    (parent / "cgroup.subtree_control").write_text(f"+{controller}")
                for file, value in _v2_values(controller, resources).items():
                    (path / file).write_text(value)
            except OSError:
                continue  # said by what is left out of ``held``
            held.add(controller)
        if "memory" in held and resources.memory is not None:
            with contextlib.suppress(OSError):
                (path / "memory.swap.max").write_text("0")
        return [path], held


def remove(cgroups: tuple[str, ...]) -> None:
    """Remove an instance's groups and the folders they leave empty; one that is still in use stays."""
    for cgroup in cgroups:
        path = Path(cgroup)
        for folder in (path, path.parent, path.parent.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


def members(cgroups: tuple[str, ...]) -> set[int]:
    """Return the numbers of all processes in an instance's groups."""
    found: set[int] = set()
    for cgroup in cgroups:
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (Path(cgroup) / "cgroup.procs").read_text().split())
    return found


def _wanted(resources: Resources) -> dict[str, str]:
    texts = {}
    if resources.memory is not None:
        texts["memory"] = "memory " + _size(resources.memory)
    if resources.cpu is not None:
        texts["cpu"] = f"{resources.cpu:g} cpu"
    if resources.pids is not None:
        texts["pids"] = f"{resources.pids} processes"
    return texts


def _size(size: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


def _v1_values(controller: str, resources: Resources) -> dict[str, str]:
    if controller == "memory" and resources.memory is not None:
        return {"memory.limit_in_bytes": str(resources.memory)}
    if controller == "cpu" and resources.cpu is not None:
        return {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(_quota(resources.cpu))}
    if controller == "pids" and resources.pids is not None:
        return {"pids.max": str(resources.pids)}
    return {}


def _v2_values(controller: str, resources: Resources) -> dict[str, str]:
    if controller == "memory" and resources.memory is not None:
        return {"memory.max": str(resources.memory)}
    if controller == "cpu" and resources.cpu is not None:
        return {"cpu.max": f"{_quota(resources.cpu)} {PERIOD}"}
    if controller == "pids" and resources.pids is not None:
        return {"pids.max": str(resources.pids)}
    return {}


def _quota(cpu: float) -> int:
    return max(1000, int(cpu * PERIOD))  # the kernel takes no quota below a millisecond


def _own_groups(cgroup: Path) -> dict[str, str]:
    """Return controller → this process's own group."""
    own = {}
    for line in cgroup.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    return own


def _mounted(mounts: Path, own: dict[str, str]) -> tuple[dict[str, Path], Path | None]:
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in mounts.read_text().splitlines():
        _, point, kind, options, *_ = line.split()
        if kind == "cgroup":
            for controller in set(V1_CONTROLLERS) & set(options.split(",")):
                v1[controller] = _base(Path(point), own.get(controller, "/"))
        elif kind == "cgroup2" and _has_controllers(Path(point)):
            v2 = Path(point)
    usable = {name: v1[name] for name in V1_CONTROLLERS if name in v1 and os.access(v1[name], os.W_OK)}
    return usable, v2 if v2 is not None and os.access(v2, os.W_OK) else None


def _base(point: Path, own: str) -> Path:
    # Instances stay below a group the agent itself was put in, except a unit of systemd: its end would be theirs.
    path = point / own.lstrip("/")
    return point if own.endswith(SYSTEMD_UNITS) or not path.is_dir() else path


def _has_controllers(point: Path) -> bool:
    with contextlib.suppress(OSError):
        return "memory" in (point / "cgroup.controllers").read_text().split()
    return False
