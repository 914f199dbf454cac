"""What an installation decides about its agent: ``agent.toml`` in the agent's home; every key may be left out."""

import ipaddress
import tomllib
from pathlib import Path

import msgspec

from lading.model import typed
from lading.model.errors import LadingError
from lading.secrets.allowed import Allowed

FILE = "agent.toml"


class RouterTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[router]``: the local ports (from ``ports_from``, ``ports`` of them) and the port for host names.

    ``http_port`` (none unless set) serves environments that have a domain, on the address ``http_host``, and
    ``https_port`` those with TLS. ``acme_server`` is the directory of an ACME server (Let's Encrypt unless set),
    ``acme_ca`` a file with the certificates by which that server itself is trusted (the system's unless set).
    """

    ports_from: int = 7300
    ports: int = 16
    http_port: int | None = None
    https_port: int | None = None
    acme_server: str = ""
    acme_ca: str = ""
    http_host: str = "0.0.0.0"


class ProcessTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[process]``: the loopback ports of instances, and whether each environment runs as a user of its own.

    ``users`` unset means: yes where the agent is root and its home can be passed through by others.
    """

    ports_from: int = 20000
    ports: int = 10000
    users: bool | None = None


class DockerTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[docker]``: the socket of the container engine, and the range that environments get their subnets from."""

    socket: str = "/var/run/docker.sock"
    subnets: str = "10.217.0.0/16"

    def __post_init__(self) -> None:
        """Refuse what is no private range."""
        try:
            network = ipaddress.IPv4Network(self.subnets)
        except ValueError as error:
            raise ValueError(f"docker.subnets: {error}") from error
        if not network.is_private or network.prefixlen > 24:
            raise ValueError(f"docker.subnets: {network} is no private range of at least one /24")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``name`` is the agent's name in bills; unset, one is chosen at the first start and kept.

    ``secrets`` says which environments may get their secrets from which commands, variables and files of this host.
    ``group`` names the users who may open the agent's socket, and do everything there, besides its owner and root.
    """

    name: str = ""
    group: str = ""
    router: RouterTable = RouterTable()
    process: ProcessTable = ProcessTable()
    docker: DockerTable = DockerTable()
    secrets: tuple[Allowed, ...] = ()


def read_settings(home: Path) -> Settings:
    """Read the settings of an agent; raise ``usage`` naming file and key when they are wrong."""
    file = home / FILE
    try:
        text = file.read_text()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise _wrong(file, str(error.strerror)) from error
    try:
        return typed.convert(tomllib.loads(text), Settings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(file, str(error)) from error


def _wrong(file: Path, happened: str) -> LadingError:
    return LadingError(
        "usage",
        doing=f"reading {file}",
        happened=happened,
        now="the agent was not started; what is serving goes on serving",
        hint=f"mend or remove {file}",
    )
