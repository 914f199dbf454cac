"""What a container is asked for, without an engine."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.manifest import Volume
from lading.model.secret import Secret
from lading.model.value import Resources
from lading.runtime.docker import frames, launch, names, states
from lading.runtime.docker.networks import Network, Subnet
from lading.runtime.docker.places import Mount, Places
from tests.specs import instance

PLACES = Places(lambda project, environment: Path("/data") / project / environment, lambda diff_id: Path("/"))
NETWORK = Network("lading-1-shop-stage", Subnet("10.217.9.0/24"))


def spec(**changes: Any) -> InstanceSpec:
    given = {"kind": "image", "layers": {"config": "sha256:1"}, "rollout": 7}
    return instance("shop-stage-r7-web-1", **{**given, **changes})


def request(made_of: InstanceSpec, *, kind: str = names.INSTANCE, env: tuple[str, ...] = (), **more: Any) -> Any:
    making = launch.Making(
        kind=kind,
        name=made_of.name,
        spec=made_of,
        image={"Config": {"Env": list(env)}},
        reference="lading-1/shop:1",
        network=NETWORK,
        mounts=PLACES.mounts(made_of),
        user="10001",
        group=70001,
        labels={},
        address="10.217.9.2",
        **more,
    )
    return launch.request(making, {"TOKEN": Secret("open-sesame")})


def variables(asked: Any) -> dict[str, str]:
    return dict(line.split("=", 1) for line in asked["Env"])


def test_the_defaults_are_safe() -> None:
    """Nothing is published, writable, privileged or without limits unless a manifest says so."""
    asked = request(spec())
    host = asked["HostConfig"]
    assert asked["User"] == "10001"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] > 0
    assert 0 < host["Memory"] == host["MemorySwap"]
    assert "noexec" in host["Tmpfs"]["/tmp"]
    assert "PortBindings" not in host
    assert asked["Healthcheck"] == {"Test": ["NONE"]}
    assert host["LogConfig"]["Config"]["max-size"]


@pytest.mark.parametrize(
    ("relaxed", "key", "value"),
    [
        ("read-only", "ReadonlyRootfs", False),
        ("capabilities", "CapDrop", []),
        ("new-privileges", "SecurityOpt", []),
        ("limits", "Memory", None),
    ],
)
def test_each_default_is_relaxed_by_its_own_line(relaxed: str, key: str, value: Any) -> None:
    """One line of ``relax`` gives up one default and no other."""
    safe, asked = request(spec())["HostConfig"], request(spec(relax=(relaxed,)))["HostConfig"]
    assert asked.get(key) == value
    others = {"ReadonlyRootfs", "CapDrop", "SecurityOpt", "Memory"} - {key}
    assert {other: asked[other] for other in others} == {other: safe[other] for other in others}


def test_limits_of_the_manifest_hold_even_where_defaults_are_relaxed() -> None:
    """What a manifest asks for is given."""
    resources = Resources(memory=64 << 20, pids=20, cpu=0.5)
    host = request(spec(resources=resources, relax=("limits",)))["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["NanoCpus"]) == (64 << 20, 20, 500_000_000)


def test_a_command_keeps_the_entry_point_and_a_run_bypasses_it() -> None:
    """A service's command follows the image's entry point; a run must not, for some ignore arguments."""
    asked = request(spec(command="uvicorn app:app --port {port}"))
    assert asked["Cmd"] == ["uvicorn", "app:app", "--port", "8000"]
    assert "Entrypoint" not in asked
    run = request(spec(command="python -m report", port=None), kind=names.RUN, args=("--all",))
    assert (run["Entrypoint"], run["Cmd"]) == (["python"], ["-m", "report", "--all"])
    assert request(spec(entrypoint="/bin/app serve"))["Entrypoint"] == ["/bin/app", "serve"]


def test_peers_find_each_other_within_their_own_release_only() -> None:
    """Names belong to the rollout's own domain, which is the one that a container looks in."""
    asked = request(spec(aliases=("backend",)))
    place = asked["NetworkingConfig"]["EndpointsConfig"][NETWORK.name]
    assert place["Aliases"] == ["web.r7", "backend.r7"]
    assert asked["HostConfig"]["DnsSearch"] == ["r7"]
    assert place["IPAMConfig"] == {"IPv4Address": "10.217.9.2"}


