"""The hosts that this user has added: a list of addresses, one a line, in the user's own configuration."""

import os
from pathlib import Path

from lading.client.address import SshHost


def known() -> list[str]:
    """Return the addresses of the hosts that were added here."""
    try:
        return [line for line in _file().read_text().splitlines() if line.startswith("ssh://")]
    except FileNotFoundError:
        return []


def remember(host: str) -> None:
    """Add an address to the list, if it is not there."""
    found = known()
    if host not in found:
        _write([*found, host])


def forget(host: SshHost) -> None:
    """Take every address of a machine from the list, whoever logs in."""
    from lading.client.address import parse_address

    _write([line for line in known() if parse_address(line).host != host and not _is_at(line, host)])


def _is_at(line: str, host: SshHost) -> bool:
    from lading.client.address import parse_address

    other = parse_address(line).host
    return other is not None and (other.name, other.port) == (host.name, host.port)


def _write(lines: list[str]) -> None:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text("".join(f"{line}\n" for line in lines))
    draft.replace(file)


def _file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "lading" / "hosts"
