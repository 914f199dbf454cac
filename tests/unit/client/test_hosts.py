"""What makes a machine a host: steps from what was seen, findings with remedies, wheels of what is installed."""

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from lading.client.address import SshHost, parse_host
from lading.client.hosts import wheel
from lading.client.hosts.engine import MERGE, engine_steps
from lading.client.hosts.engine import SUPERVISE as SUPERVISE_DOCKER
from lading.client.hosts.findings import findings
from lading.client.hosts.keys import key_of, middle_of
from lading.client.hosts.known import forget, known, remember
from lading.client.hosts.look import LOOK, Facts, ahead, differences, pythons
from lading.client.hosts.removal import removal_steps
from lading.client.hosts.router import LISTEN, RUN_TEXT, SERVICE_TEXT, socket_text
from lading.client.hosts.setup import cargo
from lading.client.hosts.step import Step
from lading.client.hosts.steps import RUN, SERVICE, SUPERVISE, Wanted, steps, upgrade_steps
from lading.model.errors import LadingError

BUILD = "0.1.0-0123456789ab"
ADDRESS = "ssh://root@stage.example.org"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 somebody@laptop"
WANTED = Wanted(BUILD, "deploy", KEY)
NEW = {"uid": "0", "system": "Linux x86_64", "apt": "yes", "python": "/usr/bin/python3", "python_minor": "3.11"}
READY = {
    **NEW,
    "venv": "yes",
    "installed": BUILD,
    "group": "yes",
    "account": "yes",
    "members": "ann,deploy",
    "key": "yes",
    "settings": "yes",
    "settings_group": "yes",
    "systemd": "yes",
    "unit": hashlib.sha256(SERVICE.encode()).hexdigest(),
    "router_listen": " ".join(LISTEN),
    "router_socket": hashlib.sha256(socket_text(LISTEN).encode()).hexdigest(),
    "router_service": hashlib.sha256(SERVICE_TEXT.encode()).hexdigest(),
    "router_run": hashlib.sha256(RUN_TEXT.encode()).hexdigest(),
    "router_mark": "lading-router",
    "router_from": f"/opt/lading/{BUILD}/bin/python",
    **{f"router_{kind}_enabled": "enabled" for kind in ("socket", "service")},
    **{f"router_{kind}_state": "active" for kind in ("socket", "service")},
    "run": hashlib.sha256(RUN.encode()).hexdigest(),
    "unit_enabled": "enabled",
    "agent_pid": "77",
    "agent_from": f"/opt/lading/{BUILD}/bin/python",
    "dockerd": "/usr/sbin/dockerd",
    "docker_enabled": "enabled",
    "engine": "20.10.24",
    "engine_restore": "yes",
    "engine_swarm": "inactive",
    "engine_root": "/var/lib/docker",
    "engine_disk": str(40 << 20),
    "disk_opt": str(40 << 20),
    "sshd": "allowstreamlocalforwarding yes;",
}


def facts(values: dict[str, str], ahead: float = 0.0, **other: str) -> Facts:
    return Facts({**values, **other}, ahead)


def needed(plan: list[Step]) -> list[str]:
    return [step.name for step in plan if step.needed]


def test_a_new_machine_needs_every_step() -> None:
    """In this order: each step may rely on those before it."""
    plan = steps(facts(NEW), WANTED)
    assert needed(plan) == [
        "python",
        "docker",
        "engine",
        "lading",
        "group",
        "user",
        "member",
        "key",
        "settings",
        "service",
        "agent",
    ]
    assert "apt-get install" in plan[0].script
    assert "docker.io" in plan[1].script


def test_systemd_gets_units_for_the_router_before_the_agent_starts() -> None:
    """The agent finds them and starts the router by them; without a free port for host names there is no socket."""
    plan = {step.name: step for step in steps(facts(NEW, systemd="yes"), WANTED)}
    assert list(plan)[-4:] == ["service", "router", "agent", "guard"]
    assert not plan["guard"].needed
    script = plan["router"].script
    assert "ListenStream=0.0.0.0:80\nListenStream=0.0.0.0:443\n" in script
    assert script.index("daemon-reload") < script.index("/var/lib/lading/router/service")
    (taken,) = (step for step in steps(facts(NEW, systemd="yes", port_80="nginx"), WANTED) if step.name == "router")
    assert "ListenStream" not in taken.script
    broken = {name: value for name, value in READY.items() if name != "router_listen"}
    with pytest.raises(LadingError, match=r"agent\.toml"):
        steps(facts(broken), WANTED)


