"""A compose file as the plugin read it: held against what a stack may have, and fitted into its environment. Pure.

What a service may say is listed; whatever is not listed is refused, so that what a later version of the plugin learns
is not taken by mistake.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lading.ports.stacks import StackSpec
from lading.runtime.docker.names import ALIASES

Tree = dict[str, Any]

_TAKEN = frozenset(
    (
        *("image", "command", "entrypoint", "environment", "env_file", "working_dir", "user", "hostname", "domainname"),
        *("depends_on", "healthcheck", "restart", "stop_signal", "stop_grace_period", "init", "tty", "stdin_open"),
        *("networks", "ports", "expose", "links", "extra_hosts", "dns", "dns_search", "dns_opt"),
        *("volumes", "tmpfs", "configs", "secrets", "read_only", "cap_drop", "security_opt", "group_add", "shm_size"),
        *("deploy", "scale", "cpus", "cpu_shares", "mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness"),
        *("pids_limit", "ulimits", "sysctls", "labels", "annotations", "logging", "platform"),
        *("container_name", "pull_policy", "profiles", "attach"),
    )
)
_WHY = {
    "build": "is built; give it an image",
    "privileged": "wants all rights on the host",
    "network_mode": "wants another network than its own",
    "pid": "wants to see processes that are not its own",
    "ipc": "wants memory that is not its own",
    "devices": "wants devices of the host",
    "cap_add": "wants rights that the engine does not give by itself",
}
_UNPRIVILEGED = "no-new-privileges:true"
OWN_LABELS = "dev.lading."
LOGGING = {"driver": "json-file", "options": {"max-size": "4m", "max-file": "2"}}


class Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stack is to fit in: its ``project`` at the plugin, its files, its environment's network, and labels."""

    spec: StackSpec
    project: str
    files: str
    network: str
    labels: dict[str, str]


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, what was changed in words, and everything that is refused."""

    tree: Tree
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def fit(read: Tree, fitting: Fitting) -> Fitted:
    """Return what the plugin is to run of what it read."""
    services: dict[str, Tree] = {name: service or {} for name, service in (read.get("services") or {}).items()}
    refused = [*_refused(services, fitting), *_refused_beside(read, fitting)]
    notes = list(_notes(services, fitting.spec))
    tree = {key: read[key] for key in ("volumes", "configs", "secrets") if read.get(key)}
    tree["name"] = fitting.project
    tree["networks"] = _networks(read, fitting)
    if "volumes" in tree:
        tree["volumes"] = {
            name: {**(volume or {}), "labels": {**_labels(volume or {}), **fitting.labels}}
            for name, volume in tree["volumes"].items()
        }
    tree["services"] = {name: _service(name, service, fitting) for name, service in services.items()}
    return Fitted(tree=tree, notes=tuple(notes), refused=tuple(refused))


# what is refused


def _refused(services: Mapping[str, Tree], fitting: Fitting) -> Iterator[str]:
    if not services:
        yield "it has no services"
    for name in (*fitting.spec.aliases.values(), *fitting.spec.publish):
        if name not in services:
            yield f"{name}  is named in [stacks.{fitting.spec.name}], and the file has no such service"
    for name, service in services.items():
        for key, value in service.items():
            if value and key not in _TAKEN and not key.startswith("x-"):
                yield f"{name}.{key}  {_WHY.get(key, 'is not taken in a stack beside a project')}"
        yield from (f"{name}.image  {reason}" for reason in _unpinned(str(service.get("image") or "")))
        yield from (f"{name}.volumes  {reason}" for reason in _mounts(service, fitting))
        for option in service.get("security_opt") or ():
            if str(option) not in (_UNPRIVILEGED, "no-new-privileges"):
                yield f"{name}.security_opt  {option} loosens what the engine does by itself"


def _unpinned(image: str) -> Iterator[str]:
    if not image:
        yield "is missing"
        return
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not digest and tag in ("", "latest"):
        yield f"{image} has no fixed tag: name one, such as {name.partition(':')[0]}:1.2.3"


def _mounts(service: Tree, fitting: Fitting) -> Iterator[str]:
    for mount in service.get("volumes") or ():
        if mount.get("type") == "bind" and not _is_inside(str(mount.get("source")), fitting.files):
            yield f"{mount.get('source')} lies outside of what came with the compose file"
        elif mount.get("type") not in ("bind", "volume", "tmpfs"):
            yield f"{mount.get('type')} mounts are not taken"


def _is_inside(path: str, files: str) -> bool:
    plain = posixpath.normpath(path)
    return plain == files or plain.startswith(files.rstrip("/") + "/")


def _refused_beside(read: Tree, fitting: Fitting) -> Iterator[str]:
    for kind in ("volumes", "networks"):
        for name, found in (read.get(kind) or {}).items():
            # The plugin's own name for it; any other may be somebody else's.
            own = f"{fitting.project}_{name}"
            if (found or {}).get("external") or (found or {}).get("name", own) != own:
                yield f"{kind}.{name}  has a name of its own, perhaps somebody else's: leave name and external out"
            if (found or {}).get("driver_opts") or (found or {}).get("driver") not in (None, "local", "bridge"):
                yield f"{kind}.{name}  has a driver or options of its own, which reach the host"
    for kind in ("configs", "secrets"):
        for name, found in (read.get(kind) or {}).items():
            if (found or {}).get("external"):
                yield f"{kind}.{name}  is external, and there is nobody to give it"
            file = (found or {}).get("file")
            if file and not _is_inside(str(file), fitting.files):
                yield f"{kind}.{name}  {file} lies outside of what came with the compose file"


# what is changed


def _notes(services: Mapping[str, Tree], spec: StackSpec) -> Iterator[str]:
    for name, service in services.items():
        ports = [str(port.get("published") or port.get("target")) for port in service.get("ports") or ()]
        if ports and name not in spec.publish:
            yield f'{name}: port {", ".join(ports)} is not published; publish = ["{name}"] would publish it'


def _service(name: str, service: Tree, fitting: Fitting) -> Tree:
    made = {key: value for key, value in service.items() if value is not None}
    # The first would be the same in every environment; the second was read already, by a user that may read little.
    for key in ("container_name", "env_file"):
        made.pop(key, None)
    ports = _ports(made.pop("ports", None) or ()) if name in fitting.spec.publish else []
    made.pop("ports", None)
    if ports:
        made["ports"] = ports
    if "restart" not in made and not (made.get("deploy") or {}).get("restart_policy"):
        # Nobody else looks after it, after a reboot neither.
        made["restart"] = "unless-stopped"
    made["labels"] = {**_labels(made), **fitting.labels}
    made["security_opt"] = [_UNPRIVILEGED]
    made.setdefault("logging", LOGGING)
    aliases = [alias for alias, service_name in fitting.spec.aliases.items() if service_name == name]
    if aliases:
        networks = made.get("networks") or {"default": None}
        made["networks"] = {**networks, _ENVIRONMENT: {"aliases": aliases}}
        made["labels"][ALIASES] = ",".join(aliases)
    return made


_ENVIRONMENT = "lading-environment"


def _ports(ports: Any) -> list[Tree]:
    return [{**port, "host_ip": port.get("host_ip") or "127.0.0.1"} for port in ports]


def _labels(owner: Tree) -> dict[str, str]:
    found = owner.get("labels") or {}
    pairs = found.items() if isinstance(found, dict) else (str(line).partition("=")[::2] for line in found)
    return {str(name): str(value) for name, value in pairs if not str(name).startswith(OWN_LABELS)}


def _networks(read: Tree, fitting: Fitting) -> Tree:
    own = {name: dict(network or {}) for name, network in (read.get("networks") or {"default": None}).items()}
    for network in own.values():
        network["labels"] = {**_labels(network), **fitting.labels}
    if fitting.spec.aliases:
        own[_ENVIRONMENT] = {"name": fitting.network, "external": True}
    return own
