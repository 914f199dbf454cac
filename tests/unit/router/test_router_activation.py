"""What systemd hands over and is told, and how the agent knows the router's units."""

import array
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lading.client.hosts.router import DIRECTORY, SERVICE_TEXT
from lading.router import units
from lading.router.activation import Manager
from lading.router.serviced import Serviced
from lading.router.units import Units, units_of

SERVICE = "lading-router.service"

# Is handed a listening socket and one that is none, for itself or for another process.
GIVEN = """
import os, socket, sys
listening, other = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
port = listening.getsockname()[1]
for target, sock in ((3, listening.detach()), (4, other.detach())):
    os.dup2(sock, target)
os.environ |= {"LISTEN_PID": str(os.getpid() + int(sys.argv[1])), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
from lading.router.activation import received
found = received()
assert [sock.getsockname()[1] == port for sock in found] == [True] * len(found)
assert not any(os.get_inheritable(sock.fileno()) for sock in found)
assert not [name for name in os.environ if name.startswith("LISTEN_")]
print(len(found), len(received()))
"""


@pytest.mark.parametrize(("apart", "said"), [(0, "1 0\n"), (1, "0 0\n")])
def test_sockets_are_for_the_process_that_is_named(apart: int, said: str) -> None:
    """Listening ones are taken once and passed on to nobody; those of another process are left alone."""
    words = [sys.executable, "-c", GIVEN, str(apart)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == said


@pytest.mark.parametrize("place", ["@lading-test-{pid}", "{tmp}/notify"])
def test_the_manager_is_told_and_given_sockets(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a name in a file system or in none; programs that are started do not hear of it."""
    address = place.format(pid=os.getpid(), tmp=tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, socket.create_server(("127.0.0.1", 0)) as kept:
        told.bind(address.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        manager = Manager()
        assert "NOTIFY_SOCKET" not in os.environ
        manager.ready()
        manager.keep("p7300", kept)
        assert told.recv(100) == b"READY=1"
        data, extra, _, _ = told.recvmsg(100, socket.CMSG_SPACE(4))
        assert data == b"FDSTORE=1\nFDNAME=p7300"
        (number,) = array.array("i", extra[0][2])
        assert os.path.sameopenfile(number, kept.fileno())
        os.close(number)


def test_nobody_is_told_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that is not there, or has gone, keeps nobody from serving."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Manager().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    Manager().ready()


@pytest.mark.parametrize(
    ("jobs", "restarted"),
    [
        (f"echo '812 {SERVICE} restart running'", True),
        (f"echo '812 {SERVICE} stop running'", False),
        ("echo '812 other.service restart running'", False),
        ("exit 1", False),
    ],
)
def test_a_restart_is_told_from_a_stop(
    jobs: str, restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the job that systemd carries out; when it cannot say, the router ends in order."""
    tool = tmp_path / "systemctl"
    tool.write_text(f"#!/bin/sh\n{jobs}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    holder = Serviced(tmp_path, SERVICE, [], Manager())
    try:
        assert holder.being_restarted() == restarted
        monkeypatch.setenv("PATH", "/nowhere")
        assert not holder.being_restarted()
    finally:
        holder.wake.close()
        holder._wake_in.close()


def test_a_router_has_units_where_all_of_them_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark in its directory, systemd, and the unit; a mark that was left alone makes no service."""
    monkeypatch.setattr(units, "UNITS", tmp_path / "units")
    monkeypatch.setattr(units, "PASSING", tmp_path / "running")
    assert units_of(tmp_path) is None
    (tmp_path / units.MARK).write_text("lading-router\n")
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / SERVICE).write_text(f"[Service]\nReadWritePaths={tmp_path}\n")
    assert units_of(tmp_path) is None
    (tmp_path / "running").mkdir()
    assert units_of(tmp_path) == Units(SERVICE)
    (tmp_path / "units" / "lading-router.socket").touch()
    assert units_of(tmp_path) == Units(SERVICE, "lading-router.socket")


def test_units_are_those_of_one_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that was copied, mark and all, must neither wait for another home's service nor stop it."""
    monkeypatch.setattr(units, "UNITS", tmp_path)
    monkeypatch.setattr(units, "PASSING", tmp_path)
    (tmp_path / SERVICE).write_text(SERVICE_TEXT.replace(DIRECTORY, str(tmp_path / "first")))
    for name in ("first", "copied"):
        (tmp_path / name).mkdir()
        (tmp_path / name / units.MARK).write_text("lading-router\n")
    assert units_of(tmp_path / "first") == Units(SERVICE)
    assert units_of(tmp_path / "copied") is None
    (tmp_path / "link").symlink_to(tmp_path / "first")
    assert units_of(tmp_path / "link") == Units(SERVICE)


def test_what_is_wanted_no_more_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would answer at a port that an earlier process kept and this one has no use for."""
    (tmp_path / "holder-config.json").write_text(
        json.dumps({"public": {}, "keep": [], "pool": {"first": 1, "last": 0, "size": 0}, "pages": False})
    )
    monkeypatch.setattr(Serviced, "replace", lambda *_, **__: None)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told,
        socket.create_server(("127.0.0.1", 0)) as kept,
    ):
        told.bind(str(tmp_path / "notify"))
        told.settimeout(1.0)
        port = kept.getsockname()[1]
        holder = Serviced(tmp_path, SERVICE, [socket.socket(fileno=os.dup(kept.fileno()))], Manager())
        try:
            holder.start()
            assert told.recv(100).decode() == f"FDSTOREREMOVE=1\nFDNAME=p{port}"
            kept.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=1.0)
        finally:
            holder.wake.close()
            holder._wake_in.close()
            assert holder.pages._socket is not None
            holder.pages._socket.close()


def test_a_port_that_is_named_later_is_had_from_its_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit may hold a port before the agent says so; systemd has it still, so nobody could listen there anew."""

    def settings(public: dict[str, object]) -> None:
        config = {"public": public, "keep": [], "pool": {"first": 1, "last": 0, "size": 0}, "pages": False}
        (tmp_path / "holder-config.json").write_text(json.dumps(config))

    monkeypatch.setattr(Serviced, "replace", lambda *_, **__: None)
    monkeypatch.setattr(Serviced, "wanted_template", lambda _: "changed")
    with socket.create_server(("0.0.0.0", 0)) as unit:
        port = unit.getsockname()[1]
        holder = Serviced(tmp_path, SERVICE, [socket.socket(fileno=os.dup(unit.fileno()))], Manager())
        try:
            settings({})
            holder.start()
            settings({"https": {"host": "127.0.0.1", "port": port}})
            holder.reload()
            assert holder.sockets == {}, "another address is another socket"
            settings({"https": {"host": "0.0.0.0", "port": port}})
            holder.reload()
            assert (holder.missing, list(holder.sockets)) == ({}, ["https"])
        finally:
            for sock in (*holder.sockets.values(), holder.wake, holder._wake_in):
                sock.close()
            assert holder.pages._socket is not None
            holder.pages._socket.close()


def test_a_systemd_that_refuses_leaves_no_shared_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lets systemd listen beside another goes away, whatever became of it."""

    def refuse(*words: str, **_: bool) -> None:
        raise subprocess.CalledProcessError(1, words)

    monkeypatch.setattr(units, "PASSING", tmp_path)
    monkeypatch.setattr(units, "_systemctl", refuse)
    with pytest.raises(subprocess.CalledProcessError):
        Units(SERVICE, "lading-router.socket").start(beside=True)
    assert not list(tmp_path.rglob("*.conf"))


def test_ports_that_another_router_has_are_shared_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd may listen beside it while the service comes up, and never again."""
    monkeypatch.setattr(units, "PASSING", tmp_path)
    draft = tmp_path / "lading-router.socket.d" / "beside.conf"
    seen: list[tuple[str, bool]] = []
    monkeypatch.setattr(units, "_systemctl", lambda *words, **_: seen.append((" ".join(words), draft.exists())))
    ours = Units(SERVICE, "lading-router.socket")
    ours.start(beside=True)
    started = [("start lading-router.socket", True), (f"start {SERVICE}", True)]
    assert seen == [("daemon-reload", True), *started, ("daemon-reload", False)]
    seen.clear()
    ours.start(beside=False)
    assert seen == [("start lading-router.socket", False), (f"start {SERVICE}", False)]