def test_ports_that_change_are_given_up_before_they_are_held_anew() -> None:
    """systemd starts no socket under a service that runs; any other change leaves what serves alone."""
    for other, stops in (({"router_listen": "0.0.0.0:8080"}, True), ({"router_run": "older"}, False)):
        (step,) = (step for step in steps(facts(READY, **other), WANTED) if step.name == "router")
        assert ("systemctl stop" in step.script) == stops
        assert ("away for a moment" in step.text) == stops


def test_who_wants_no_containers_gets_no_docker() -> None:
    """An engine is neither installed nor touched."""
    assert not {"docker", "engine"} & {step.name for step in steps(facts(NEW), WANTED._replace(docker=False))}


def test_a_host_that_is_ready_needs_none() -> None:
    """The same command again does nothing, and says of everything why."""
    plan = steps(facts(READY), WANTED)
    assert needed(plan) == []
    assert all(step.text for step in plan)


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ({"installed": "0.0.9-aaaaaaaaaaaa"}, ["lading"]),
        ({"agent_from": "/opt/lading/0.0.9-aaaaaaaaaaaa/bin/python"}, ["agent"]),
        ({"agent_pid": ""}, ["agent"]),
        ({"members": "deployer"}, ["member"]),
        ({"key": ""}, ["key"]),
        ({"dockerd": "", "engine": "", "engine_restore": ""}, ["docker", "engine"]),
        ({"dockerd": ""}, []),
        ({"engine": "", "engine_restore": ""}, ["engine"]),
        ({"engine_restore": "no"}, ["engine"]),
        ({"engine_restore": "no", "engine_swarm": "active"}, []),
        ({"docker_enabled": "disabled"}, ["engine"]),
        ({"settings_group": ""}, ["settings", "agent"]),
        ({"unit_enabled": ""}, ["service", "agent"]),
        ({"unit": "that of an older version"}, ["service"]),
        ({"run": "that of an older version"}, ["service"]),
        ({"router_service": "that of an older version"}, ["router", "guard"]),
        ({"router_run": "that of an older version"}, ["router", "guard"]),
        ({"router_mark": ""}, ["router", "guard"]),
        ({"router_from": "/opt/lading/0.0.9-aaaaaaaaaaaa/bin/python"}, ["guard"]),
        ({"router_from": "", "router_service_state": "failed"}, []),
        ({"router_socket_enabled": "disabled"}, ["router"]),
        ({"router_listen": "0.0.0.0:8080"}, ["router"]),
        ({"router_listen": ""}, ["router"]),
        ({"systemd": "", "unit_enabled": ""}, ["service", "agent"]),
        ({"systemd": "", "unit_enabled": "", "supervisor": "9"}, []),
    ],
)
def test_what_is_missing_is_done_and_nothing_else(other: dict[str, str], names: list[str]) -> None:
    """Each thing that a look does not find brings its own step."""
    assert needed(steps(facts(READY, **other), WANTED)) == names


def test_without_a_way_nothing_is_begun() -> None:
    """Who is not root, has no Python and no packages, or another platform for what is carried, is told at once."""
    for values, wanted in (
        ({**READY, "uid": "1000"}, WANTED),
        ({**READY, "dockerd": "", "engine": "", "apt": ""}, WANTED),
        ({**NEW, "apt": ""}, WANTED),
        ({**READY, "python_minor": "2.7"}, WANTED._replace(offline=True)),
    ):
        with pytest.raises(LadingError) as refused:
            steps(facts(values), wanted)
        assert refused.value.code == "host-failed"
        assert refused.value.hint
    with pytest.raises(LadingError, match="host add"):
        upgrade_steps(facts(NEW), WANTED)


@pytest.mark.parametrize("there", ["0.2.0-aaaaaaaaaaaa", "1.0.0-aaaaaaaaaaaa", "0.10.0-aaaaaaaaaaaa"])
def test_a_newer_host_is_not_brought_back(there: str) -> None:
    """An older agent could not read what the newer one wrote; who has the older one is told to bring that on."""
    for plan in (steps, upgrade_steps):
        with pytest.raises(LadingError) as refused:
            plan(facts(READY, installed=there), WANTED)
        assert "newer than this one (0.1.0)" in refused.value.happened
        assert "pip install --upgrade" in refused.value.hint
    (found,) = (one for one in findings(facts(READY, installed=there), BUILD, ADDRESS) if one.subject == "lading")
    assert (found.code, "host upgrade" in found.remedy) == ("agent-version", False)


