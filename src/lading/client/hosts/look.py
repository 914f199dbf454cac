"""What a host has: looked at in one go by a shell script, so that one trip over the network tells everything."""

import platform
import shlex
import sys
import time
from typing import NamedTuple

from lading.client.ssh.connection import Connection
from lading.client.ssh.problems import command
from lading.model.errors import LadingError
from lading.model.interface import SYSTEM_HOME

PLACE = "/opt/lading"
HOME = SYSTEM_HOME
GROUP = "lading"
UNIT = "lading-agent.service"
ROUTER = "lading-router"
LOOK_TIMEOUT = 60.0  # seconds a look may take

# Asks the engine itself, as its command line may not be installed; prints nothing where none answers.
ASK = r"""
import http.client, json, os, socket, struct
class Line(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect("/var/run/docker.sock")
line = Line("localhost")
try:
    line.request("GET", "/info")
    pid = struct.unpack("3i", line.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    said = json.loads(line.getresponse().read())
except (OSError, ValueError, http.client.HTTPException) as error:
    print(f"engine_silent={error}")
else:
    root = said["DockerRootDir"]
    print(f"engine={said['ServerVersion']}")
    print(f"engine_pid={pid}")
    print(f"engine_restore={'yes' if said.get('LiveRestoreEnabled') else 'no'}")
    print(f"engine_swarm={(said.get('Swarm') or {}).get('LocalNodeState', '')}")
    print(f"engine_root={root}")
    at = os.statvfs(root)
    print(f"engine_disk={at.f_bavail * at.f_frsize // 1024}")
"""

# Where the router is to listen for host names, by the agent's settings; prints nothing where they cannot be read.
LISTEN = r"""
import sys, tomllib
try:
    with open(sys.argv[1] + "/agent.toml", "rb") as file:
        router = tomllib.load(file).get("router", {})
    host = router.get("http_host", "0.0.0.0")
    host = f"[{host}]" if ":" in host else host
    ports = [router[name] for name in ("http_port", "https_port") if name in router]
    print("router_listen=" + " ".join(f"{host}:{port}" for port in ports))
except (OSError, ValueError, AttributeError):
    pass
"""

# Plain sh, as a new machine may have nothing else; every line it prints is NAME=VALUE.
LOOK = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
say uid "$(id -u)"
say system "$(uname -s) $(uname -m)"
say os "$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME")"
has apt-get && say apt yes
python=
for name in $PYTHONS; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    python=$(command -v "$name")
    say python "$python"
    say python_minor "$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    say libc "$("$name" -c 'import platform; print(" ".join(platform.libc_ver()))')"
    "$name" -c 'import ensurepip, venv' 2>/dev/null && say venv yes
    break
done
[ -d /run/systemd/system ] && say systemd yes
say installed "$(cat $PLACE/current/lading-build 2>/dev/null)"
getent group $GROUP >/dev/null 2>&1 && say group yes
say members "$(getent group $GROUP 2>/dev/null | cut -d: -f4)"
if [ -n "$ACCOUNT" ] && id -u "$ACCOUNT" >/dev/null 2>&1; then
    say account yes
    home=$(getent passwd "$ACCOUNT" | cut -d: -f6)
    [ -n "$KEY" ] && grep -qsF "$KEY" "$home/.ssh/authorized_keys" && say key yes
fi
[ -e $HOME_OF_AGENT/agent.toml ] && say settings yes
grep -qs '^group *=' $HOME_OF_AGENT/agent.toml && say settings_group yes
if [ -e /etc/systemd/system/$UNIT ]; then
    say unit "$(sha256sum </etc/systemd/system/$UNIT | cut -d' ' -f1)"
    say unit_enabled "$(systemctl is-enabled $UNIT 2>/dev/null)"
fi
for kind in socket service; do
    file=/etc/systemd/system/$ROUTER.$kind
    [ -e "$file" ] || continue
    say router_$kind "$(sha256sum <"$file" | cut -d' ' -f1)"
    say router_${kind}_enabled "$(systemctl is-enabled $ROUTER.$kind 2>/dev/null)"
    say router_${kind}_state "$(systemctl is-active $ROUTER.$kind 2>/dev/null)"
done
pid=$(systemctl show -p MainPID --value $ROUTER.service 2>/dev/null)
[ "${pid:-0}" != 0 ] && say router_from "$(tr '\0' '\n' <"/proc/$pid/cmdline" | head -1)"
say router_mark "$(cat $HOME_OF_AGENT/router/service 2>/dev/null)"
say router_run "$(cat $PLACE/run-router 2>/dev/null | sha256sum | cut -d' ' -f1)"
say run "$(cat $PLACE/run 2>/dev/null | sha256sum | cut -d' ' -f1)"
say made "$(cat $PLACE/made 2>/dev/null | tr '\n' ' ')"
pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' $HOME_OF_AGENT/agent.json 2>/dev/null)
if [ -n "$pid" ] && grep -qs lading.agent "/proc/$pid/cmdline"; then
    say agent_pid "$pid"
    say agent_from "$(tr '\0' '\n' <"/proc/$pid/cmdline" | head -1)"
fi
keeper=$(cat /run/lading-supervise.pid 2>/dev/null)
[ -n "$keeper" ] && grep -qs lading "/proc/$keeper/cmdline" && say supervisor "$keeper"
for place in dockerd /usr/sbin/dockerd /usr/local/sbin/dockerd; do
    has "$place" && say dockerd "$(command -v "$place")" && break
