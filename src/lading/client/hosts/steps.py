"""The steps that make a machine a host: each knows whether it is needed, and can be said before it is done."""

import hashlib
import shlex
from typing import NamedTuple

from lading.client.hosts.engine import engine_steps
from lading.client.hosts.look import GROUP, HOME, PLACE, ROUTER, UNIT, Facts, differences, is_newer
from lading.client.hosts.router import foreign, guard_step, router_step
from lading.client.hosts.step import Step, no_way

RUN = f"""#!/bin/sh
# Starts the agent of the Lading that is installed now.
exec "$(readlink -f {PLACE}/current)/bin/python" -m lading.agent --home {HOME}
"""

SUPERVISE = f"""#!/bin/sh
# Keeps the agent running where no service manager does. SIGTERM ends this, not the agent.
trap 'exit 0' TERM
echo $$ >/run/lading-supervise.pid
while :; do
    {PLACE}/run &
    wait $!
    sleep 1 &
    wait $!
done
"""

# KillMode: instances outlive the agent, so that it can be restarted while they serve. It starts the router by its own
# units, after it has moved one to them that runs, so nothing here may.
SERVICE = f"""[Unit]
Description=Lading's agent
Documentation=man:systemd.service(5)
After=network-online.target docker.service {ROUTER}.service
Wants=network-online.target

[Service]
ExecStart={PLACE}/run
Restart=always
RestartSec=1
KillMode=process
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
"""

SETTINGS = f"""# Made by lading host add; yours to change. What else may stand here: docs/agent.md
group = "{GROUP}"

[router]
http_port = 80
https_port = 443
"""

PACKAGES = "python3 python3-venv"


class Wanted(NamedTuple):
    """What a host is to have: a build of Lading, a user with a key who may ask its agent, and a container engine.

    ``build`` is version and digest; ``account`` is empty when no user is wanted, ``key`` is a line of authorized_keys.
    """

    build: str
    account: str = ""
    key: str = ""
    offline: bool = False
    docker: bool = True

    @property
    def place(self) -> str:
        """The directory of the build on the host."""
        return f"{PLACE}/{self.build}"


def steps(facts: Facts, wanted: Wanted) -> list[Step]:
    """Return the steps from what a host has to what is wanted; raise ``host-failed`` when there is no way."""
    _require(facts, wanted)
    return [
        _python(facts),
        *(engine_steps(facts) if wanted.docker else ()),
        _lading(facts, wanted),
        *_people(facts, wanted),
        _settings(facts),
        *_services(facts, wanted),
    ]


def upgrade_steps(facts: Facts, wanted: Wanted) -> list[Step]:
    """Return the steps that bring a host's Lading to another build; raise ``host-failed`` where there is none."""
    _require(facts, wanted)
    if not facts.has("installed"):
        raise no_way("no Lading that host add has made is there", "lading host add ssh://root@HOST")
    return [_python(facts), _lading(facts, wanted), *_services(facts, wanted)]


def _services(facts: Facts, wanted: Wanted) -> list[Step]:
    """Return the steps of what runs: the guard last, as it may know more than an older agent."""
    service, agent = _service(facts), _agent(facts, wanted)
    if not facts.has("systemd"):
        return [service, agent]
    return [service, router_step(facts), agent, guard_step(facts, wanted.place)]


def _python(facts: Facts) -> Step:
    if facts.has("venv"):
        return Step("python", f"{facts.get('python')} is {facts.get('python_minor')} and makes environments")
    if not facts.has("apt"):
        raise no_way(
            "it has no Python 3.11 or newer that makes virtual environments, and no apt-get",
            "install Python 3.11 or newer with its venv module there; then the same command again",
        )
    script = f"""
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {PACKAGES} >/dev/null
    for name in $PYTHONS; do
        "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exit 0
    done
    echo "its packages bring no Python 3.11 or newer: Debian 12, Ubuntu 24.04 and later do" >&2
    exit 1
    """
    return Step("python", f"install {PACKAGES}", script)


def _lading(facts: Facts, wanted: Wanted) -> Step:
    if facts.get("installed") == wanted.build:
        return Step("lading", f"{wanted.build} is installed")
    before = facts.get("installed")
    index = f"--no-index --find-links {PLACE}/arrived" if wanted.offline else ""
    script = f"""
    umask 022
    place={wanted.place}
    if [ ! -e "$place/lading-build" ]; then
        rm -rf "$place"
        python=""
        for name in $PYTHONS; do
            "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
            python=$name
            break
        done
        "$python" -m venv "$place"
        "$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-input {index} \\
            --constraint {PLACE}/arrived/constraints.txt {PLACE}/arrived/lading-*.whl
        echo {wanted.build} >"$place/lading-build"
    fi
    rm -rf {PLACE}/arrived
    before=$(readlink {PLACE}/current || true)
    ln -sfn "$place" {PLACE}/current.new
    mv -T {PLACE}/current.new {PLACE}/current
    [ -e /usr/local/bin/lading ] || ln -s {PLACE}/current/bin/lading /usr/local/bin/lading
    for old in {PLACE}/*/; do
        old=${{old%/}}
        case $old in "$place" | "$before" | {PLACE}/current) continue ;; esac
        # The router and its holder run from where they were started.
        grep -qsF "$old/" /proc/[0-9]*/cmdline || rm -rf "$old"
    done
    """
    what = f"{before} → {wanted.build}" if before else f"install {wanted.build}"
    return Step("lading", f"{what} in {wanted.place}", script)


