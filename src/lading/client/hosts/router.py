"""The router's own units on a host with systemd: its ports outlive it, and it outlives the agent."""

import hashlib

from lading.client.hosts.look import HOME, PLACE, ROUTER, Facts
from lading.client.hosts.step import Step, no_way

SOCKET = f"{ROUTER}.socket"
SERVICE = f"{ROUTER}.service"
RUN = f"{PLACE}/run-router"
DIRECTORY = f"{HOME}/router"
UNITS = "/etc/systemd/system"
LISTEN = ("0.0.0.0:80", "0.0.0.0:443")  # what the settings say that are written where there are none
MARK = "service"  # the file by which the agent knows that systemd keeps its router
OURS = (SOCKET, "traefik", "python3", "python")

# Without site packages it is smaller and starts sooner.
RUN_TEXT = f"""#!/bin/sh
# Starts what holds the router's ports, from the Lading that is installed now.
place=$(readlink -f {PLACE}/current)
for packages in "$place"/lib/python3*/site-packages; do
    PYTHONPATH=$packages
done
export PYTHONPATH
exec "$place/bin/python" -S -s -m lading.router.serviced {DIRECTORY} {SERVICE}
"""

# KillMode: what ends the holder leaves the router alone, and the next holder finds it; it ends it when it is stopped.
# Capabilities: the guard binds ports that the settings name later, and keeps visitors waiting by a filter, which recent
# kernels let nobody else set. The router itself and the maintenance page lay both down.
# NonBlocking: systemd would make the sockets block again at every start, those of the router that serves on as well,
# which then takes one visitor more after it was told to end.
# ReadOnlyPaths, not ProtectKernelTunables and ProtectControlGroups, which mount a /proc of their own: in a machine
# that is a container, that one names another boot than the agent sees.
# No start limit, no trigger limit: a port that is given up is an outage that nobody mends.
SERVICE_TEXT = f"""[Unit]
Description=Lading's router
Documentation=man:systemd.service(5)
After=network-online.target {SOCKET}
Wants=network-online.target {SOCKET}
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={RUN}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=200ms
KillMode=process
TimeoutStartSec=60s
TimeoutStopSec=60s
FileDescriptorStoreMax=1024
NonBlocking=yes
LimitNOFILE=1048576
OOMScoreAdjust=-500
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_ADMIN
ProtectSystem=strict
ReadOnlyPaths=/proc/sys -/proc/sysrq-trigger /sys
ReadWritePaths={DIRECTORY}
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service pidfd_getfd

[Install]
WantedBy=multi-user.target
"""


def socket_text(listen: tuple[str, ...]) -> str:
    """Return the unit that holds these addresses (``HOST:PORT``)."""
    lines = "\n".join(f"ListenStream={address}" for address in listen)
    return f"""[Unit]
Description=The ports of Lading's router
Documentation=man:systemd.socket(5)

[Socket]
{lines}
Backlog=4096
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""


def listens(facts: Facts) -> tuple[str, ...]:
    """Return where the router of a host is to listen for host names, by the settings that it has or is to get.

    Raise ``host-failed`` when they cannot be read.
    """
    if "router_listen" in facts.values:
        return tuple(facts.get("router_listen").split())
    if facts.has("settings") and facts.has("python"):
        what = f"{HOME}/agent.toml cannot be read as the agent's settings"
        raise no_way(what, "mend what stands there (docs/agent.md), or remove it; then the same command again")
    return () if foreign(facts) else LISTEN


def foreign(facts: Facts) -> list[str]:
    """Say which of the ports for host names belong to another program."""
    owners = {port: facts.get(f"port_{port}") for port in (80, 443)}
    return [f"port {port} belongs to {owner}" for port, owner in owners.items() if owner not in ("", "traefik", SOCKET)]


def router_step(facts: Facts) -> Step:
    """Return the step that gives the router its units, on a host with systemd."""
    listen = listens(facts)
    socket = socket_text(listen) if listen else ""
    same = facts.get("router_socket") == (digest(socket) if socket else "")
    if same and _enabled(facts, "service") and (not socket or _enabled(facts, "socket")) and _is_written(facts):
        what = f"{SOCKET} and {SERVICE} are enabled" if socket else f"{SERVICE} is enabled; no port for host names"
        return Step("router", what)
    ports = " and ".join(address.rpartition(":")[2] for address in listen)
    what = f"make and enable {SOCKET}, which holds {ports}, and {SERVICE}" if socket else f"make and enable {SERVICE}"
    moved = facts.has("router_socket") and not same
    return Step(
        "router",
        f"{what}; its ports change, so it is away for a moment" if moved else what,
        _script(socket, moved=moved),
    )


def guard_step(facts: Facts, place: str) -> Step:
    """Return the step that lets the service go on from this installation and as its unit is now, after the agent's."""
    if facts.get("router_service_state") != "active":
        return Step("guard", "the agent starts the router by its units")
    if facts.get("router_from").startswith(f"{place}/") and _is_written(facts):
        return Step("guard", f"the router's guard runs from {place}")
    return Step("guard", "start the router's guard anew; the router serves on", f"systemctl restart {SERVICE}")


def _enabled(facts: Facts, kind: str) -> bool:
    return facts.get(f"router_{kind}_enabled") == "enabled"


def _is_written(facts: Facts) -> bool:
    """Tell whether the service's files are as they should be."""
    files = facts.get("router_service") == digest(SERVICE_TEXT) and facts.get("router_run") == digest(RUN_TEXT)
    return files and facts.get("router_mark") == ROUTER


def _script(socket: str, *, moved: bool) -> str:
    """Return what writes and enables the units; the agent starts them, and moves a router to them that runs."""
    wanted = f"{SOCKET} {SERVICE}" if socket else SERVICE
    lines = [f"cat >{RUN} <<'END'\n{RUN_TEXT}END\nchmod 755 {RUN}"]
    if socket:
        lines.append(f"cat >{UNITS}/{SOCKET} <<'END'\n{socket}END")
    else:
        lines.append(f"systemctl disable -q --now {SOCKET} 2>/dev/null || true\nrm -f {UNITS}/{SOCKET}")
    lines.append(f"cat >{UNITS}/{SERVICE} <<'END'\n{SERVICE_TEXT}END")
    lines.append(f"systemctl daemon-reload\nsystemctl enable -q {wanted}")
    if moved and socket:
        lines.append(f"systemctl stop {SERVICE} {SOCKET}\nsystemctl start {SOCKET} {SERVICE}")
    lines.append(f"mkdir -p -m 700 {DIRECTORY}\necho {ROUTER} >{DIRECTORY}/{MARK}")
    return "\n".join(lines)


def removed_router(facts: Facts) -> Step:
    """Return the step that takes the router's units away, after everything that is served has ended."""
    if not facts.has("router_service"):
        return Step("router", "it has no units")
    script = f"""
    rm -f {DIRECTORY}/{MARK}
    systemctl disable -q --now {SOCKET} {SERVICE} 2>/dev/null || true
    rm -f {UNITS}/{SOCKET} {UNITS}/{SERVICE}
    systemctl daemon-reload
    systemctl reset-failed {SOCKET} {SERVICE} 2>/dev/null || true
    """
    return Step("router", f"stop and remove {SOCKET} and {SERVICE}", script)


def digest(text: str) -> str:
    """Return what a look says of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()
