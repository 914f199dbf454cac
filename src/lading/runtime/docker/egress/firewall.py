"""The host's firewall, as far as an agent's own chains and the jumps into them go; nothing else is ever touched."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from lading.runtime.docker.egress.confined import Confined
from lading.runtime.docker.egress.rules import Chains, Direct, Jump, Ports, jumps, restore

WAIT = "10"  # seconds to wait for another program that changes rules
CALL = 30.0  # seconds a call may take
PATH = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin"


class NoFirewall(Exception):
    """Why rules cannot be set here."""


class Firewall:
    """The rules of one agent; every call may be made again."""

    def __init__(self, agent: str) -> None:
        self._chains = Chains.of(agent)

    def check(self) -> None:
        """Raise NoFirewall, saying why, where rules for containers cannot be set."""
        if os.geteuid() != 0:
            raise NoFirewall("the agent is not root, and only root sets rules of the firewall")
        if shutil.which("iptables", path=PATH) is None or shutil.which("iptables-restore", path=PATH) is None:
            raise NoFirewall("there is no iptables on this host")
        # The engine asks it first, and leaves it alone when it is restarted.
        if not _works("iptables", "-w", WAIT, "-n", "-L", "DOCKER-USER"):
            raise NoFirewall("the engine sets no rules of the firewall: it has no chain DOCKER-USER")

    def apply(self, confined: Sequence[Confined], direct: Direct, ports: Ports) -> None:
        """Put rules for exactly these containers in force."""
        _call("iptables-restore", "-w", WAIT, "--noflush", given=restore(self._chains, confined, direct, ports))
        for jump in jumps(self._chains):
            if _first(jump) != jump.rule:
                self._drop_jump(jump)
                _call("iptables", "-w", WAIT, "-t", jump.table, "-I", jump.chain, "1", *jump.rule)

    def clear(self) -> None:
        """Remove every trace."""
        for jump in jumps(self._chains):
            self._drop_jump(jump)
            for act in ("-F", "-X"):
                _works("iptables", "-w", WAIT, "-t", jump.table, act, jump.to)

    @staticmethod
    def _drop_jump(jump: Jump) -> None:
        while _works("iptables", "-w", WAIT, "-t", jump.table, "-D", jump.chain, *jump.rule):
            pass


def _first(jump: Jump) -> tuple[str, ...]:
    """Return the words of the first rule of the chain that a jump stands in."""
    listed = _call("iptables", "-w", WAIT, "-t", jump.table, "-S", jump.chain).splitlines()
    rules = [line.split()[2:] for line in listed if line.startswith("-A ")]
    return tuple(rules[0]) if rules else ()


def _works(*command: str) -> bool:
    try:
        _call(*command)
    except NoFirewall:
        return False
    return True


def _call(*command: str, given: str = "") -> str:
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=CALL,
            check=False,
            env={"PATH": PATH, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFirewall(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        raise NoFirewall(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
