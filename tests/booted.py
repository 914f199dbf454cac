"""Machines that boot: systemd as the first process, over a file system that outlives a reboot, reached by its sshd.

Like those of ``tests/machines.py`` they live in namespaces of their own, with control groups of their own besides; what
systemd would do to the kernel that all share (its settings, its clock, its modules) is kept from it as in a container.
"""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.machines import NEEDED, PLACES, Client, carried_out
from tests.support import until

BOOT_WITHIN = 60.0  # seconds from the first process to a system that takes visitors over ssh
REBOOT_WITHIN = 120.0  # seconds in which everything that runs must have ended
MORE_NEEDED = ("setpriv", "iptables")
SPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
GROUPS = Path("/sys/fs/cgroup")
KEPT_OUT = "-sys_time,-sys_module,-sys_rawio"  # the kernel is everybody's

# Runs as the first process of its namespaces: lays out the file system, then becomes systemd.
INIT = """
import os, subprocess, sys
name, place, base, kept_out = sys.argv[1:]
def run(*words): subprocess.run(words, check=True)
def mount(kind, what, where, options="rw"):
    os.makedirs(where, exist_ok=True)
    run("mount", "-t", kind, "-o", options, what, where)
root = place + "/root"
run("mount", "--make-rprivate", "/")
mounted = [line.split() for line in open("/proc/mounts")]
groups = [line[1:4] for line in mounted if line[2] in ("cgroup", "cgroup2") and line[1].startswith("/sys/fs/cgroup")]
for where, kind, options in groups:
    os.makedirs(f"{where}/{name}", exist_ok=True)
    if options.endswith("cpuset"):
        for file in ("cpuset.cpus", "cpuset.mems"):
            open(f"{where}/{name}/{file}", "w").write(open(f"{where}/{file}").read())
    open(f"{where}/{name}/cgroup.procs", "w").write("0")
over = f"lowerdir={base},upperdir={place}/upper,workdir={place}/work"
mount("overlay", "overlay", root, over)
mount("proc", "proc", root + "/proc")
for what, options in (("/proc/sys", "ro"), ("/proc/sysrq-trigger", "ro"), ("/proc/sys/net", "rw")):
    if not os.path.exists(what):
        continue
    run("mount", "--bind", root + what, root + what)
    if options == "ro":
        run("mount", "-o", "remount,bind,ro", root + what)
# A name of its own for every boot, by which programs tell a machine that was restarted.
open(place + "/boot_id", "w").write(open("/proc/sys/kernel/random/uuid").read())
run("mount", "--bind", place + "/boot_id", root + "/proc/sys/kernel/random/boot_id")
mount("sysfs", "sysfs", root + "/sys", "ro")
mount("tmpfs", "tmpfs", root + "/run", "mode=755")
mount("tmpfs", "tmpfs", root + "/dev", "mode=755")
for what in ("null", "zero", "full", "random", "urandom", "tty"):
    facts = os.stat("/dev/" + what)
    os.mknod(f"{root}/dev/{what}", facts.st_mode, facts.st_rdev)
    os.chmod(f"{root}/dev/{what}", 0o666)
mount("devpts", "devpts", root + "/dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5")
os.symlink("pts/ptmx", root + "/dev/ptmx")
for what, number in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
    os.symlink("/proc/self/fd" + number, f"{root}/dev/{what}")
mount("tmpfs", "tmpfs", root + "/dev/shm")
# A place for images, which no overlay can hold.
os.makedirs(root + "/var/lib/docker", exist_ok=True)
run("mount", "--bind", place + "/docker", root + "/var/lib/docker")
import json
json.dump(groups, open(place + "/groups.json", "w"))
os.execvp("unshare", ["unshare", "--cgroup", sys.executable, "-c", sys.stdin.read(), name, place, kept_out])
"""

# In control groups of its own by now, which it sees as whole ones.
THEN = """
import json, os, socket, subprocess, sys
name, place, kept_out = sys.argv[1:]
root = place + "/root"
groups = json.load(open(place + "/groups.json"))
if not any(where == "/sys/fs/cgroup" for where, _, _ in groups):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root + "/sys/fs/cgroup"], check=True)
for where, kind, options in groups:
    os.makedirs(root + where, exist_ok=True)
    own = [word for word in options.split(",") if word not in ("rw", "relatime", "nosuid", "nodev", "noexec")]
    own = [word for word in own if word not in ("nsdelegate", "memory_recursiveprot")] or ["rw"]
    words = ["-o", ",".join(("none", *own) if own[0].startswith("name=") else own)]
    subprocess.run(["mount", "-t", kind, *words, kind, root + where], check=True)
socket.sethostname(name)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
os.chroot(root)
os.chdir("/")
words = ["setpriv", "--bounding-set", kept_out, "--inh-caps", kept_out]
environ = {"container": "lading", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
os.execvpe("setpriv", [*words, "/lib/systemd/systemd", "--system"], environ)
"""

_numbers = itertools.count(1)