def test_an_upgrade_touches_neither_users_nor_settings() -> None:
    """It brings Lading to the client's version and starts the agent from it."""
    before = "/opt/lading/0.0.9-a/bin/python"
    plan = upgrade_steps(facts(READY, installed="0.0.9-a", agent_from=before, members="", key=""), WANTED)
    assert [step.name for step in plan] == ["python", "lading", "service", "router", "agent", "guard"]
    assert needed(plan) == ["lading", "agent"]
    assert "systemctl restart" in plan[-2].script


@pytest.mark.parametrize("port", [80, 443])
def test_a_port_of_somebody_else_is_left_to_them(port: int) -> None:
    """Where port 80 or 443 is taken, the settings that are written name none, since the agent needs both."""
    taken = {f"port_{port}": "nginx"}
    (settings,) = (step for step in steps(facts(NEW, **taken), WANTED) if step.name == "settings")
    assert "_port" not in settings.script
    assert f"port {port} belongs to nginx, so none for host names" in settings.text
    (settings,) = (step for step in steps(facts(NEW), WANTED) if step.name == "settings")
    assert "https_port = 443" in settings.script
    assert "ports 80 and 443 for host names" in settings.text


def test_removing_takes_what_was_made_and_no_data() -> None:
    """Users, groups and data that Lading did not make, or was not told to remove, stay."""
    plan = {step.name: step for step in removal_steps(facts(READY, made="group:lading user:deploy"), data=False)}
    assert list(plan) == ["service", "serving", "router", "user", "group", "engine", "data", "lading"]
    assert not plan["data"].needed
    assert "/var/lib/lading" not in plan["lading"].script
    kept = {step.name: step for step in removal_steps(facts(READY, made=""), data=True)}
    assert "user" not in kept
    assert not kept["group"].needed
    assert "rm -rf /var/lib/lading" in kept["data"].script


def test_settings_of_an_engine_are_merged(tmp_path: Path) -> None:
    """One key is added and every other one kept; what cannot be read is left as it is."""
    file = tmp_path / "docker" / "daemon.json"
    program = MERGE.replace("/etc/docker/daemon.json", str(file))

    def merge() -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert merge().returncode == 0
    assert json.loads(file.read_text()) == {"live-restore": True}
    file.write_text('{"data-root": "/srv/docker", "live-restore": false}')
    assert merge().returncode == 0
    assert json.loads(file.read_text()) == {"data-root": "/srv/docker", "live-restore": True}
    at = file.stat().st_ino
    assert merge().returncode == 0
    assert file.stat().st_ino == at
    for text in ("{", "[]"):
        file.write_text(text)
        told = merge()
        assert (told.returncode, file.read_text()) == (1, text)
        assert "mend it" in told.stderr


@pytest.mark.parametrize(
    ("other", "said", "unsaid"),
    [
        ({}, "systemctl reload docker.service", "setsid"),
        ({"systemd": ""}, "setsid /opt/lading/supervise-docker", "systemctl"),
        ({"systemd": "", "engine": "20.10"}, "kill -HUP", "systemctl"),
    ],
)
def test_an_engine_that_runs_takes_live_restore_over(other: dict[str, str], said: str, unsaid: str) -> None:
    """It is started where it does not run, told where it does, and restarted nowhere."""
    plan = engine_steps(facts({**READY, "engine": "", "engine_restore": ""}, **other))
    assert said in plan[1].script
    assert unsaid not in plan[1].script
    assert "restart docker" not in plan[1].script


@pytest.mark.parametrize("values", [NEW, READY, {**READY, "systemd": "", "unit": "", "supervisor": "9"}])
def test_scripts_are_plain_sh(values: dict[str, str]) -> None:
    """A machine may have no other shell than sh, which reads every script to its end."""
    plans = [*steps(facts(values), WANTED), *removal_steps(facts(values, made="user:deploy"), data=True)]
    for script in (LOOK, SUPERVISE, SUPERVISE_DOCKER, *(step.script for step in plans)):
        done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stderr}"


def test_a_key_with_quotes_stays_a_word() -> None:
    """What stands in a key is never read as a command."""
    wanted = WANTED._replace(key="ssh-ed25519 AAAA it's $(reboot)")
    (step,) = (step for step in steps(facts(READY, key=""), wanted) if step.name == "key")
    assert shlex.quote(wanted.key) in step.script


