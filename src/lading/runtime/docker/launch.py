"""What a container is made of: command, variables, user, mounts, limits. No engine is asked here."""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lading.model.environment import InstanceSpec
from lading.model.secret import Secret
from lading.ports.runtime.refusals import start_failed
from lading.runtime.docker import names
from lading.runtime.docker.egress.confined import PROXY_PORT
from lading.runtime.docker.networks import Network
from lading.runtime.docker.places import INSIDE, Mount, databases, file_path, volume_path

ANYWHERE = "0.0.0.0"
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
IPV6 = Path("/proc/sys/net/ipv6")  # not there on a host that has none
PIDS = 512  # processes and threads, unless the manifest gives a number
SHARE = 0.5  # of the host's memory, unless the manifest gives a limit
TEMPORARY = 256 << 20  # bytes of /tmp; they count as the container's memory
LOG_SIZE, LOG_FILES = "4m", "2"  # what the engine keeps of one container's output


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """All that one container is made from: its spec, and what was found for it on this host."""

    kind: str
    name: str
    spec: InstanceSpec
    image: dict[str, Any]
    reference: str
    network: Network
    mounts: tuple[Mount, ...]
    user: str
    group: int | None
    labels: dict[str, str]
    address: str = ""
    args: tuple[str, ...] = ()
    outputs: bool = False


def request(making: Making, secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """Return the engine's request for a container; it holds secrets in plain and is for the engine alone."""
    spec, network = making.spec, making.network.name
    place = endpoint(spec, making.address) if making.address else {}
    if making.kind == names.RUN:
        # Nobody asks a run for anything.
        place.pop("Aliases", None)
    wanted = {
        "Image": making.reference,
        "User": making.user,
        "Env": [f"{name}={value}" for name, value in _variables(making, secrets).items()],
        "StopSignal": spec.stop_signal,
        # The manifest's own checks decide; an image's would only burn time beside them.
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": making.labels,
        "HostConfig": _host(making),
        "NetworkingConfig": {"EndpointsConfig": {network: place}},
    }
    return wanted | _words(making)


def _words(making: Making) -> dict[str, list[str]]:
    """Return entry point and command. What is run to its end bypasses an entry point that may ignore its arguments."""
    spec = making.spec
    command = _split(spec, "command", spec.command)
    if making.kind == names.RUN:
        return {"Entrypoint": command[:1], "Cmd": [*command[1:], *making.args]}
    words = {"Cmd": command} if command else {}
    if spec.entrypoint is not None:
        words["Entrypoint"] = _split(spec, "entrypoint", spec.entrypoint)
    return words


def _split(spec: InstanceSpec, what: str, text: str | None) -> list[str]:
    try:
        words = shlex.split(text or "")
    except ValueError as error:
        raise start_failed(
            spec, f"its {what} cannot be split into words: {error}", hint="correct the quotes in it"
        ) from error
    given = _given_places(spec)
    if spec.port is not None:
        given |= {"port": str(spec.port), "host": ANYWHERE}
    return [PLACEHOLDER.sub(lambda found: given.get(found[1], found[0]), word) for word in words]


def _given_places(spec: InstanceSpec) -> dict[str, str]:
    """Return the variables that may stand in a command: places, which are no secret."""
    files = {name: told for name, told in databases(spec).items() if told.startswith(("sqlite", "/"))}
    return files | _places(spec)


def _places(spec: InstanceSpec) -> dict[str, str]:
    """Return the variables that tell of volumes and of the release's own files."""
    found = {volume.env: volume_path(spec, name) for name, volume in spec.volumes.items() if volume.env}
    return found | {told.env: file_path(spec, path) for path, told in spec.files.items() if told.env}


def _variables(making: Making, secrets: Mapping[str, Secret]) -> dict[str, str]:
    spec = making.spec
    own = [line.partition("=")[0] for line in making.image["Config"].get("Env") or ()]
    values = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"}
    values = {name: value for name, value in values.items() if name not in own}
    if spec.home is not None:
        values["HOME"] = spec.home
    values |= _ways_out(making)
    values |= spec.env
    values |= databases(spec)
    values |= _places(spec)
    values |= {name: secret.reveal() for name, secret in secrets.items()}
    if spec.port is not None:
        port = str(spec.port)
        values |= {"PORT": port, "HOST": ANYWHERE, "UVICORN_PORT": port, "UVICORN_HOST": ANYWHERE}
        values["FORWARDED_ALLOW_IPS"] = making.network.gateway
    values["LADING_INSTANCE"] = making.name
    if making.outputs:
        values["LADING_OUTPUTS"] = f"{INSIDE}/outputs"
    for name, value in values.items():
        if "\0" in value or "=" in name:
            raise start_failed(spec, f"{name} or its value cannot be a variable", hint=f"set {name} again")
    return values


def _ways_out(making: Making) -> dict[str, str]:
    """Return what tells a confined program of the proxy, and for whom it needs none."""
    if making.spec.egress is None:
        return {}
    network = making.network
    near = ["localhost", "127.0.0.1", f".{names.peers(making.spec)}", str(network.subnet), *making.spec.peers]
    proxy, without = f"http://{network.gateway}:{PROXY_PORT}", ",".join(near)
    told = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": without}
    return told | {name.lower(): value for name, value in told.items()}


def endpoint(spec: InstanceSpec, address: str) -> dict[str, Any]:
    """Return an instance's place in its environment's network: its address there, and the names of its service."""
    return {"Aliases": _aliases(spec), "IPAMConfig": {"IPv4Address": address}}


def _aliases(spec: InstanceSpec) -> list[str]:
    if spec.image is not None:
        return list(spec.aliases)
    # Under the release's own domain only: a candidate must not answer what the release that serves asks its services.
    return [f"{alias}.{names.peers(spec)}" for alias in (spec.service, *spec.aliases)]


def _host(making: Making) -> dict[str, Any]:
    spec, relax = making.spec, making.spec.relax
    host: dict[str, Any] = {
        "NetworkMode": making.network.name,
        "RestartPolicy": {"Name": "no"},  # the agent's supervisor starts again what should serve
        "Init": True,
        "ReadonlyRootfs": "read-only" not in relax,
        "CapDrop": [] if "capabilities" in relax else ["ALL"],
        "SecurityOpt": [] if "new-privileges" in relax else ["no-new-privileges:true"],
        "Tmpfs": _scratch(making),
        "Mounts": [_mounted(mount) for mount in making.mounts],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_SIZE, "max-file": LOG_FILES}},
        "GroupAdd": [str(making.group)] if making.group is not None else [],
        "DnsSearch": [names.peers(spec)],
        # A plain name is a peer's, so it is looked for among the release's own services first.
        "DnsOptions": ["ndots:1"],
    }
    return host | _confined(making) | _limits(spec)


