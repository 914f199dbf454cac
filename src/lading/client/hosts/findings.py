"""What may be wrong with a host, each with its remedy: rules over what a look found."""

from collections.abc import Iterator
from typing import NamedTuple

from lading.client.hosts.look import GROUP, HOME, Facts

GOOD, WARNING, BAD = "good", "warning", "bad"

LEAST_DISK = 1 << 20  # KiB below which releases soon have no room
LITTLE_DISK = 5 << 20  # KiB below which it is worth a look
LEAST_INODES = 10_000
LEAST_MEMORY = 256 << 10  # KiB
CLOCK_WARNING = 2.0  # seconds that clocks may differ before times in bills look odd
CLOCK_LIMIT = 60.0  # seconds from which on statements are judged wrongly


class Finding(NamedTuple):
    """One thing that was looked at: how it is, in words, and what to do where it is not good."""

    name: str
    grade: str
    text: str
    remedy: str = ""


def findings(facts: Facts, build: str) -> list[Finding]:
    """Return what was found on a host, for a client of a build; the order is that of an installation."""
    return [
        _python(facts),
        _lading(facts, build),
        *_agent(facts),
        *_disk(facts),
        _memory(facts),
        _clock(facts),
        *_ports(facts),
        *_sshd(facts),
        *_firewall(facts),
    ]


def _python(facts: Facts) -> Finding:
    if facts.has("venv"):
        return Finding("python", GOOD, f"{facts.get('python')}, {facts.get('python_minor')}")
    return Finding("python", BAD, "no Python 3.11 or newer with venv", "apt-get install python3 python3-venv")


def _lading(facts: Facts, build: str) -> Finding:
    installed = facts.get("installed")
    if not installed:
        return Finding("lading", BAD, "not installed by host add", "lading host add ssh://root@HOST")
    if installed != build:
        return Finding("lading", WARNING, f"{installed}; here it is {build}", "lading host upgrade ssh://root@HOST")
    return Finding("lading", GOOD, f"{installed}, as here")


def _agent(facts: Facts) -> Iterator[Finding]:
    if not facts.has("agent_pid"):
        yield Finding("agent", BAD, "does not run; what it served goes on serving", "lading host add ssh://root@HOST")
    else:
        yield Finding("agent", GOOD, f"runs, pid {facts.get('agent_pid')}")
    if facts.has("systemd"):
        kept = facts.get("unit_enabled") == "enabled"
        text = "systemd starts it" if kept else "systemd does not start it after a reboot"
        yield Finding("service", GOOD if kept else BAD, text, "" if kept else "lading host add ssh://root@HOST")
    elif facts.has("supervisor"):
        yield Finding(
            "service",
            WARNING,
            "no systemd: a supervisor keeps it running, until the machine is started again",
            "have whatever starts the machine run /opt/lading/supervise",
        )
    else:
        yield Finding("service", BAD, "nothing starts it again when it ends", "lading host add ssh://root@HOST")
    if not facts.get("members"):
        yield Finding(
            "users", WARNING, f"nobody but root is in {GROUP}", "lading host add ssh://root@HOST --user deploy"
        )
    else:
        yield Finding("users", GOOD, f"{facts.get('members')} may ask the agent")


def _disk(facts: Facts) -> Iterator[Finding]:
    free = facts.number("disk")
    text = f"{free / (1 << 20):.1f} GB free for {HOME}"
    remedy = f"see what fills it: du -xh {HOME} | sort -h | tail"
    if free < LITTLE_DISK:
        yield Finding("disk", BAD if free < LEAST_DISK else WARNING, text, remedy)
    else:
        yield Finding("disk", GOOD, text)
    if facts.has("inodes") and facts.number("inodes") < LEAST_INODES:
        yield Finding(
            "inodes", BAD, f"{facts.get('inodes')} files more fit", remedy.replace("du -xh", "du --inodes -x")
        )


def _memory(facts: Facts) -> Finding:
    free = facts.number("memory")
    text = f"{free / 1024:,.0f} MB available"
    if free < LEAST_MEMORY:
        return Finding("memory", WARNING, text, "see what takes it: ps aux --sort -rss | head")
    return Finding("memory", GOOD, text)


def _clock(facts: Facts) -> Finding:
    ahead = abs(facts.ahead)
    remedy = "have it set by the network: timedatectl set-ntp true"
    if ahead >= CLOCK_WARNING:
        side = "ahead of" if facts.ahead > 0 else "behind"
        return Finding(
            "clock", BAD if ahead >= CLOCK_LIMIT else WARNING, f"{ahead:.0f} s {side} this machine's", remedy
        )
    if facts.get("synchronized") == "no":
        return Finding("clock", WARNING, "right now, but not set by the network", remedy)
    return Finding("clock", GOOD, "as this machine's")


def _ports(facts: Facts) -> Iterator[Finding]:
    for port in (80, 443):
        owner = facts.get(f"port_{port}")
        if owner and owner not in ("traefik", "python3", "python"):
            yield Finding(
                f"port {port}",
                WARNING,
                f"belongs to {owner}",
                f"end {owner} there, or choose another port: http_port in {HOME}/agent.toml",
            )
        else:
            yield Finding(f"port {port}", GOOD, "the router's" if owner else "free")


def _sshd(facts: Facts) -> Iterator[Finding]:
    said = facts.get("sshd").split(";")
    if "allowstreamlocalforwarding no" in said or "disableforwarding yes" in said:
        yield Finding(
            "sshd",
            WARNING,
            "leads to no sockets, so a slower way is taken",
            "AllowStreamLocalForwarding local in sshd_config",
        )
    elif facts.has("sshd"):
        yield Finding("sshd", GOOD, "leads to the agent's socket")
    if "passwordauthentication yes" in said:
        yield Finding("passwords", WARNING, "sshd takes passwords", "PasswordAuthentication no in sshd_config")


def _firewall(facts: Facts) -> Iterator[Finding]:
    ufw = facts.get("ufw")
    if "Status: active" in ufw and not any(word in ufw for word in (";80", "Nginx", "WWW", "Anywhere on")):
        yield Finding("firewall", WARNING, "ufw is active and does not name port 80", "ufw allow 80,443/tcp")
    elif facts.number("nft"):
        yield Finding(
            "firewall", WARNING, "nftables drops what it does not name", "see that 80 and 443 pass: nft list ruleset"
        )
