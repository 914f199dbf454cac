"""A host's container engine: how it is asked without any tool of its own, and the steps that bring and keep it."""

from lading.client.hosts.look import ASK, PLACE, Facts
from lading.client.hosts.step import Step, no_way

PACKAGES = "docker.io iptables"
SETTINGS = "/etc/docker/daemon.json"
KEEPER = f"{PLACE}/supervise-docker"
KEEPER_PID = "/run/lading-docker.pid"
LOG = "/var/log/lading-docker.log"
UP_WITHIN = 40  # seconds an engine may take from its start to its first answer

# Adds one key and keeps all others; replaced whole, so that a reader finds the old file or the new one.
MERGE = f"""
import json, os, sys
file = {SETTINGS!r}
try:
    with open(file) as there:
        text = there.read()
except FileNotFoundError:
    text = ""
try:
    settings = json.loads(text) if text.strip() else {{}}
    settings.get("live-restore")
except (ValueError, AttributeError) as error:
    sys.exit(f"{{file}} holds no settings that can be read ({{error}}): mend it")
if settings.get("live-restore") is not True:
    settings["live-restore"] = True
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file + ".new", "w") as draft:
        draft.write(json.dumps(settings, indent=4) + "\\n")
    os.replace(file + ".new", file)
"""

# SIGTERM ends this, not the engine. An engine that was killed may need a second start for what its containerd left.
SUPERVISE = f"""#!/bin/sh
# Keeps the container engine running where no service manager does.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
trap 'exit 0' TERM
echo $$ >{KEEPER_PID}
ulimit -n "$(ulimit -Hn)"
while :; do
    mv -f {LOG} {LOG}.1 2>/dev/null
    dockerd >{LOG} 2>&1 </dev/null &
    wait $!
    sleep 1 &
    wait $!
done
"""


def engine_steps(facts: Facts) -> list[Step]:
    """Return the steps to a container engine that restarts without stopping containers; ``host-failed`` without a way.

    An engine that runs is never restarted: it takes the setting over while it runs.
    """
    return [_docker(facts), _engine(facts)]


def removed_engine(facts: Facts) -> Step:
    """Return the step that ends what keeps the engine; the engine is left to whoever else uses it."""
    if facts.has("docker_keeper"):
        return Step("engine", "end Docker's supervisor; Docker itself stays", f"kill {facts.get('docker_keeper')}")
    return Step("engine", "Docker stays" if facts.has("dockerd") else "there is no Docker")


def _docker(facts: Facts) -> Step:
    if facts.has("dockerd"):
        return Step("docker", f"{facts.get('dockerd')} is there")
    if facts.has("engine"):
        return Step("docker", f"an engine {facts.get('engine')} answers")
    if not facts.has("apt"):
        raise no_way(
            "it has no Docker, and no apt-get",
            "install Docker there, then the same command again; or do without containers: --no-docker",
        )
    script = f"""
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {PACKAGES} >/dev/null
    """
    return Step("docker", f"install {PACKAGES}", script)


def _engine(facts: Facts) -> Step:
    if facts.get("engine_swarm") == "active":
        return Step("engine", "it is part of a swarm, which excludes live-restore: left as it is")
    answers = f"Docker {facts.get('engine')} answers"
    enabled = not facts.has("systemd") or facts.get("docker_enabled") == "enabled"
    if facts.get("engine_restore") == "yes" and enabled:
        return Step("engine", f"{answers}, live-restore is on")
    if facts.get("engine_restore") == "yes":
        return Step("engine", "let systemd start Docker after a reboot", "systemctl enable -q docker.service")
    by = "systemd" if facts.has("systemd") else f"{KEEPER}, which a reboot must start"
    what = "set live-restore while it runs" if facts.has("engine") else f"set live-restore, kept running by {by}"
    return Step("engine", what, _merge() + _begin(facts) + _await())


def _merge() -> str:
    return f"""
    for name in $PYTHONS; do
        command -v "$name" >/dev/null || continue
        python=$name
        break
    done
    "$python" - <<'END'
{MERGE}
END
    """


def _begin(facts: Facts) -> str:
    if facts.has("systemd"):
        return """
    systemctl enable -q --now docker.service
    systemctl reload docker.service
    """
    return f"""
    cat >{KEEPER} <<'END'
{SUPERVISE}END
    chmod 755 {KEEPER}
    pid=$("$python" - <<'END' | sed -n 's/^engine_pid=//p'
{ASK}
END
    )
    if [ -n "$pid" ]; then
        kill -HUP "$pid"
    elif [ -z "{facts.get("docker_keeper")}" ]; then
        setsid {KEEPER} </dev/null >/dev/null 2>&1 &
    fi
    """


def _await() -> str:
    return f"""
    said=
    for _ in $(seq {UP_WITHIN * 5}); do
        said=$("$python" - <<'END'
{ASK}
END
        )
        case $said in *engine_restore=yes*) exit 0 ;; esac
        sleep 0.2
    done
    case $said in
    *engine=*)
        echo "Docker answers, but without live-restore: it does not read {SETTINGS};" >&2
        echo "set \\"live-restore\\": true in the file that it reads, or as its option, and restart it" >&2
        ;;
    *)
        tail -n 5 {LOG} >&2 2>/dev/null || true
        echo "Docker does not answer within {UP_WITHIN} s of its start; its log: journalctl -u docker, or {LOG}" >&2
        ;;
    esac
    exit 1
    """