done
say docker_enabled "$(systemctl is-enabled docker.service 2>/dev/null)"
keeper=$(cat /run/lading-docker.pid 2>/dev/null)
[ -n "$keeper" ] && grep -qs supervise-docker "/proc/$keeper/cmdline" && say docker_keeper "$keeper"
[ -n "$python" ] && "$python" - <<'END'
@ASK@
END
[ -n "$python" ] && "$python" - "$HOME_OF_AGENT" <<'END'
@LISTEN@
END
say disk_opt "$(df -Pk /opt 2>/dev/null | awk 'NR==2 {print $4}')"
say clock "$(date +%s.%N)"
say synchronized "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
has ss && for port in 80 443; do
    owner=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)".*/\1/p' | head -1)
    # What systemd listens on belongs to the unit that wants it; one that failed is listed too, and has nothing.
    held=$(systemctl list-sockets --no-legend --no-pager 2>/dev/null | awk -v at=":$port\$" '$1 ~ at {print $2}')
    case $owner in "" | systemd | traefik | python*) owner=${held:-$owner} ;; esac
    say port_$port "$owner"
done
has ufw && say ufw "$(ufw status 2>/dev/null | tr '\n' ';')"
has nft && say nft "$(nft list ruleset 2>/dev/null | grep -c 'policy drop')"
sshd=$(command -v sshd || echo /usr/sbin/sshd)
asked='^(allowstreamlocalforwarding|disableforwarding|passwordauthentication) '
[ -x "$sshd" ] && say sshd "$("$sshd" -T 2>/dev/null | grep -E "$asked" | tr '\n' ';')"
exit 0
""".replace("@ASK@", ASK).replace("@LISTEN@", LISTEN)


class Facts(NamedTuple):
    """What a look found: values by name, and by how many seconds the host's clock is ahead."""

    values: dict[str, str]
    ahead: float

    def get(self, name: str) -> str:
        """Return a value, empty where there is none."""
        return self.values.get(name, "")

    def has(self, name: str) -> bool:
        """Tell whether a value is there."""
        return bool(self.values.get(name))

    def number(self, name: str) -> int:
        """Return a value as a number, 0 where it is none."""
        text = self.values.get(name, "")
        return int(text) if text.isdigit() else 0


def pythons() -> str:
    """Return interpreters to look for, best first.

    What is built here runs there when their minor version is one. The system's own come first: programs of other users
    run with it too.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    names = dict.fromkeys((f"python{own}", "python3.13", "python3.12", "python3.11", "python3.14", "python3"))
    return " ".join(f"/usr/bin/{name} /usr/local/bin/{name}" for name in names) + " python3"


def is_newer(build: str, other: str) -> bool:
    """Tell whether a build is of a newer version than another; builds of one version are not told apart."""
    there, here = (_numbers(one.partition("-")[0]) for one in (build, other))
    return there > here


def differences(facts: Facts) -> list[str]:
    """Return in words how a host differs from this machine, where what is installed here would not run there."""
    own = {
        "system": f"{platform.system()} {platform.machine()}",
        "python_minor": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    other = {name: value for name, value in own.items() if facts.get(name) != value}
    found = [f"{facts.get(name) or 'no Python'} there, {value} here" for name, value in other.items()]
    library, _, number = facts.get("libc").partition(" ")
    own_library, own_number = platform.libc_ver()
    if library != own_library or _numbers(number) < _numbers(own_number):
        found.append(f"{facts.get('libc') or 'another C library'} there, {own_library} {own_number} here")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def look(connection: Connection, account: str = "", key: str = "") -> Facts:
    """Look at a host. ``account`` and ``key`` (the middle word of a public key) are looked for too.

    Raise ``agent-unreachable`` when it cannot be reached, ``host-failed`` when it is no Linux with a shell.
    """
    named = {
        "PYTHONS": pythons(),
        "PLACE": PLACE,
        "HOME_OF_AGENT": HOME,
        "GROUP": GROUP,
        "UNIT": UNIT,
        "ROUTER": ROUTER,
        "ACCOUNT": account,
        "KEY": key,
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in named.items())
    connection.open()
    began = time.time()
    done = connection.run("sh -s", (head + LOOK).encode(), timeout=LOOK_TIMEOUT)
    ended = time.time()
    lines = [line.partition("=") for line in done.out.decode(errors="replace").splitlines()]
    values = {name: value.strip() for name, separator, value in lines if separator}
    if done.status != 0 or not values.get("system", "").startswith("Linux"):
        raise LadingError(
            "host-failed",
            doing=f"looking at {connection.host}",
            happened=done.err.strip()
            or f"it is {values.get('system', 'no system with a shell')}, and agents need Linux",
            now="nothing was changed",
            hint=f"see what it is: {command(connection.host)} uname -a",
        )
    return Facts(values, ahead(values.get("clock", ""), began, ended))


def ahead(clock: str, began: float, ended: float) -> float:
    """Return by how many seconds a clock is ahead that said ``clock`` between two times of one's own."""
    try:
        there = float(clock)
    except ValueError:
        return 0.0
    # Somewhere between the two it was read: only what is outside is known to be wrong.
    if began <= there <= ended:
        return 0.0
    return there - ended if there > ended else there - began