def test_the_service_leaves_what_is_served_alone(tmp_path: Path) -> None:
    """Stopping the unit ends the agent and not its instances; systemd finds nothing wrong with it."""
    assert "KillMode=process" in SERVICE
    assert "KillMode=process" in SERVICE_TEXT
    assert not [word for word in ("ProtectKernelTunables", "ProtectControlGroups") if f"{word}=" in SERVICE_TEXT]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name, text in {
        "lading-agent.service": SERVICE,
        "lading-router.service": SERVICE_TEXT,
        "lading-router.socket": socket_text(LISTEN),
    }.items():
        unit = tmp_path / name
        unit.write_text(text.replace("/opt/lading/run-router", "/bin/true").replace("/opt/lading/run", "/bin/true"))
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, tmp_path.iterdir())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "lading-" in line] == []


def test_a_look_at_this_machine_finds_what_is_here() -> None:
    """The script runs in sh and tells of Python, disk, memory and the clock."""
    head = f"PYTHONS={shlex.quote(sys.executable)}\nPLACE=/nowhere\nHOME_OF_AGENT=/nowhere\nGROUP=no-such\nUNIT=no\n"
    done = subprocess.run(
        ["sh", "-s"], input=f"{head}ACCOUNT=\nKEY=\n{LOOK}", text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    values = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    found = Facts(values, 0.0)
    assert found.get("python_minor") == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found.number("disk_opt") > 0
    assert abs(float(found.get("clock")) - time.time()) < 60
    assert not found.has("installed")
    assert differences(found) == []
    assert "/usr/bin/python3" in pythons()


@pytest.mark.parametrize(
    ("listening", "owner"),
    [("nginx", "nginx"), ("systemd", "lading-router.socket"), ("python", "lading-router.socket")],
)
def test_a_port_belongs_to_who_has_it(listening: str, owner: str, tmp_path: Path) -> None:
    """A socket unit that failed is listed as one that listens, and must not hide who took its port."""
    answers = {
        "ss": f"""echo 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("{listening}",pid=9,fd=6))'""",
        "systemctl": """[ "$1" != list-sockets ] || echo '0.0.0.0:80 lading-router.socket lading-router.service'""",
    }
    for name, script in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    head = f"PATH={tmp_path}:$PATH\nPYTHONS=\nPLACE=/nowhere\nHOME_OF_AGENT=/nowhere\nGROUP=no-such\nUNIT=no\n"
    script = f"{head}ROUTER=lading-router\nACCOUNT=\nKEY=\n{LOOK}"
    done = subprocess.run(["sh", "-s"], input=script, text=True, capture_output=True, check=True)
    assert f"port_80={owner}" in done.stdout.splitlines()


@pytest.mark.parametrize(("there", "seconds"), [("5.5", 0.0), ("9.0", 3.0), ("1.0", -4.0), ("", 0.0)])
def test_a_clock_is_judged_by_what_is_certain(there: str, seconds: float) -> None:
    """It was read somewhere between asking and hearing: only what lies outside is wrong."""
    assert ahead(there, 5.0, 6.0) == seconds


def test_a_good_host_has_no_findings() -> None:
    """Everything is looked at, and everything is well."""
    found = findings(facts(READY), BUILD, ADDRESS)
    assert {one.level for one in found} == {"ok"}
    assert {
        "python",
        "lading",
        "agent",
        "service",
        "users",
        "engine",
        "images",
        "programs",
        "clock",
        "port 80",
        "sshd",
    } <= {one.subject for one in found}


@pytest.mark.parametrize(
    ("other", "subject", "code"),
    [
        ({"venv": ""}, "python", "tool-missing"),
        ({"installed": ""}, "lading", "host-bare"),
        ({"installed": "0.0.9-a"}, "lading", "agent-version"),
        ({"agent_pid": ""}, "agent", "agent-down"),
        ({"unit_enabled": "disabled"}, "service", "service-off"),
        ({"systemd": "", "supervisor": "9"}, "service", "service-until-boot"),
        ({"systemd": ""}, "service", "service-off"),
        ({"router_service": ""}, "router", "router-unit"),
        ({"router_socket_enabled": "disabled"}, "router", "router-unit"),
        ({"router_service_state": "failed"}, "router", "router-unit"),
        ({"router_listen": "127.0.0.1:80"}, "router", "router-unit"),
        ({"members": ""}, "users", "nobody-deploys"),
        ({"engine": "", "dockerd": ""}, "engine", "engine-none"),
        ({"engine": "", "engine_silent": "no such socket"}, "engine", "engine-none"),
        ({"engine_restore": "no"}, "engine", "engine-stops-all"),
        ({"engine_restore": "no", "engine_swarm": "active"}, "engine", "engine-swarm"),
        ({"engine": "19.03.8"}, "engine", "engine-old"),
        ({"engine_disk": "1000"}, "images", "engine-disk-full"),
        ({"engine_disk": str(1 << 20)}, "images", "disk-low"),
        ({"disk_opt": "1000"}, "programs", "disk-low"),
        ({"synchronized": "no"}, "clock", "clock-free"),
        ({"port_80": "nginx"}, "port 80", "port-foreign"),
        ({"sshd": "disableforwarding yes;"}, "sshd", "sshd-forwarding"),
        ({"sshd": "passwordauthentication yes;"}, "passwords", "sshd-passwords"),
        ({"ufw": "Status: active;;To Action From;22/tcp ALLOW"}, "firewall", "firewall"),
        ({"nft": "1"}, "firewall", "firewall"),
    ],
)
def test_each_finding_has_its_remedy(other: dict[str, str], subject: str, code: str) -> None:
    """What is not well says what to do, with the address that was given."""
    (found,) = (one for one in findings(facts(READY, **other), BUILD, ADDRESS) if one.level != "ok")
    assert (found.subject, found.code) == (subject, code)
    assert found.remedy
    assert "ssh://root@HOST" not in found.remedy
    assert "{" not in found.remedy


@pytest.mark.parametrize(("seconds", "level"), [(1.0, "ok"), (-8.0, "warning"), (90.0, "warning")])
def test_a_wrong_clock_is_found(seconds: float, level: str) -> None:
    """Times in bills are judged: a clock that is far off refuses good ones."""
    (found,) = (one for one in findings(facts(READY, seconds), BUILD, ADDRESS) if one.subject == "clock")
    assert found.level == level


def test_a_key_is_told_by_its_middle(tmp_path: Path) -> None:
    """Options and comments do not make it another key; a private key is not taken."""
    assert middle_of(KEY) == middle_of(f'from="192.0.2.0/24" {KEY}') == "AAAAC3NzaC1lZDI1NTE5"
    file = tmp_path / "key.pub"
    file.write_text(f"{KEY}\n")
    assert key_of(file) == KEY
    for text in ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "", "hello there\n", f"{KEY}\n{KEY}\n"):
        file.write_text(text)
        with pytest.raises(LadingError, match="public key"):
            key_of(file)


