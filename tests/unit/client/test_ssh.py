"""The words that ssh is given, what its complaints mean, and the directory of its sockets."""

import json
import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from lading.client.address import SshHost, parse_address, parse_host
from lading.client.agent import Agent
from lading.client.ssh.connection import Connection
from lading.client.ssh.control import Control
from lading.client.ssh.problems import problem
from lading.model.errors import LadingError
from lading.model.interface import API_HEADER, API_VERSION
from tests.support import until

HOST = SshHost("stage.example.org", "deploy", 2222)

# Writes down what it was called with, and fails as its file says.
FAKE = """#!/usr/bin/env python3
import json, os, sys
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
sys.stderr.write(open({says!r}).read())
sys.exit(255)
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of sockets of this test's own."""
    # Relative, as a test's own directory may be too deep for the name of a socket.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", ".")
    return tmp_path


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that gets nowhere and says so."""
    fake, says = tmp_path / "fake-ssh", tmp_path / "says"
    fake.write_text(FAKE.format(calls=str(tmp_path / "calls"), says=str(says)))
    fake.chmod(0o755)
    says.write_text("ssh: connect to host stage.example.org port 2222: Connection refused\n")
    monkeypatch.setenv("LADING_SSH", f"{fake} -F ours")
    return says


def calls(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]


@pytest.mark.parametrize(
    ("host", "told", "socket"),
    [
        ("ssh://stage", SshHost("stage"), "/var/lib/lading/agent.sock"),
        ("ssh://deploy@stage.example.org", SshHost("stage.example.org", "deploy"), "/var/lib/lading/agent.sock"),
        ("ssh://deploy@stage.example.org:2222/", HOST, "/var/lib/lading/agent.sock"),
        ("ssh://[2001:db8::1]:22/srv/lading", SshHost("2001:db8::1", None, 22), "/srv/lading/agent.sock"),
        ("ssh://me@box/home/me/a.sock", SshHost("box", "me"), "/home/me/a.sock"),
    ],
)
def test_an_address_names_a_machine_and_a_home_there(host: str, told: SshHost, socket: str) -> None:
    """Without a path it is the agent of the whole machine."""
    address = parse_address(host)
    assert (address.host, str(address.socket), address.local) == (told, socket, False)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "host",
    [
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://-l@stage",
        "ssh://a b",
        "ssh://stage:99999",
        "ssh://stage:0",
        "ssh://stage/with space",
        "ssh://stage/%d/x",
        "ssh://stage/a:b",
        "ssh://user:pass-word@stage",
    ],
)
def test_what_ssh_could_take_for_something_else_is_refused(host: str) -> None:
    """No part of an address can be read as an option or a token, and no password is repeated."""
    with pytest.raises(LadingError) as refused:
        parse_address(host)
    assert refused.value.code == "usage"
    assert "pass-word" not in str(refused.value)


def test_a_host_is_named_without_a_path() -> None:
    """Who names a machine names no home on it."""
    assert parse_host("ssh://root@stage") == SshHost("stage", "root")
    for wrong in ("ssh://root@stage/srv/x", "stage", "unix:///srv/x"):
        with pytest.raises(LadingError):
            parse_host(wrong)


def test_ssh_can_ask_nothing_and_checks_host_keys_as_its_user_says(ssh: Path, tmp_path: Path) -> None:
    """Every call is in batch mode; keys, known hosts and jump hosts are left to the user's configuration."""
    with pytest.raises(LadingError, match="nobody listens for ssh"):
        Connection(HOST).open(Path("/var/lib/lading/agent.sock"))
    (call,) = calls(tmp_path)
    assert call[:2] == ["-F", "ours"]
    assert call[-2:] == ["--", "stage.example.org"]
    assert "BatchMode=yes" in call
    assert call[call.index("-l") + 1] == "deploy"
    assert call[call.index("-p") + 1] == "2222"
    for left in ("StrictHostKeyChecking", "UserKnownHostsFile", "IdentityFile", "ProxyJump"):
        assert not any(left in word for word in call), call


def test_who_follows_tries_to_connect_again(ssh: Path, tmp_path: Path) -> None:
    """Every request that finds no connection opens one; what is in the way is told each time."""
    agent = Agent(parse_address("ssh://deploy@stage.example.org:2222"))
    for _ in range(2):
        with pytest.raises(LadingError) as told:
            agent.get("/v1/agent")
        assert (told.value.code, told.value.exit_status) == ("agent-unreachable", 7)
    assert len(calls(tmp_path)) == 2


