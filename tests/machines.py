"""Other machines for the tests: a file system, a network and processes of their own, reached by a real ``sshd``.

A machine is an overlay over this one's file system, in namespaces of its own: what is changed in it is seen nowhere
else, and it listens in its own network alone. Ending it takes everything in it along.
"""

import itertools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support import until

NEEDED = ("sshd", "ssh", "ssh-keygen", "ip", "unshare", "nsenter", "mount")
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
COMMAND_LIMIT = 120.0  # seconds a command on a machine may take
CONFIG = "/etc/ssh/lading_test_config"
SPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")

INIT = """
import os, signal, socket, subprocess, sys
name, place = sys.argv[1:]
def run(*words): subprocess.run(words, check=True)
run("mount", "--make-rprivate", "/")
run("mount", "-t", "tmpfs", "-o", "size=3g,mode=755", "tmpfs", place)
root = place + "/root"
for part in ("upper", "work", "root"): os.mkdir(f"{place}/{part}")
options = f"lowerdir=/,upperdir={place}/upper,workdir={place}/work"
run("mount", "-t", "overlay", "overlay", "-o", options, root)
run("mount", "-t", "proc", "proc", root + "/proc")
run("mount", "--rbind", "/dev", root + "/dev")
run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root + "/run")
# For a container engine: control groups, and a place for images, which no overlay can hold.
run("mount", "-t", "sysfs", "sysfs", root + "/sys")
run("mount", "--rbind", "/sys/fs/cgroup", root + "/sys/fs/cgroup")
os.makedirs(root + "/var/lib/docker", exist_ok=True)
os.mkdir(place + "/docker")
run("mount", "--bind", place + "/docker", root + "/var/lib/docker")
os.mkdir(root + "/run/sshd")
socket.sethostname(name)
run("ip", "link", "set", "lo", "up")
os.chroot(root)
os.chdir("/")
# Orphans are reaped at once: an engine that starts again waits for the end of what it left.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True: signal.pause()
"""

_numbers = itertools.count(1)


