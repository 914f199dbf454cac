"""Takes away from a host what Lading made there, and nothing else."""

from lading.client.hosts.engine import removed_engine
from lading.client.hosts.look import GROUP, HOME, PLACE, UNIT, Facts
from lading.client.hosts.router import removed_router
from lading.client.hosts.step import Step


def removal_steps(facts: Facts, *, data: bool) -> list[Step]:
    """Return the steps that end everything and take it away; ``data``: releases, databases, secrets, journal too."""
    made = facts.get("made").split()
    users = [word.partition(":")[2] for word in made if word.startswith("user:")]
    return [
        _service(facts),
        _serving(facts),
        *((removed_router(facts),) if facts.has("systemd") else ()),
        *(_user(name) for name in users),
        _group(made),
        removed_engine(facts),
        _data(data=data),
        _files(facts),
    ]


def _service(facts: Facts) -> Step:
    if facts.has("unit"):
        script = f"systemctl disable -q --now {UNIT} || true\nrm -f /etc/systemd/system/{UNIT}\nsystemctl daemon-reload"
        return Step("service", f"stop and remove {UNIT}", script)
    if facts.has("supervisor"):
        return Step("service", "end the agent's supervisor", f"kill {facts.get('supervisor')}")
    return Step("service", "there is none")


def _serving(facts: Facts) -> Step:
    if not facts.has("installed"):
        return Step("serving", "no Lading of ours is there to serve anything")
    # The agent is asked to, as it alone knows what it serves; a dead one is started for that.
    script = f"LADING_HOME={HOME} {PLACE}/current/bin/lading agent stop --everything"
    return Step("serving", "stop every instance and the router", script)


def _files(facts: Facts) -> Step:
    if not facts.has("installed"):
        return Step("lading", f"{PLACE} is not there")
    script = f"""
    case $(readlink /usr/local/bin/lading || true) in {PLACE}/*) rm -f /usr/local/bin/lading ;; esac
    rm -rf {PLACE} /run/lading-supervise.pid
    """
    return Step("lading", f"remove {PLACE}", script)


def _user(name: str) -> Step:
    script = f"""
    for process in /proc/[0-9]*; do
        [ "$(stat -c %U "$process" 2>/dev/null)" = {name} ] && kill -9 "${{process#/proc/}}" || true
    done
    for _ in $(seq 20); do userdel {name} && exit 0; sleep 0.1; done
    exit 1
    """
    return Step("user", f"end what {name} runs and remove {name}; its directory stays", script)


def _group(made: list[str]) -> Step:
    if f"group:{GROUP}" not in made:
        return Step("group", f"{GROUP} was not made by Lading")
    return Step("group", f"remove {GROUP}", f"groupdel {GROUP}")


def _data(*, data: bool) -> Step:
    if data:
        return Step("data", f"remove {HOME}: releases, databases, secrets, journal, keys", f"rm -rf {HOME}")
    return Step("data", f"{HOME} stays: releases, databases, secrets, journal, keys")
