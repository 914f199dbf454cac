"""Where web services listen while somebody works on them, and who has a port already."""

import os
import socket
from collections.abc import Iterator

import pytest

from lading.dev.ports import choose, holder
from lading.model.errors import LadingError
from lading.model.manifest import Manifest, Project, Service


def _manifest(**ports: int | None) -> Manifest:
    services = {name: Service(build="app", command="x", port=port) for name, port in ports.items()}
    return Manifest(project=Project(name="shop"), services=services)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_service_has_the_port_of_the_manifest() -> None:
    """And a worker none."""
    port = _free()
    assert choose(_manifest(web=port, worker=None), None) == {"web": port}


def test_two_of_one_port_get_two() -> None:
    """Instances of a release each have a host of their own for their port; on one machine the second moves up."""
    port = _free()
    chosen = choose(_manifest(web=port, api=port), None)
    assert chosen == {"web": port, "api": port + 1}


def test_the_first_may_be_told_another() -> None:
    """``--port`` is about the first web service."""
    port, other = _free(), _free()
    assert choose(_manifest(web=8000, api=port), other) == {"web": other, "api": port}


def test_a_taken_port_names_who_has_it(taken: int) -> None:
    """The process and its command, and the option that chooses another."""
    with pytest.raises(LadingError) as told:
        choose(_manifest(web=taken), None)
    assert told.value.code == "port-taken"
    assert f"port {taken} is taken by process {os.getpid()}: " in told.value.happened
    assert told.value.hint == f"lading dev --port {taken + 1}"


def test_a_port_of_ones_own_is_free(taken: int) -> None:
    """What runs already keeps its port when the configuration changes."""
    assert choose(_manifest(web=taken), None, own=[taken]) == {"web": taken}


def test_nobody_has_a_free_port() -> None:
    """A port without a listener has no holder."""
    assert holder(_free()) is None