def missing() -> str:
    """Say why no machine can be made here, nothing when one can."""
    if os.getuid() != 0:
        return "only root can make namespaces with file systems of their own"
    absent = [name for name in NEEDED if shutil.which(name, path=PLACES) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


needs_machines = pytest.mark.skipif(bool(missing()), reason=f"machines: {missing()}")


class Machine:
    """A machine that runs ``sshd``; ``key`` is the public key that root's account takes."""

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        number = next(_numbers)
        # Two machines of two processes that run tests at once must not meet.
        network = (os.getpid() * 8 + number) % 16000
        self._network = f"10.{64 + network // 256 % 64}.{network % 256}"
        self.address = f"{self._network}.2"
        self._link = f"lv{os.getpid() % 1000000}x{number}"
        self._place = Path(tempfile.mkdtemp(prefix="lading-machine-"))
        self._process = subprocess.Popen(
            ["unshare", *SPACES, "--fork", "--kill-child", sys.executable, "-c", INIT, name, str(self._place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the machine did not come up"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self.pid = int(children[0])
        self._connect()
        self._serve(key)

    def run(self, command: str, *, check: bool = True, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a shell command on the machine as root, not over ssh."""
        return carried_out(self._words("sh", "-c", command), command, check=check, given=given)

    def write(self, path: str, text: str) -> None:
        """Write a file on the machine."""
        self.run(f"cat > {shlex.quote(path)}", given=text)

    def host_key(self) -> str:
        """Return the line by which clients know the machine."""
        public = self.run("cat /etc/ssh/lading_test_key.pub").stdout.split()
        return f"{self.address} {public[0]} {public[1]}\n"

    def add_user(self, name: str, key: str, groups: Sequence[str] = ()) -> None:
        """Make a user that gets in with a key."""
        more = f"-G {','.join(groups)}" if groups else ""
        self.run(f"useradd -m -s /bin/sh {more} {name} && usermod -p '*' {name} && mkdir -m 700 /home/{name}/.ssh")
        self.write(f"/home/{name}/.ssh/authorized_keys", key)
        self.run(f"chown -R {name}: /home/{name}/.ssh")

    def configure(self, *lines: str) -> None:
        """Start ``sshd`` anew with more lines of configuration, first ones first."""
        self.run("pkill -x -o sshd; true")
        text = "\n".join((*lines, *self._lines)) + "\n"
        self.write(CONFIG, text)
        self._start_sshd()

    def cut(self) -> None:
        """Cut every connection that stands, as a network that drops them does."""
        self.run("pkill -f '^sshd: [a-z]+@|^sshd: [a-z]+ .priv|^sshd: [a-z]+$'; true")

    def wire(self) -> int:
        """Return the bytes that have crossed the machine's cable so far, both ways, with the heads of packets."""
        place = Path("/sys/class/net", self._link, "statistics")
        return sum(int((place / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def slow(self, rate: str) -> None:
        """Let the cable carry no more than ``rate`` (such as ``400mbit``) towards the machine."""
        words = f"qdisc replace dev {self._link} root tbf rate {rate} burst 256kb latency 400ms"
        subprocess.run(["tc", *words.split()], check=True, capture_output=True)

    def end(self) -> None:
        """End the machine with all that runs in it."""
        containers = self.run("ls /var/lib/docker/containers", check=False).stdout.split()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._place, ignore_errors=True)
        for group in (found for name in containers for found in Path("/sys/fs/cgroup").glob(f"*/docker/{name}")):
            until(partial(_empty, group), within=5)

    def _words(self, *command: str) -> list[str]:
        return ["nsenter", f"--target={self.pid}", *SPACES, "--root", "--wd", "--", *command]

    def _connect(self) -> None:
        def ip(words: str) -> None:
            subprocess.run(["ip", *words.split()], check=True, capture_output=True)

        ip(f"link add {self._link} type veth peer name eth0 netns {self.pid}")
        ip(f"addr add {self._network}.1/30 dev {self._link}")
        ip(f"link set {self._link} up")
        self.run(f"ip addr add {self.address}/30 dev eth0 && ip link set eth0 up")

    def _serve(self, key: str) -> None:
        self._lines = (
            f"ListenAddress {self.address}",
            "HostKey /etc/ssh/lading_test_key",
            "PidFile /run/sshd.pid",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "MaxStartups 100",
            "MaxSessions 100",
        )
        self.run("ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/lading_test_key && mkdir -p -m 700 /root/.ssh")
        self.write("/root/.ssh/authorized_keys", key)
        self.write(CONFIG, "\n".join(self._lines) + "\n")
        self._start_sshd()

    def _start_sshd(self) -> None:
        self.run(f"until /usr/sbin/sshd -f {CONFIG} -E /run/sshd.log; do sleep 0.1; done")
        until(lambda: self.run(f"ss -Hltn 'src {self.address}' | grep -q :22", check=False).returncode == 0)


def carried_out(words: Sequence[str], command: str, *, check: bool, given: str) -> "subprocess.CompletedProcess[str]":
    """Run the words that carry out a shell command on a machine, with its own PATH and ``given`` as standard input."""
    done = subprocess.run(
        words,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_LIMIT,
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
    )
    if check and done.returncode:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _empty(group: Path) -> bool:
    """Remove a control group that a container of a machine leaves; its processes are dying."""
    try:
        group.rmdir()
    except OSError:
        return not group.exists()
    return True


class Client:
    """What a person has on their own machine: a key, known hosts, a configuration of ssh."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        self.key = place / "id_ed25519"
        self.known = place / "known_hosts"
        self.config = place / "config"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self.known.touch()
        self.config.write_text(
            f"UserKnownHostsFile {self.known}\nGlobalKnownHostsFile /dev/null\n"
            f"IdentityFile {self.key}\nIdentitiesOnly yes\n"
        )
        runtime = place / "run"
        runtime.mkdir(mode=0o700)
        self.environ = {
            "LADING_SSH": f"ssh -F {self.config}",
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(place / "config.d"),
        }

    @property
    def public(self) -> str:
        """The public key, as a line of authorized_keys."""
        return self.key.with_suffix(".pub").read_text()

    def knows(self, machine: Machine) -> None:
        """Note a machine's host key."""
        with self.known.open("a") as known:
            known.write(machine.host_key())


@contextmanager
def machines(client: Client, *names: str) -> Iterator[list[Machine]]:
    """Give machines that a client knows and gets into as root; they end with the block."""
    made: list[Machine] = []
    try:
        for name in names:
            made.append(Machine(name, client.public))
            client.knows(made[-1])
        yield made
    finally:
        for machine in made:
            machine.end()