def missing() -> str:
    """Say why no machine can boot here, nothing when one can."""
    if os.getuid() != 0:
        return "only root can make namespaces with file systems of their own"
    absent = [name for name in (*NEEDED, *MORE_NEEDED) if shutil.which(name, path=PLACES) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


class Booted:
    """A machine with systemd over the root file system ``base``, which is not changed; it reaches what this one does.

    ``key`` is the public key that root's account takes.
    """

    def __init__(self, name: str, key: str, base: Path) -> None:
        number = next(_numbers)
        self.name = f"lading-{name}-{os.getpid()}x{number}"
        # Apart from those of tests/machines.py, which count the same way.
        network = (os.getpid() * 8 + number) % 16000
        self._network = f"10.{128 + network // 256 % 64}.{network % 256}"
        self.address = f"{self._network}.2"
        self._link = f"lb{os.getpid() % 1000000}x{number}"
        self._base = base
        self.place = Path(tempfile.mkdtemp(prefix="lading-booted-"))
        for part in ("upper", "work", "root", "docker"):
            (self.place / part).mkdir()
        self._process: subprocess.Popen[str] | None = None
        self.pid = 0
        self._lead_out("-A", "-I")
        try:
            self._prepare(key)
            self.boot()
        except BaseException:
            self.end()
            raise

    def boot(self) -> None:
        """Start the first process and wait until the system has come up."""
        words = ["unshare", *SPACES, "--fork", "--kill-child", sys.executable, "-c", INIT]
        self._process = subprocess.Popen(
            [*words, self.name, str(self.place), str(self._base), KEPT_OUT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(THEN)
        self._process.stdin.close()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until(lambda: children.exists() and children.read_text().split(), within=5)
        self.pid = int(children.read_text().split()[0])
        self._connect()
        until(lambda: Path(f"/proc/{self.pid}/comm").read_text() == "systemd\n", within=10)
        until(lambda: self.run("systemctl is-system-running", check=False).stdout.strip() == "running", BOOT_WITHIN)

    def reboot(self) -> None:
        """Let systemd end everything, as ``reboot`` does, and start the machine again."""
        assert self._process is not None
        # Called off when the machine is gone: nothing answers then.
        self.run("systemctl --no-block reboot", check=False)
        self._process.wait(REBOOT_WITHIN)
        until(self._is_off, within=10)
        self.boot()

    def run(self, command: str, *, check: bool = True, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a shell command on the machine as root, not over ssh."""
        into = ["nsenter", f"--target={self.pid}", *SPACES, "--cgroup", "--root", "--wd", "--", "sh", "-c", command]
        return carried_out(into, command, check=check, given=given)

    def host_key(self) -> str:
        """Return the line by which clients know the machine."""
        public = self.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
        return f"{self.address} {public[0]} {public[1]}\n"

    def end(self) -> None:
        """End the machine with all that runs in it and all that it had."""
        if self._process is not None:
            self._process.kill()  # its first process goes along, and everything with that
            self._process.wait()
            until(self._is_off, within=10)
        self._lead_out("-D", "-D")
        shutil.rmtree(self.place, ignore_errors=True)

    def _is_off(self) -> bool:
        """Remove the machine's control groups; False while something in them is still ending."""
        for top in GROUPS.glob(f"*/{self.name}"):
            for group in sorted((found for found in top.rglob("*") if found.is_dir()), reverse=True):
                with suppress(OSError):
                    group.rmdir()
            with suppress(OSError):
                top.rmdir()
        return not list(GROUPS.glob(f"*/{self.name}"))

    def _lead_out(self, append: str, insert: str) -> None:
        """Let the machine reach what this one does, or no longer."""

        def iptables(words: str) -> None:
            subprocess.run(["iptables", "-w", *words.split()], check=False, capture_output=True)

        iptables(f"-t nat {append} POSTROUTING -s {self._network}.0/30 ! -o {self._link} -j MASQUERADE")
        iptables(f"{insert} FORWARD -i {self._link} -j ACCEPT")
        iptables(f"{insert} FORWARD -o {self._link} -j ACCEPT")

    def _connect(self) -> None:
        def ip(words: str) -> None:
            subprocess.run(["ip", *words.split()], check=True, capture_output=True)

        until(lambda: not Path("/sys/class/net", self._link).exists(), within=10)
        ip(f"link add {self._link} type veth peer name eth0 netns {self.pid}")
        ip(f"addr add {self._network}.1/30 dev {self._link}")
        ip(f"link set {self._link} up")
        inside = ["nsenter", f"--target={self.pid}", "--net", "ip"]
        for words in (
            f"addr add {self.address}/30 dev eth0",
            "link set eth0 up",
            f"route add default via {self._network}.1",
        ):
            subprocess.run([*inside, *words.split()], check=True, capture_output=True)

    def _prepare(self, key: str) -> None:
        """Lay what is this machine's own over the base."""
        ssh = self.place / "upper" / "root" / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        (self.place / "upper" / "root").chmod(0o700)
        (ssh / "authorized_keys").write_text(key)
        etc = self.place / "upper" / "etc"
        (etc / "ssh").mkdir(parents=True)
        for file, text in {
            "resolv.conf": Path("/etc/resolv.conf").read_text(),
            "hostname": f"{self.name}\n",
            "hosts": f"127.0.0.1 localhost {self.name}\n",
        }.items():
            (etc / file).write_text(text)
        host_key = etc / "ssh" / "ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key)], check=True)


@contextmanager
def booted(client: Client, base: Path, name: str = "vm") -> Iterator[Booted]:
    """Give a booted machine that a client knows and gets into as root; it ends with the block."""
    machine = Booted(name, client.public, base)
    try:
        with client.known.open("a") as known:
            known.write(machine.host_key())
        yield machine
    finally:
        machine.end()