def test_hosts_are_remembered_once_and_forgotten_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was removed is not listed, whoever logs in there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert known() == []
    for address in ("ssh://deploy@stage", "ssh://deploy@stage", "ssh://ann@stage", "ssh://deploy@stage:2222"):
        remember(address)
    assert known() == ["ssh://deploy@stage", "ssh://ann@stage", "ssh://deploy@stage:2222"]
    forget(parse_host("ssh://root@stage"))
    assert known() == ["ssh://deploy@stage:2222"]
    forget(SshHost("stage", None, 2222))
    assert known() == []


def test_a_wheel_of_oneself_is_whole_and_always_the_same() -> None:
    """It holds every module and the command, and its name changes with its content only."""
    name, data = wheel.own_wheel()
    assert name.startswith("lading-")
    assert name.endswith("-py3-none-any.whl")
    assert wheel.own_wheel() == (name, data)
    names = zipfile.ZipFile(BytesIO(data)).namelist()
    assert "lading/client/hosts/wheel.py" in names
    assert not [one for one in names if one.endswith(".pyc")]
    info = name.removesuffix("-py3-none-any.whl") + ".dist-info"
    assert {f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD", f"{info}/entry_points.txt"} <= set(names)
    assert cargo().build == cargo().build


def test_what_an_extra_brings_is_needed_where_the_extra_is_asked_for() -> None:
    """``psycopg[binary]`` needs its binary part; extras that nobody asks for bring nothing."""
    assert {"psycopg", "psycopg-binary"} <= set(wheel.requirements())
    assert "psycopg-binary" not in wheel.requirements("psycopg")
    assert "httptools" not in wheel.requirements("uvicorn")


def test_wheels_of_what_is_installed_install_again(tmp_path: Path) -> None:
    """A wheel that was made of an installed distribution has its tags, and gives the same files again."""
    needs = wheel.requirements()
    assert "click" in needs
    assert "msgspec" in needs
    assert "pytest" not in needs
    for needed_name in ("click", "msgspec"):
        name, data = wheel.wheel_of(needed_name)
        (tmp_path / name).write_bytes(data)
    target = tmp_path / "target"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(target)]
    wheels = [str(path) for path in tmp_path.glob("*.whl")]
    done = subprocess.run([*command, *wheels], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check = "import msgspec, click; print(msgspec.__file__, msgspec.json.decode(b'1'))"
    said = subprocess.run([sys.executable, "-c", check], cwd=target, capture_output=True, text=True, check=True).stdout
    assert said.startswith(str(target))
