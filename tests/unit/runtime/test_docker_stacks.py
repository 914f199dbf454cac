"""What a compose file may ask for, and how it is fitted into its environment: judged without an engine."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from lading.ports.stacks import StackSpec
from lading.runtime.docker.stacks import plugin
from lading.runtime.docker.stacks.file import Fitted, Fitting, fit

FILES = "/var/lib/lading/stacks/shop/stage/side"
PROJECT = "lading-ab12-shop-stage-side-stack"
IMAGE = "example/web:1.2"


def fitted(read: dict[str, Any], **wanted: Any) -> Fitted:
    spec = StackSpec(project="shop", environment="stage", name="side", compose="compose.yml", **wanted)
    labels = {"dev.lading.agent": "ab12"}
    return fit(read, Fitting(spec=spec, project=PROJECT, files=FILES, network="lading-ab12-shop-stage", labels=labels))


def service(**keys: Any) -> dict[str, Any]:
    return {"services": {"web": {"image": IMAGE, "networks": {"default": None}, **keys}}}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"privileged": True}, "web.privileged"),
        ({"network_mode": "host"}, "web.network_mode"),
        ({"pid": "host"}, "web.pid"),
        ({"ipc": "host"}, "web.ipc"),
        ({"userns_mode": "host"}, "web.userns_mode"),
        ({"cap_add": ["NET_ADMIN"]}, "web.cap_add"),
        ({"devices": ["/dev/sda"]}, "web.devices"),
        ({"security_opt": ["apparmor:unconfined"]}, "web.security_opt"),
        ({"security_opt": ["no-new-privileges:false"]}, "web.security_opt"),
        ({"build": {"context": "."}}, "web.build"),
        ({"provider": {"type": "sh"}}, "web.provider"),
        ({"post_start": [{"command": "id", "privileged": True}]}, "web.post_start"),
        ({"use_api_socket": True}, "web.use_api_socket"),
        ({"volumes_from": ["container:other"]}, "web.volumes_from"),
        ({"external_links": ["other"]}, "web.external_links"),
        ({"something_new": 1}, "web.something_new"),
        ({"image": None}, "web.image  is missing"),
        ({"image": "postgres"}, "has no fixed tag"),
        ({"image": "registry.example:5000/postgres"}, "has no fixed tag"),
        ({"image": "postgres:latest"}, "has no fixed tag"),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}, "docker.sock lies outside"),
        ({"volumes": [{"type": "bind", "source": f"{FILES}/../other", "target": "/s"}]}, "lies outside"),
        ({"volumes": [{"type": "bind", "source": f"{FILES}-2", "target": "/s"}]}, "lies outside"),
        ({"volumes": [{"type": "npipe", "source": "x", "target": "/s"}]}, "npipe mounts"),
    ],
)
def test_what_reaches_the_host_is_refused(keys: dict[str, Any], said: str) -> None:
    """Rights, names spaces, devices and files of the host, programs of the plugin, images that change by themselves."""
    assert any(said in line for line in fitted(service(**keys)).refused)


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"volumes": {"data": {"name": "lading-other_data"}}}, "volumes.data"),
        ({"volumes": {"data": {"name": f"{PROJECT}_data", "external": True}}}, "volumes.data"),
        ({"volumes": {"data": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}}, "volumes.data"),
        ({"networks": {"n": {"name": "lading-other"}}}, "networks.n"),
        ({"networks": {"n": {"driver": "macvlan"}}}, "networks.n"),
        ({"secrets": {"s": {"file": "/etc/shadow"}}}, "secrets.s"),
        ({"configs": {"c": {"external": True}}}, "configs.c"),
    ],
)
def test_what_may_be_somebody_elses_is_refused(beside: dict[str, Any], said: str) -> None:
    """Volumes and networks by names of their own, disks by a driver's options, files from elsewhere."""
    assert any(said in line for line in fitted({**service(), **beside}).refused)


def test_everything_wrong_is_said_at_once() -> None:
    """Each place stands on a line of its own; names of the manifest that the file does not have as well."""
    refused = fitted(service(privileged=True, image="x"), aliases={"side": "app"}, publish=("api",)).refused
    assert len(refused) == 4
    assert fitted({"services": {}}).refused == ("it has no services",)


def test_an_ordinary_file_is_taken() -> None:
    """What compose files of this kind say is not refused."""
    read = service(
        command=["serve"],
        environment={"A": "b"},
        healthcheck={"test": ["CMD", "true"]},
        depends_on={"db": {"condition": "service_healthy"}},
        deploy={"resources": {"limits": {"memory": "1g"}}},
        restart="always",
        entrypoint=None,
        privileged=False,
        volumes=[
            {"type": "volume", "source": "data", "target": "/data"},
            {"type": "bind", "source": f"{FILES}/conf", "target": "/conf", "read_only": True},
        ],
    )
    read |= {"volumes": {"data": {"name": f"{PROJECT}_data"}}, "networks": {"default": {"name": f"{PROJECT}_default"}}}
    found = fitted(read)
    assert found.refused == ()
    assert found.tree["services"]["web"]["restart"] == "always"
    assert found.tree["volumes"]["data"]["labels"] == {"dev.lading.agent": "ab12"}


def test_ports_are_taken_out_unless_the_manifest_keeps_them() -> None:
    """What is not published is told; what stays is on loopback, unless the file says where."""
    ports = [{"target": 3000, "published": "3000"}, {"target": 4000, "published": "4000", "host_ip": "0.0.0.0"}]
    closed = fitted(service(ports=ports))
    assert "ports" not in closed.tree["services"]["web"]
    assert closed.notes == ('web: port 3000, 4000 is not published; publish = ["web"] would publish it',)
    opened = fitted(service(ports=ports), publish=("web",))
    assert [port["host_ip"] for port in opened.tree["services"]["web"]["ports"]] == ["127.0.0.1", "0.0.0.0"]
    assert opened.notes == ()


def test_it_is_fitted_into_its_environment() -> None:
    """Aliased services are in the environment's network too; labels of ours cannot be made up, nor names be fixed."""
    read = service(labels={"dev.lading.kind": "instance", "own": "1"}, container_name="web", env_file=["/etc/x"])
    read["services"]["db"] = {"image": "postgres@sha256:abc", "networks": {"default": None}}
    tree = fitted(read, aliases={"traces": "web", "ui": "web"}).tree
    web, db = tree["services"]["web"], tree["services"]["db"]
    assert web["networks"] == {"default": None, "lading-environment": {"aliases": ["traces", "ui"]}}
    assert tree["networks"]["lading-environment"] == {"name": "lading-ab12-shop-stage", "external": True}
    assert db["networks"] == {"default": None}
    assert web["labels"] == {"own": "1", "dev.lading.agent": "ab12", "dev.lading.aliases": "traces,ui"}
    assert (web["security_opt"], db["restart"]) == (["no-new-privileges:true"], "unless-stopped")
    assert not {"container_name", "env_file"} & set(web)
    assert tree["name"] == PROJECT


def test_a_plugin_that_hangs_is_ended_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a refusal would have no reason but a number."""
    program = tmp_path / "docker-compose"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(plugin.Plugin, "_find", lambda _: str(program))
    monkeypatch.setattr(plugin, "ASKED", 0.1)
    told = plugin.Plugin("/nowhere").read("p", tmp_path, "compose.yaml", {}, os.getuid())
    assert told.status == -signal.SIGKILL
    assert plugin.last_words(told, {}) == ("it was ended, as it had not come to an end in 0.1 s",)