def _confined(making: Making) -> dict[str, Any]:
    """Return what a confined container has besides its rules: no IPv6, no made-up senders, the gate's names."""
    if making.spec.egress is None:
        return {}
    ipv6 = ("all", "default") if IPV6.exists() else ()
    return {
        "Dns": [making.network.gateway],
        "Sysctls": {f"net.ipv6.conf.{kind}.disable_ipv6": "1" for kind in ipv6},
        "CapDrop": ["NET_RAW"] if "capabilities" in making.spec.relax else ["ALL"],
    }


def _mounted(mount: Mount) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(mount.source), "Target": mount.target, "ReadOnly": mount.read_only}


def _scratch(making: Making) -> dict[str, str]:
    """Return the places in memory that can be written to: /tmp, and a home that is no volume."""
    options = f"rw,noexec,nosuid,nodev,size={TEMPORARY},mode=1777"
    places = dict.fromkeys(("/tmp", *making.spec.scratch), options)
    home = making.spec.home
    if home and home not in ("/", "/tmp") and not any(_within(home, mount.target) for mount in making.mounts):
        places[home] = options
    return places


def _within(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")


def _limits(spec: InstanceSpec) -> dict[str, int]:
    wanted, free = spec.resources, "limits" in spec.relax
    limits: dict[str, int] = {}
    memory = wanted.memory if wanted.memory is not None else None if free else int(_memory_here() * SHARE)
    if memory is not None:
        limits |= {"Memory": memory, "MemorySwap": memory}
    pids = wanted.pids if wanted.pids is not None else None if free else PIDS
    if pids is not None:
        limits["PidsLimit"] = pids
    if wanted.cpu is not None:
        limits["NanoCpus"] = int(min(wanted.cpu, os.cpu_count() or 1) * 1e9)
    return limits


def _memory_here() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def in_words(spec: InstanceSpec, user: str) -> str:
    """Say which limits are in force."""
    limits = _limits(spec)
    said = [f"user {user or 'of the image'}"]
    for relaxed, text in (
        ("read-only", "read-only"),
        ("capabilities", "no capabilities"),
        ("new-privileges", "no new privileges"),
    ):
        said += [] if relaxed in spec.relax else [text]
    if "PidsLimit" in limits:
        said.append(f"{limits['PidsLimit']} processes")
    if "Memory" in limits:
        said.append(f"{limits['Memory'] / 1e6:.0f} MB")
    if spec.egress is not None:
        said.append(f"reaches {len(spec.egress) or 'no'} endpoint{'' if len(spec.egress) == 1 else 's'}")
    if "NanoCpus" in limits:
        said.append(f"{limits['NanoCpus'] / 1e9:g} cores")
    return ", ".join(said)