def test_what_the_image_says_of_its_variables_stands_unless_the_manifest_says_more() -> None:
    """Defaults give way to the image's own, and these to the manifest's; the router's address is trusted alone."""
    told = variables(request(spec(env={"LEVEL": "info"}), env=("HOME=/srv", "LEVEL=debug")))
    assert "HOME" not in told
    assert told["LEVEL"] == "info"
    assert told["TOKEN"] == "open-sesame"
    assert told["FORWARDED_ALLOW_IPS"] == "10.217.9.1"
    assert variables(request(spec()))["HOME"] == "/tmp"


def test_a_home_is_writable() -> None:
    """A home of one's own lies in memory unless a volume is there."""
    asked = request(spec(home="/home/app"))
    assert variables(asked)["HOME"] == "/home/app"
    assert "/home/app" in asked["HostConfig"]["Tmpfs"]
    kept = request(spec(home="/data/app", volumes={"data": Volume(path="/data")}))
    assert set(kept["HostConfig"]["Tmpfs"]) == {"/tmp"}


def test_volumes_and_databases_lie_where_the_program_is_told() -> None:
    """A volume is mounted at its path or one of Lading's, a database's directory where its URL says."""
    asked = request(
        spec(
            volumes={"receipts": Volume(env="RECEIPTS"), "files": Volume(path="/srv/files")},
            databases={
                "URL": "sqlite+aiosqlite:////data/shop/stage/databases/main/main.db?mode=rw",
                "FILE": "/data/shop/stage/databases/main/main.db",
                "OTHER": "postgresql://db/shop",
            },
        )
    )
    told = variables(asked)
    assert told["RECEIPTS"] == "/lading/volumes/receipts"
    assert told["URL"] == "sqlite+aiosqlite:////lading/databases/main/main.db?mode=rw"
    assert told["FILE"] == "/lading/databases/main/main.db"
    assert told["OTHER"] == "postgresql://db/shop"
    assert {(mount["Source"], mount["Target"]) for mount in asked["HostConfig"]["Mounts"]} == {
        ("/data/shop/stage/volumes/receipts", "/lading/volumes/receipts"),
        ("/data/shop/stage/volumes/files", "/srv/files"),
        ("/data/shop/stage/databases/main", "/lading/databases/main"),
    }


def test_what_cannot_be_a_variable_is_refused_without_its_value() -> None:
    """A NUL character ends the start, and the value stays unsaid."""
    with pytest.raises(LadingError) as refused:
        request(spec(env={"KEY": "half\0hidden"}))
    assert refused.value.code == "start-failed"
    assert "hidden" not in str(refused.value)


def test_output_is_read_frame_by_frame() -> None:
    """Both streams come in the engine's order; a frame that broke off ends it."""
    stream = b"".join(
        struct.pack(">B3xL", kind, len(text)) + text for kind, text in ((1, b"out\n"), (2, b"err\n"), (1, b"more"))
    )
    assert frames.text(BytesIO(stream)) == "out\nerr\nmore"
    assert frames.text(BytesIO(stream + b"\x01\x00\x00")) == "out\nerr\nmore"


def found(**state: Any) -> dict[str, Any]:
    labels = {names.NAME: "web-1", names.ATTEMPT: "3", names.ADDRESS: "10.217.9.2", names.PORT: "8000"}
    return {
        "Config": {"Labels": labels},
        "HostConfig": {"Memory": 64_000_000},
        "NetworkSettings": {"Networks": {"shop": {"IPAddress": "10.217.9.2"}}},
        "State": {
            "Running": False,
            "Pid": 0,
            "ExitCode": 0,
            "OOMKilled": False,
            "StartedAt": "2024-05-01T10:00:00.123456789Z",
            **state,
        },
    }