@pytest.mark.parametrize(
    ("said", "happened", "hint"),
    [
        (
            "@@@@@@@@@@@@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "host key is not the one noted here",
            "ssh-keygen -R stage.example.org",
        ),
        ("Host key verification failed.", "not known here", "ssh -p 2222 deploy@stage.example.org"),
        ("deploy@stage: Permission denied (publickey).", "none of the keys", "lading host add"),
        ("ssh: Could not resolve hostname stage: Name or service not known", "no machine of that name", "ssh -p"),
        ("ssh: connect to host stage port 22: Connection timed out", "does not answer", "it is up"),
        ("ssh: connect to host stage port 22: No route to host", "no way leads to it", "it is up"),
        ("something new", "something new", "ssh -p 2222"),
        ("", "without a word", "ssh -p 2222"),
    ],
)
def test_complaints_say_what_to_do(said: str, happened: str, hint: str) -> None:
    """Each complaint of ssh's has a remedy that can be typed."""
    error = problem(HOST, said)
    assert happened in error.happened
    assert hint in error.hint
    assert error.code == "agent-unreachable"


def test_a_machine_without_ssh_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing command is told with the package that has it."""
    monkeypatch.setenv("LADING_SSH", "no-such-command-anywhere")
    with pytest.raises(LadingError, match="openssh-client"):
        Connection(HOST).open()


def test_sockets_lie_where_nobody_else_comes(tmp_path: Path) -> None:
    """The directory is for its user alone, and one that is not is refused."""
    Control("stage")
    place = tmp_path / "lading-ssh"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    place.chmod(0o755)
    with pytest.raises(LadingError, match="this user alone"):
        Control("stage")
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(LadingError, match="this user alone"):
        Control("stage")


def test_names_of_sockets_are_short_and_of_one_machine(tmp_path: Path) -> None:
    """Two machines, users or ports never share a connection, and the kernel takes the names."""
    names = {Control("ssh", *what).socket for what in (("a", "1"), ("a", "2"), ("b", "1"))}
    assert len(names) == 3
    assert all(len(name.name) < 24 for name in names)


def test_what_a_connection_left_is_removed(tmp_path: Path) -> None:
    """Sockets of a connection that is gone go with the next one; old notes of others too."""
    control, other = Control("a"), Control("b")
    forward = control.forward(Path("/x/agent.sock"))
    for path in (control.socket, forward, control.mark(Path("/x/agent.sock")), control.log, other.log):
        path.touch()
    os.utime(other.log, (0, 0))
    control.clear()
    assert [path.name for path in (tmp_path / "lading-ssh").iterdir()] == [control.log.name]


class _Serving(threading.Thread):
    """Answers requests on a socket, many on one connection; ``per`` of them, then it ends the connection."""

    def __init__(self, path: Path, per: int) -> None:
        super().__init__(daemon=True)
        self._per = per
        self.connections: list[int] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def run(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line, line.makefile("rb") as file:
                self.connections.append(0)
                for _ in range(self._per):
                    if not self._answer(line, file):
                        break

    def _answer(self, line: socket.socket, file: Any) -> bool:
        while (said := file.readline()) != b"\r\n":
            if not said:
                return False
        self.connections[-1] += 1
        line.sendall(f"HTTP/1.1 200 OK\r\n{API_HEADER}: {API_VERSION}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        return True

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(5)


@pytest.mark.parametrize(("per", "limit", "connections"), [(9, 3.0, [4]), (2, 3.0, [2, 2]), (9, 0.0, [1, 1, 1, 1])])
def test_one_connection_serves_many_requests(
    monkeypatch: pytest.MonkeyPatch, per: int, limit: float, connections: list[int]
) -> None:
    """A round trip is saved where a connection may go on; one that was ended, or has idled too long, is not used."""
    monkeypatch.setattr("lading.client.ssh.line.IDLE_LIMIT", limit)
    address = parse_address("ssh://stage")
    serving = _Serving(Connection(SshHost("stage")).control.forward(address.socket), per)
    serving.start()
    agent = Agent(address)
    for _ in range(4):
        assert agent.get("/v1/agent") == {}
        until(lambda: serving.connections and sum(serving.connections))
        if serving.connections[-1] == per:
            until(lambda: _ended(agent))
    agent._line.__del__()  # type: ignore[attr-defined]
    serving.end()
    assert serving.connections == connections


def _ended(agent: Agent) -> bool:
    kept = agent._line._kept  # type: ignore[attr-defined]
    return kept is None or not kept.is_idle()
