"""The port of all domains is nobody's own."""

import socket
from pathlib import Path

import pytest

from lading.model.errors import LadingError
from lading.router.holder import Holder
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_no_environment_gets_the_port_of_all_domains(tmp_path: Path) -> None:
    """Else its requests, or after a restart those of all others, would end nowhere."""
    router = TraefikRouter(tmp_path, settings=RouterSettings(http_port=8080))
    with pytest.raises(LadingError, match="with a domain") as refused:
        router.reserve_port("shop/review", 8080)
    assert refused.value.code == "port-taken"
    assert not (tmp_path / "ports.json").exists()


def test_domains_are_bound_first(tmp_path: Path) -> None:
    """A port that an environment had before it became that of all domains is theirs."""
    port = _free_port()
    holder = Holder(tmp_path)
    holder.config = {
        "keep": [port],
        "public": {"http": {"host": "127.0.0.1", "port": port}},
        "pool": {"first": 1, "last": 0, "size": 0},
    }
    try:
        holder.bind_all(patience=0.0)
        assert holder.sockets["http"].getsockname()[1] == port
        assert list(holder.missing) == [f"p{port}"]
    finally:
        for held in (*holder.sockets.values(), holder.wake, holder._wake_in):
            held.close()
