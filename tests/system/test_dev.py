"""Work on a project: its services from the work tree, a new answer after a change, and nothing left at the end."""

import signal
import socket
import sys

import pytest

from tests.agents import RealAgent, answer, release_at
from tests.support import until

pytestmark = pytest.mark.system


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_change_shows_and_ctrl_c_leaves_nothing(agent: RealAgent) -> None:
    """The environment's own database, the secrets of the ``.env``, a new answer after a save, exit status 0."""
    agent.checkout("v1.4.0")
    (agent.project / ".env").write_text("TOKEN=orders-token-of-the-dotenv\n")
    agent.start()
    before = set(agent.processes())
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    # The environment that runs the tests has what the project needs.
    process = agent.begin("dev", "--port", str(port), environ={"VIRTUAL_ENV": sys.prefix})
    assert until(lambda: release_at(url), within=20) == "v1.4.0"
    assert answer(url, b"order-1")[0] == 201
    assert agent.orders() == ["order-1"]
    app = agent.project / "orders.py"
    app.write_text(app.read_text().replace("v1.4.0", "v1.4.0-changed"))
    until(lambda: release_at(url) == "v1.4.0-changed", within=20)
    process.send_signal(signal.SIGINT)
    told = agent.told(process)
    assert told.exit == 0
    assert told.result["dev"]["programs"] == ["web", "worker"]
    assert "orders-token" not in "".join(map(str, told.lines)) + told.err
    assert set(agent.processes()) <= before
    assert release_at(url) == ""