def test_an_end_for_want_of_memory_is_said() -> None:
    """Who was killed for exceeding its memory is told apart from who was just killed."""
    state = states.state(found(ExitCode=137, OOMKilled=True))
    assert state.exit_status == -9
    assert state.ended == "was killed for want of memory: its limit is 64 MB"
    assert states.state(found(ExitCode=137)).ended == ""
    assert states.state(found(ExitCode=3)).exit_status == 3
    assert states.state(found()).restarts == 2


def test_who_lost_its_network_does_not_count_as_running() -> None:
    """A container whose network was removed runs on, and nobody reaches it: it is to be started again."""
    cut = {**found(Running=True, Pid=7), "NetworkSettings": {"Networks": {}}}
    assert states.state(found(Running=True, Pid=7)).running
    state = states.state(cut)
    assert (state.running, state.pid, state.exit_status) == (False, 0, None)
    assert state.ended == "runs, but its network was removed"


def test_what_was_made_and_never_started_has_no_exit_status() -> None:
    """A starter that died between the two left something that never ran."""
    state = states.state(found(StartedAt="0001-01-01T00:00:00Z"))
    assert (state.running, state.exit_status, state.started) == (False, None, 0.0)


def test_addresses_of_instances_and_runs_never_meet() -> None:
    """What is given out and what the engine gives are different parts of the subnet; the host's address is neither."""
    given = set(NETWORK.for_instances)
    assert NETWORK.gateway not in given
    assert not any(Subnet(f"{address}/32").subnet_of(NETWORK.for_runs) for address in given)
    assert len(given) > 150


def test_a_mount_is_known_by_source_and_target() -> None:
    """Two variables for one database mount its directory once."""
    same = spec(databases={"A": "sqlite:////data/x/d/d.db", "B": "/data/x/d/d.db"})
    assert PLACES.mounts(same) == (Mount(Path("/data/x/d"), "/lading/databases/d"),)


def test_files_of_the_release_can_only_be_read() -> None:
    """A file lies where the manifest says, else below /lading, and its variable says where; nobody can write to it."""
    made = spec(
        layers={"config": "sha256:1", "files": "sha256:2"},
        files={"config": Volume(path="/app/config"), "etc/a.yaml": Volume(env="SETTINGS")},
        command="serve {SETTINGS}",
    )
    asked = request(made)
    mounts = {(mount["Source"], mount["Target"], mount["ReadOnly"]) for mount in asked["HostConfig"]["Mounts"]}
    assert mounts == {("/config", "/app/config", True), ("/etc/a.yaml", "/lading/files/etc/a.yaml", True)}
    assert variables(asked)["SETTINGS"] == "/lading/files/etc/a.yaml"
    assert asked["Cmd"] == ["serve", "/lading/files/etc/a.yaml"]


def test_files_that_are_not_laid_out_are_said_to_be_missing() -> None:
    """An empty directory in their place would look like a configuration that says nothing."""
    places = Places(lambda project, environment: Path("/data"), lambda diff_id: Path("/nowhere") / diff_id)
    with pytest.raises(LadingError, match="not laid out") as refused:
        places.mounts(spec(layers={"config": "1", "files": "2"}, files={"config": Volume(path="/c")}))
    assert "--again" in refused.value.hint


def test_what_is_confined_has_the_address_that_its_rules_are_for() -> None:
    """An instance and a run alike; it speaks no IPv6, sends from no other address, and is told of its proxy."""
    for kind in (names.INSTANCE, names.RUN):
        asked = request(spec(egress=("api.example:443",), peers=("web",)), kind=kind)
        (place,) = asked["NetworkingConfig"]["EndpointsConfig"].values()
        assert place["IPAMConfig"] == {"IPv4Address": "10.217.9.2"}
        assert asked["HostConfig"]["CapDrop"] == ["ALL"]
        told = variables(asked)
        assert told["HTTPS_PROXY"] == told["http_proxy"] == f"http://{told['HTTPS_PROXY'][7:-5]}:3128"
        assert "web" in told["NO_PROXY"].split(",")
    relaxed = request(spec(egress=(), relax=("capabilities",)))
    assert relaxed["HostConfig"]["CapDrop"] == ["NET_RAW"]
    assert "HTTP_PROXY" not in variables(request(spec()))