def _people(facts: Facts, wanted: Wanted) -> list[Step]:
    group = Step("group", f"{GROUP} is there")
    if not facts.has("group"):
        group = Step("group", f"make {GROUP}", f"groupadd --system {GROUP}\necho group:{GROUP} >>{PLACE}/made")
    if not wanted.account:
        return [group]
    return [group, *_user(facts, wanted)]


def _user(facts: Facts, wanted: Wanted) -> list[Step]:
    name = shlex.quote(wanted.account)
    user = Step("user", f"{wanted.account} is there")
    if not facts.has("account"):
        # A locked account (!) is refused by sshd even with the right key; * only says that no password opens it.
        make = f"useradd --create-home --shell /bin/sh {name}\nusermod -p '*' {name}\n"
        user = Step("user", f"make {wanted.account}, without a password", f"{make}echo user:{name} >>{PLACE}/made")
    member = Step("member", f"{wanted.account} is in {GROUP}, which may ask the agent")
    if wanted.account not in facts.get("members").split(","):
        member = Step(
            "member", f"put {wanted.account} into {GROUP}, which may ask the agent", f"usermod -aG {GROUP} {name}"
        )
    if facts.has("key"):
        return [user, member, Step("key", f"{wanted.account} takes the key")]
    script = f"""
    home=$(getent passwd {name} | cut -d: -f6)
    mine=$(id -g {name})
    install -d -m 700 -o {name} -g "$mine" "$home/.ssh"
    file=$home/.ssh/authorized_keys
    touch "$file"
    chown {name}:"$mine" "$file"
    chmod 600 "$file"
    printf '%s\\n' {shlex.quote(wanted.key)} >>"$file"
    """
    words = wanted.key.split()
    return [
        user,
        member,
        Step("key", f"let {words[-1] if len(words) > 2 else 'your key'} in as {wanted.account}", script),
    ]


def _settings(facts: Facts) -> Step:
    file = f"{HOME}/agent.toml"
    if facts.has("settings_group"):
        return Step("settings", f"{file} is there")
    if facts.has("settings"):
        return Step("settings", f"add group to {file}", f"sed -i '1i group = \"{GROUP}\"' {file}")
    text = SETTINGS
    what = f"write {file}: group {GROUP}, ports 80 and 443 for host names"
    if taken := foreign(facts):
        text = SETTINGS.partition("\n[router]")[0] + "\n"
        what = f"write {file}: group {GROUP}; {' and '.join(taken)}, so none for host names"
    script = f"mkdir -p {HOME}\nchmod 711 {HOME}\ncat >{file} <<'END'\n{text}END\necho settings:{file} >>{PLACE}/made"
    return Step("settings", what, script)


def _service(facts: Facts) -> Step:
    files = f"cat >{PLACE}/run <<'END'\n{RUN}END\nchmod 755 {PLACE}/run\n"
    same = facts.get("run") == _digest(RUN)
    if facts.has("systemd"):
        if facts.get("unit_enabled") == "enabled" and same and facts.get("unit") == _digest(SERVICE):
            return Step("service", f"{UNIT} is enabled")
        files += f"cat >/etc/systemd/system/{UNIT} <<'END'\n{SERVICE}END\n"
        return Step("service", f"make and enable {UNIT}", f"{files}systemctl daemon-reload\nsystemctl enable -q {UNIT}")
    if facts.has("supervisor") and same:
        return Step("service", "no systemd here; the agent's supervisor runs")
    files += f"cat >{PLACE}/supervise <<'END'\n{SUPERVISE}END\nchmod 755 {PLACE}/supervise"
    return Step("service", f"no systemd here: write {PLACE}/supervise, which a reboot must start", files)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _agent(facts: Facts, wanted: Wanted) -> Step:
    runs = facts.has("agent_pid") and facts.get("agent_from").startswith(f"{wanted.place}/")
    kept = facts.get("unit_enabled") == "enabled" if facts.has("systemd") else facts.has("supervisor")
    if runs and kept and facts.has("settings_group"):
        return Step("agent", f"runs from {wanted.place}")
    stop = "pid=$(sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p' " + f"{HOME}/agent.json 2>/dev/null || true)\n"
    stop += """if [ -n "$pid" ] && grep -qs lading.agent "/proc/$pid/cmdline"; then
        kill "$pid"
        for _ in $(seq 200); do [ -e "/proc/$pid/stat" ] && ! grep -q ') Z' "/proc/$pid/stat" || break; sleep 0.05; done
    fi
    """
    if facts.has("systemd"):
        start = f"systemctl start {UNIT}" if kept else f"{stop}systemctl start {UNIT}"
        start = f"systemctl restart {UNIT}" if kept else start
    elif kept:
        start = stop  # its supervisor starts the next one
    else:
        start = f"{stop}setsid {PLACE}/supervise </dev/null >>{HOME}/supervise.log 2>&1 &"
    what = "start it" if not facts.has("agent_pid") else "start it anew; what it serves goes on serving"
    return Step("agent", what, start)


def _require(facts: Facts, wanted: Wanted) -> None:
    if facts.get("uid") != "0":
        raise no_way("that user is not root there", "name a user who is: ssh://root@HOST")
    if is_newer(facts.get("installed"), wanted.build):
        # An older agent could not read what the newer one has written.
        there, here = (build.partition("-")[0] for build in (facts.get("installed"), wanted.build))
        raise no_way(
            f"it has Lading {there}, which is newer than this one ({here})",
            f"bring this one to that version first: pip install --upgrade 'lading>={there}'",
        )
    other = differences(facts) if wanted.offline and facts.has("python") else []
    if other:
        raise no_way(f"what is installed here does not run there: {'; '.join(other)}", "leave --carry out")
