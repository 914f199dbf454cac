"""What may be wrong with a host as root sees it over ssh: rules over what a look found.

What the agent itself finds (disk, memory, files, journal, instances) is asked of the agent.
"""

from collections.abc import Iterator

from lading.client.hosts.engine import KEEPER
from lading.client.hosts.look import GROUP, HOME, PLACE, ROUTER, Facts, is_newer
from lading.client.hosts.router import OURS, SERVICE, SOCKET, digest, listens, socket_text
from lading.doctor.engine import EngineSeen
from lading.doctor.engine import look as look_at_engine
from lading.doctor.finding import Finding, found, well

LEAST_DISK = 1 << 20  # KiB for installing the next version
CLOCK_APART = 5.0  # seconds that clocks may differ
ADD = "lading host add {address}"
BOOT = f"setsid {PLACE}/supervise &"
BOOT_DOCKER = f"setsid {KEEPER} & "
UPGRADE = "lading host upgrade {address}"


def findings(facts: Facts, build: str, address: str) -> tuple[Finding, ...]:
    """Return what was found on a host, for a client of a build; ``address`` is the one of its remedies."""
    own = (_python(facts), _lading(facts, build), *_agent(facts))
    rows = (*own, *_engine(facts), *_machine(facts), *_network(facts))
    return tuple(_with(row, address) for row in rows)


def _with(row: Finding, address: str) -> Finding:
    remedy = row.remedy.format(address=address) if "{address}" in row.remedy else row.remedy
    return Finding(code=row.code, level=row.level, subject=row.subject, text=row.text, remedy=remedy)


def _python(facts: Facts) -> Finding:
    if facts.has("venv"):
        return well("python", f"{facts.get('python')}, {facts.get('python_minor')}")
    return found("tool-missing", "python", "no Python 3.11 or newer that makes virtual environments", ADD)


def _lading(facts: Facts, build: str) -> Finding:
    installed = facts.get("installed")
    if not installed:
        return found("host-bare", "lading", "no Lading that host add has made is there", ADD)
    if is_newer(installed, build):
        remedy = "bring this machine's Lading to that version: pip install --upgrade lading"
        return found("agent-version", "lading", f"{installed} there, {build} here", remedy)
    if installed != build:
        return found("agent-version", "lading", f"{installed} there, {build} here", UPGRADE)
    return well("lading", f"{installed}, as here")


def _agent(facts: Facts) -> Iterator[Finding]:
    if facts.has("agent_pid"):
        yield well("agent", f"runs, pid {facts.get('agent_pid')}")
    else:
        yield found("agent-down", "agent", "it does not run", ADD)
    if facts.has("systemd") and facts.get("unit_enabled") == "enabled":
        yield well("service", "systemd keeps it running")
    elif facts.has("supervisor") and not facts.has("systemd"):
        remedy = f"have whatever starts the machine run: {BOOT_DOCKER if facts.has('docker_keeper') else ''}{BOOT}"
        yield found(
            "service-until-boot", "service", "no systemd: a supervisor keeps it running, until a reboot", remedy
        )
    else:
        yield found("service-off", "service", "nothing starts it again when it ends, or after a reboot", ADD)
    if facts.has("systemd") and facts.has("installed"):
        yield _router(facts)
    if facts.get("members"):
        yield well("users", f"{facts.get('members')} may ask the agent, by the group {GROUP}")
    else:
        yield found("nobody-deploys", "users", f"nobody but root may ask the agent: {GROUP} has no users", ADD)


def _router(facts: Facts) -> Finding:
    """Return whether systemd holds the router's ports and keeps it running."""
    kinds = ("socket", "service") if facts.get("router_listen") else ("service",)
    for kind in kinds:
        unit = SOCKET if kind == "socket" else SERVICE
        if not facts.has(f"router_{kind}"):
            return found("router-unit", "router", f"{unit} is not there", ADD)
        if facts.get(f"router_{kind}_enabled") != "enabled":
            return found("router-unit", "router", f"{unit} is not enabled: a reboot ends it", ADD)
        state = facts.get(f"router_{kind}_state")
        if state != "active":
            # The socket's service must not run while its socket comes up.
            again = f"systemctl stop {SERVICE}; systemctl start {' '.join(f'{ROUTER}.{one}' for one in kinds)}"
            return found("router-unit", "router", f"{unit} is {state}", f"{again}; its log: journalctl -u {unit}")
    if len(kinds) > 1 and facts.get("router_socket") != digest(socket_text(listens(facts))):
        return found("router-unit", "router", f"{SOCKET} does not hold what agent.toml names", ADD)
    return well(
        "router", "systemd holds its ports and keeps it running" if len(kinds) > 1 else "systemd keeps it running"
    )


def _engine(facts: Facts) -> Iterator[Finding]:
    if facts.has("engine"):
        restores, swarm = facts.get("engine_restore") == "yes", facts.get("engine_swarm") == "active"
        root, free = facts.get("engine_root"), facts.number("engine_disk") << 10
        yield from look_at_engine(EngineSeen(facts.get("engine"), restores, swarm, root, free))
    elif facts.has("dockerd"):
        # Whether that is wrong depends on what runs there, which its agent knows.
        yield found("engine-none", "engine", f"Docker does not answer: {facts.get('engine_silent')}", ADD)
    else:
        yield found("engine-none", "engine", "no Docker: bundles alone can run there", ADD)


def _machine(facts: Facts) -> Iterator[Finding]:
    free = facts.number("disk_opt")
    text = f"{free / (1 << 20):.1f} GB free for programs in /opt"
    yield well("programs", text) if free >= LEAST_DISK else found("disk-low", "programs", text)
    if abs(facts.ahead) > CLOCK_APART:
        yield found("clock-skew", "clock", f"{facts.ahead:+.0f} s from this machine's", "timedatectl set-ntp true")
    elif facts.get("synchronized") == "no":
        yield found("clock-free", "clock", "right now, but no time server sets it")
    else:
        yield well("clock", "as this machine's")


def _network(facts: Facts) -> Iterator[Finding]:
    for port in (80, 443):
        owner = facts.get(f"port_{port}")
        if owner and owner not in OURS:
            remedy = f"end {owner} there, or choose another port: http_port, https_port in {HOME}/agent.toml"
            yield found("port-foreign", f"port {port}", f"belongs to {owner}", remedy)
        else:
            yield well(f"port {port}", "the router's" if owner else "free")
    yield from _sshd(facts)
    ufw = facts.get("ufw")
    if "Status: active" in ufw and not any(word in ufw for word in (";80", "Nginx", "WWW")):
        yield found("firewall", "firewall", "ufw is active and does not name port 80", "ufw allow 80,443/tcp")
    elif facts.number("nft"):
        yield found("firewall", "firewall", "nftables drops what no rule names")


def _sshd(facts: Facts) -> Iterator[Finding]:
    said = facts.get("sshd").split(";")
    if "allowstreamlocalforwarding no" in said or "disableforwarding yes" in said:
        yield found("sshd-forwarding", "sshd", "leads to no sockets")
    elif facts.has("sshd"):
        yield well("sshd", "leads to the agent's socket")
    if "passwordauthentication yes" in said:
        yield found("sshd-passwords", "passwords", "sshd takes passwords")
