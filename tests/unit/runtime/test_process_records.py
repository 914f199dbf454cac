"""Records, locks, ports and users on disk."""

import os
import socket
from pathlib import Path

import msgspec
import pytest

from lading.model.errors import LadingError
from lading.runtime.process.ports import Ports, is_free
from lading.runtime.process.records import Record, Records, file_name
from lading.runtime.process.sockets import established
from lading.runtime.process.users import Users, first_closed


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "instances")


def put(records: Records, name: str = "web-1", attempt: int = 1) -> Record:
    record = Record(name=name, marker="shop/stage", attempt=attempt, started=1.0, boot=records.boot, port=4000)
    records.folder(name).mkdir(exist_ok=True)
    records.write(record)
    return record


@pytest.mark.parametrize("name", ["web-1", "shop/stage web 1", "..", ".", ".hidden", "a%2Fb", "ü"])
def test_any_name_is_one_folder(records: Records, name: str) -> None:
    """A name with slashes or dots never leads out of the folder of records, and is read back as it was."""
    put(records, name)
    assert records.folder(name).parent == records.folder("x").parent
    assert records.names() == [name]
    assert file_name(name) not in {".", ".."}
    records.forget(name)
    assert records.names() == []


def test_a_record_is_for_its_owner_alone(records: Records) -> None:
    """Records and their folder are closed to others."""
    put(records)
    assert (records.folder("web-1") / "record.json").stat().st_mode & 0o777 == 0o600
    assert records.folder("web-1").parent.stat().st_mode & 0o777 == 0o700


def test_a_new_attempt_forgets_the_notes_of_the_last(records: Records) -> None:
    """How an earlier attempt ended says nothing about the next one."""
    first = put(records)
    (records.folder("web-1") / "1.exit").write_text("0\n")
    assert records.exit_status(first) == 0
    second = put(records, attempt=2)
    assert records.exit_status(second) is None
    assert not (records.folder("web-1") / "1.exit").exists()


@pytest.mark.parametrize(("note", "status"), [("0\n", 0), ("3\n", 3), ("137\n", -9), ("143\n", -15), ("", None)])
def test_an_exit_by_signal_is_negative(records: Records, note: str, status: int | None) -> None:
    """The shell's 128 + N becomes -N; a note that was never finished is no status."""
    record = put(records)
    (records.folder("web-1") / "1.exit").write_text(note)
    assert records.exit_status(record) == status


def test_a_damaged_record_is_named(records: Records) -> None:
    """A record that cannot be read says where it is and how to find what it was about."""
    put(records)
    (records.folder("web-1") / "record.json").write_text("{")
    with pytest.raises(LadingError, match=r"record\.json is damaged") as refused:
        records.read("web-1")
    assert "LADING_INSTANCE=web-1" in refused.value.hint


def test_a_record_of_a_later_version_is_read(records: Records) -> None:
    """Fields this version does not know are left aside."""
    record = put(records)
    path = records.folder("web-1") / "record.json"
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), "future": 1}))
    assert records.read("web-1") == record


def test_a_process_of_another_boot_does_not_run(records: Records) -> None:
    """After a restart of the machine, number and start time may fit by chance and mean nothing."""
    own = Path(f"/proc/{os.getpid()}/stat").read_text()
    record = put(records)
    (records.folder("web-1") / "1.pid").write_text(own)
    assert records.running(record) is not None
    assert records.running(msgspec.structs.replace(record, boot="another")) is None


def test_a_lock_is_one_starters(records: Records) -> None:
    """While one holds a name's lock nobody else gets it."""
    lock = records.try_lock("web-1")
    assert lock is not None
    assert records.try_lock("web-1") is None
    assert records.is_locked("web-1")
    os.close(lock)
    assert not records.is_locked("web-1")


def test_ports_go_round(tmp_path: Path) -> None:
    """A port that was just given back is the last to be given again, by a new agent too."""
    choice = range(20_500, 20_503)
    given = [Ports(choice, tmp_path / "cursor").choose(None, ()) for _ in range(4)]
    assert given == [20_500, 20_501, 20_502, 20_500]


def test_taken_ports_are_passed_over(tmp_path: Path) -> None:
    """Neither another program's port nor one that a record names is given out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        ports = Ports(range(port, port + 1), tmp_path / "cursor")
        with pytest.raises(LadingError) as refused:
            ports.choose(port, ())
        assert refused.value.code == "port-taken"
    assert Ports(range(port, port + 1), tmp_path / "cursor").choose(None, ()) == port
    with pytest.raises(LadingError):
        Ports(range(port, port + 1), tmp_path / "cursor").choose(port, {port})


def test_only_established_connections_of_the_port_count(tmp_path: Path) -> None:
    """Listening, closing and lingering sockets do not count, nor does a peer's port."""
    head = "  sl  local_address rem_address   st tx_queue rx_queue\n"
    rows = [
        "   0: 0100007F:1F40 00000000:0000 0A 0:0",
        "   1: 0100007F:1F40 0100007F:C001 01 0:0",
        "   2: 0100007F:1F40 0100007F:C002 06 0:0",
        "   3: 0100007F:C001 0100007F:1F40 01 0:0",
    ]
    four, six = tmp_path / "tcp", tmp_path / "tcp6"
    four.write_text(head + "\n".join(rows) + "\n")
    assert established(8000, (four, six)) == 1
    six.write_text(head + "   0: 0000000000000000FFFF00000100007F:1F40 0000000000000000FFFF00000100007F:C003 01 0:0\n")
    assert established(8000, (four, six)) == 2


def test_users_are_given_once(tmp_path: Path) -> None:
    """An environment keeps its number for good, and no two share one."""
    first = Users(tmp_path / "users.json").number("shop/stage")
    again = Users(tmp_path / "users.json")
    assert again.number("shop/production") != first
    assert again.number("shop/stage") == first


def test_the_first_closed_directory_is_named(tmp_path: Path) -> None:
    """What keeps a user out is named, so that it can be opened."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a").chmod(0o700)
    tmp_path.chmod(0o711)
    closed = first_closed(inner, 70_000)
    assert closed is not None
    assert (tmp_path / "a").is_relative_to(closed)
