"""Real processes: found again, never doubled, ended with all their children, and closed-mouthed."""

import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lading.model.errors import LadingError
from lading.model.manifest import Volume
from lading.model.secret import Secret
from lading.model.value import Resources
from lading.ports.runtime import Run, RunResult
from lading.runtime.process import launcher, runtime
from lading.runtime.process.identity import has_variable, stats
from tests.processes import Processes, processes
from tests.support import until

pytestmark = pytest.mark.system
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user or make control groups")


@pytest.fixture
def world() -> Iterator[Processes]:
    with processes() as world:
        yield world


def of_instance(world: Processes, name: str) -> list[int]:
    """Return all living processes that carry an instance's mark, whatever records say."""
    mark = f"LADING_RECORD={(world.home / 'runtime' / 'instances' / name).resolve()}".encode()
    return [stat.process.pid for stat in stats() if has_variable(stat.process.pid, mark)]


def environment_of(pid: int) -> dict[str, str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(word.split("=", 1) for word in words if word)


# killed starters


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(act: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not after:
            die()
        act(*args, **kwargs)
        die()

    return wrapped


def start_in_child(world: Processes, prepare: Callable[[], None], kill_after: float | None = None) -> None:
    """Start ``web-1`` in a process of its own, which is killed on the way (or right after)."""
    child = os.fork()
    if child == 0:
        try:
            prepare()
            world.reopen().start(world.spec("web-1"), {})
        finally:
            die()
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


MOMENTS: dict[str, tuple[object, str, bool]] = {
    "before the lock": (runtime.Records, "try_lock", False),
    "with the lock": (runtime.Records, "try_lock", True),
    "before the record": (runtime.Records, "write", False),
    "after the record": (runtime.Records, "write", True),
    "before the log": (launcher.logs, "open_log", False),
    "before the process": (subprocess, "Popen", False),
    "after the process": (subprocess, "Popen", True),
    "after the note": (launcher, "spawn", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_starter_killed_at_a_named_moment(world: Processes, moment: str) -> None:
    """Whenever a starter is killed, the next look tells the truth and the next start leaves exactly one instance."""
    target, name, after = MOMENTS[moment]

    def prepare() -> None:
        setattr(target, name, dying(getattr(target, name), after=after))

    start_in_child(world, prepare)
    seen = world.reopen().look("web-1")
    was_running = seen is not None and seen.running
    assert was_running == (moment in {"after the process", "after the note"})
    state = world.runtime.start(world.spec("web-1"), {})
    assert state.running
    if was_running:
        assert seen == state
    world.up("web-1")
    assert of_instance(world, "web-1") == [state.pid]


def test_a_starter_killed_at_any_moment(world: Processes) -> None:
    """The same at many moments that nobody chose."""
    for number in range(24):
        start_in_child(world, lambda: None, kill_after=number * 0.001)
        seen = world.reopen().look("web-1")
        state = world.runtime.start(world.spec("web-1"), {})
        if seen is not None and seen.running:
            assert state == seen
        until(lambda pid=state.pid: of_instance(world, "web-1") == [pid])  # type: ignore[misc]
        world.runtime.remove("web-1")
        assert of_instance(world, "web-1") == []


def test_many_starters_at_once_start_one(world: Processes) -> None:
    """Starts of one name from several threads and runtimes meet in one instance."""
    found: list[int] = []
    runtimes = [world.reopen() for _ in range(2)] * 3

    def begin(one: runtime.ProcessRuntime) -> None:
        found.append(one.start(world.spec("web-1"), {}).pid)

    threads = [threading.Thread(target=begin, args=(one,)) for one in runtimes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_many_instances_at_once_get_ports_of_their_own(world: Processes) -> None:
    """Starts side by side never choose the same port."""
    names = [f"web-{number}" for number in range(8)]
    threads = [threading.Thread(target=world.runtime.start, args=(world.spec(name), {})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({state.address for state in world.runtime.list() if state.running}) == len(names)


# ends


def test_a_deaf_program_is_killed_after_its_grace(world: Processes) -> None:
    """A program that ignores its stop signal gets its grace, then is killed."""
    world.runtime.start(world.spec("web-1", command="python app.py stubborn"), {})
    world.up("web-1")
    began = time.monotonic()
    world.runtime.stop("web-1", grace=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    state = world.runtime.look("web-1")
    assert state is not None
    assert state.exit_status == -9


def test_the_stop_signal_is_the_specs(world: Processes) -> None:
    """A program is asked to end with the signal its service names."""
    world.runtime.start(world.spec("web-1", stop_signal="SIGINT"), {})
    world.up("web-1")
    world.runtime.stop("web-1", grace=5.0)
    assert "KeyboardInterrupt" in world.lines("web-1")


@pytest.mark.parametrize("grouped", [True, False], ids=["machine's means", "no control groups"])
def test_children_and_theirs_end_too(world: Processes, monkeypatch: pytest.MonkeyPatch, grouped: bool) -> None:
    """Children that left the session and ignore signals end with the instance, however it ends."""
    if not grouped:
        monkeypatch.setattr(world.runtime._launcher._groups, "_v1", {})
        monkeypatch.setattr(world.runtime._launcher._groups, "_v2", None)
    for end in (lambda: world.runtime.stop("web-1", grace=5.0), lambda: world.runtime.remove("web-1")):
        world.runtime.start(world.spec("web-1", command="python app.py family"), {})
        until(lambda: len(of_instance(world, "web-1")) == 3)
        world.up("web-1")
        end()
        assert of_instance(world, "web-1") == []


def test_what_a_crashed_program_left_ends_before_the_next(world: Processes) -> None:
    """Children of a crashed program do not live on beside its successor."""
    world.runtime.start(world.spec("web-1", command="python app.py family"), {})
    until(lambda: len(of_instance(world, "web-1")) == 3)
    world.crash("web-1")
    until(lambda: len(of_instance(world, "web-1")) == 2)
    state = world.runtime.start(world.spec("web-1"), {})
    # In the midst of an exec a process carries no mark for a moment.
    assert set(of_instance(world, "web-1")) <= {state.pid}
    until(lambda: of_instance(world, "web-1") == [state.pid])


def test_a_signal_to_the_whole_group_leaves_the_keeper(world: Processes) -> None:
    """A program that kills its own process group is still seen with the signal that ended it."""
    world.runtime.start(world.spec("work-1", port=None, command="""sh -c 'kill -KILL 0'"""), {})
    until(lambda: not world.runtime.list()[0].running)
    assert world.runtime.list()[0].exit_status == -9


@pytest.mark.parametrize("status", [0, 3])
def test_how_an_instance_ended_is_known_to_a_later_agent(world: Processes, status: int) -> None:
    """The exit status does not depend on an agent having been there."""
    spec = world.spec("work-1", port=None, command=f"python app.py leave {status}")
    start_like_a_dead_agent(world, spec)
    until(lambda: not world.reopen().list()[0].running)
    assert world.runtime.list()[0].exit_status == status


def start_like_a_dead_agent(world: Processes, spec: Any) -> None:
    child = os.fork()
    if child == 0:
        try:
            world.reopen().start(spec, {})
        finally:
            die()
    os.waitpid(child, 0)


def test_an_exit_is_seen_at_once(world: Processes) -> None:
    """A supervisor sleeps on pidfds and wakes when an instance exits."""
    world.runtime.start(world.spec("web-1"), {})
    world.runtime.start(world.spec("web-2"), {})
    fds = world.runtime.pidfds()
    try:
        assert sorted(fds) == ["web-1", "web-2"]
        poll = select.poll()
        poll.register(fds["web-1"])
        assert poll.poll(0) == []
        world.crash("web-1")
        assert poll.poll(5000)
    finally:
        for fd in fds.values():
            os.close(fd)
    assert sorted(world.runtime.pidfds().items())[0][0] == "web-2"


def test_after_a_reboot_nothing_runs_and_everything_is_known(world: Processes) -> None:
    """Records of another boot stand for exited instances, whose number may be somebody else's by now."""
    state = world.runtime.start(world.spec("web-1"), {})
    path = world.home / "runtime" / "instances" / "web-1" / "record.json"
    record = path.read_bytes()
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(record), "boot": "another"}))
    try:
        seen = world.reopen().look("web-1")
        assert seen is not None
        assert not seen.running
        world.runtime.stop("web-1", grace=1.0)
        until(lambda: of_instance(world, "web-1") == [state.pid])
    finally:
        path.write_bytes(record)


# ports


def test_a_port_taken_meanwhile_is_passed_over(world: Processes) -> None:
    """An exited instance whose port somebody else took is started again on another."""
    world.runtime.start(world.spec("web-1"), {})
    address = world.address("web-1")
    world.runtime.stop("web-1", grace=0.0)
    with socket.create_server(address):
        again = world.runtime.start(world.spec("web-1"), {})
        assert again.address != f"{address[0]}:{address[1]}"
        world.up("web-1")


# what is seen of secrets and of the agent


def test_secrets_reach_the_program_and_nothing_else(world: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is in the program's environment; in no argument, record, log, state or file."""
    monkeypatch.setenv("AGENTS_OWN", "of-the-agent-alone")
    secret = "open-sesame-42"
    state = world.runtime.start(
        world.spec("web-1", databases={"DB": "postgres://u:pass-word@h/d"}), {"T": Secret(secret)}
    )
    world.up("web-1")
    given = environment_of(state.pid)
    assert given["T"] == secret
    assert given["LADING_INSTANCE"] == "web-1"
    assert "AGENTS_OWN" not in given
    for stat in stats():
        words = _bytes(Path(f"/proc/{stat.process.pid}/cmdline"))
        assert secret.encode() not in words
        assert b"pass-word" not in words
    world.runtime.stop("web-1", grace=5.0)
    for path in world.home.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
            assert b"pass-word" not in path.read_bytes(), path
    assert secret not in repr(state)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_start_that_fails_tells_no_secret(world: Processes) -> None:
    """The error of a start names place and reason, never a value."""
    with pytest.raises(LadingError) as refused:
        world.runtime.start(world.spec("web-1", env={"A": "1"}), {"T": Secret("a\0b-sesame")})
    assert "sesame" not in str(refused.value)
    assert "T holds a NUL" in refused.value.happened
    with pytest.raises(LadingError, match="no name for an environment variable"):
        world.runtime.start(world.spec("web-1", env={"A.B": "1"}), {})


def test_files_are_closed_to_others(world: Processes) -> None:
    """Records, locks, notes and logs are their owner's alone."""
    world.runtime.start(world.spec("web-1"), {})
    for folder in ("instances", "logs", "runs"):
        assert (world.home / "runtime" / folder).stat().st_mode & 0o077 == 0
        for path in (world.home / "runtime" / folder).rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("layers", [{}, {"environment": "env"}, {"environment": "env", "source": "gone"}])
def test_a_release_that_is_not_laid_out_is_refused(world: Processes, layers: dict[str, str]) -> None:
    """Without its layers nothing is started, and nothing is known of it afterwards."""
    with pytest.raises(LadingError) as refused:
        world.runtime.start(world.spec("web-1", layers=layers), {})
    assert refused.value.code == "start-failed"
    assert "layer" in refused.value.happened
    assert world.runtime.look("web-1") is None


def test_a_full_disk_is_called_so(world: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the record cannot be written for want of space, nothing is started."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device", "record.draft")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LadingError) as refused:
        world.runtime.start(world.spec("web-1"), {})
    assert refused.value.code == "no-space"
    assert of_instance(world, "web-1") == []


# users, volumes, limits


def test_volumes_stay_from_release_to_release(world: Processes) -> None:
    """A volume is one directory per environment, whichever release uses it, and no other environment's."""
    volumes = {"receipts": Volume(path="/srv/receipts", env="RECEIPTS")}
    write = "sh -c 'echo kept >> $RECEIPTS/x; cat $RECEIPTS/x'"
    spec = world.spec("a", port=None, command=write, volumes=volumes)
    assert world.runtime.run(Run(name="a", spec=spec), {}).output == "kept\n"
    assert world.runtime.run(Run(name="b", spec=spec), {}).output == "kept\nkept\n"
    other = msgspec.structs.replace(spec, environment="production")
    assert world.runtime.run(Run(name="c", spec=other), {}).output == "kept\n"


@as_root
def test_each_environment_has_a_user_of_its_own(world: Processes) -> None:
    """As root, programs of two environments run as two users, who cannot read each other's data."""
    own = world.spec("a", port=None, command="""sh -c 'id -u; echo x > $HOME/file; echo $HOME'""")
    first = world.runtime.run(Run(name="a", spec=own), {}).output.split()
    read = world.spec("b", port=None, environment="production", command=f"sh -c 'id -u; cat {first[1]}/file'")
    second = world.runtime.run(Run(name="b", spec=read), {})
    assert first[0] != second.output.split()[0]
    assert "0" not in {first[0], second.output.split()[0]}
    assert second.exit_status != 0
    assert "Permission denied" in second.output


@as_root
def test_the_environments_user_writes_its_databases(world: Processes) -> None:
    """A SQLite file in the environment's directory belongs to its user, even if root wrote to it in between."""
    path = world.home / "runtime" / "environments" / "shop" / "stage" / "main" / "main.db"
    code = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('insert into t values (1)'); c.commit()"
    (world.home / "layers" / "source" / "insert.py").write_text(code)
    spec = world.spec("a", port=None, command=f"python insert.py {path}", databases={"DB": f"sqlite:///{path}"})
    world.runtime.run(Run(name="first", spec=world.spec("a", port=None, command="true")), {})
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (n)")
    assert world.runtime.run(Run(name="a", spec=spec), {}).output == ""
    assert path.stat().st_uid != 0


@as_root
def test_a_closed_way_is_said_or_refused(world: Processes) -> None:
    """Where the user cannot reach the release, the agent's own user is used and that is said, or it is refused."""
    (world.home / "layers").chmod(0o700)
    state = world.runtime.start(world.spec("web-1"), {})
    assert f"as root: {world.home / 'layers'} is closed to other users" in state.limits
    world.options["users"] = True
    with pytest.raises(LadingError, match="closed to other users"):
        world.reopen().start(world.spec("web-2"), {})


@as_root
def test_built_files_are_never_served_by_root(world: Processes) -> None:
    """Whatever is closed to the environment's user, and even if no program changes its user, root serves no file.

    All that the server loads it loads before: afterwards it might be unable to reach it.
    """
    (world.home / "layers" / "source" / "index.html").write_text("<p>shop</p>" * 200)
    (world.home / "layers").chmod(0o700)
    world.options |= {"users": False, "static": (sys.executable, "-IuBv", "-m", "lading.static", "--ready", "/ready")}
    spec = world.spec("web-1", kind="static", static=".", layers={"static": "source"})
    state = world.reopen().start(spec, {})
    world.up("web-1")
    kept = dict(line.split(":\t", 1) for line in Path(f"/proc/{state.pid}/status").read_text().splitlines())
    number = kept["Uid"].split()[0]
    assert int(number) >= 70_000
    assert f"user {number}" in state.limits
    assert set(kept["Uid"].split()) == set(kept["Gid"].split()) == {number}
    assert (kept["Groups"].split(), kept["NoNewPrivs"], int(kept["CapEff"], 16)) == ([], "1", 0)
    url = "http://{}:{}/".format(*world.address("web-1"))
    for name, value in (("Accept-Encoding", "gzip"), ("Range", "bytes=0-2"), ("Range", "bytes=0-2,5-9"), ("X", "")):
        with urllib.request.urlopen(urllib.request.Request(url, headers={name: value}), timeout=10) as answer:
            assert (answer.status, len(answer.read()) > 0) == (206 if name == "Range" else 200, True)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url + "missing.js", timeout=10)
    world.runtime.stop("web-1", grace=10)
    lines = world.runtime.logs("web-1", lines=100_000)
    later = lines[lines.index("serving 2 files") :]
    assert [line for line in later if line.startswith("import ")] == []


@as_root
def test_a_server_of_files_that_is_root_refuses(tmp_path: Path) -> None:
    """Started as root and told no other user, it ends before it listens, and says what to give."""
    words = (sys.executable, "-IB", "-m", "lading.static", "--ready", "/ready")
    for given in ((), ("--user=0",)):
        ended = subprocess.run([*words, *given, str(tmp_path)], capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert "not served as root: name another user's number by --user" in ended.stderr


@as_root
def test_a_loaders_variable_reaches_the_program_only(world: Processes) -> None:
    """What steers the loader is set after the change of user, so that root loads nothing a manifest names."""
    state = world.runtime.start(world.spec("web-1", env={"LD_LIBRARY_PATH": "/nowhere"}), {})
    world.up("web-1")
    assert environment_of(state.pid)["LD_LIBRARY_PATH"] == "/nowhere"
    keeper = int(Path(f"/proc/{state.pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert "LD_LIBRARY_PATH" not in environment_of(keeper)
    with pytest.raises(LadingError, match="steers the loader"):
        world.runtime.start(world.spec("web-2"), {"LD_PRELOAD": Secret("/tmp/x.so")})


@pytest.mark.parametrize("grouped", [True, False], ids=["machine's means", "address space"])
def test_the_memory_limit_is_enforced(world: Processes, monkeypatch: pytest.MonkeyPatch, grouped: bool) -> None:
    """A program that takes more memory than it may ends; one that stays below does not."""
    if not grouped:
        monkeypatch.setattr(world.runtime._launcher._groups, "_v1", {})
        monkeypatch.setattr(world.runtime._launcher._groups, "_v2", None)
    limit = Resources(memory=96 << 20)
    world.runtime.start(world.spec("small", port=None, command="python app.py eat 1000000", resources=limit), {})
    big = world.runtime.start(world.spec("big", port=None, command="python app.py eat 200000000", resources=limit), {})
    assert big.limits.startswith("memory 96 MB by")
    until(lambda: "ate" in world.lines("small"), within=10)
    until(lambda: not state_of(world, "big").running, within=10)
    assert state_of(world, "small").running
    assert "ate" not in world.lines("big")
    if "by cgroup" in big.limits:
        assert state_of(world, "big").exit_status == -9


def state_of(world: Processes, name: str) -> Any:
    state = world.runtime.look(name)
    assert state is not None
    return state


@as_root
def test_groups_go_with_their_instance(world: Processes) -> None:
    """A stopped instance leaves no control group behind."""
    world.runtime.start(world.spec("web-1", resources=Resources(memory=96 << 20)), {})
    record = msgspec.json.decode((world.home / "runtime" / "instances" / "web-1" / "record.json").read_bytes())
    world.runtime.stop("web-1", grace=0.0)
    assert [path for path in record.get("cgroups", []) if Path(path).exists()] == []


# logs


def test_a_chatty_instances_log_is_kept_short() -> None:
    """However much an instance writes, its log stays within its limit, and the last line is there."""
    with processes(log_limit=64 << 10) as world:
        world.runtime.start(world.spec("work-1", port=None, command="python app.py chatter 20000"), {})
        until(lambda: world.runtime.maintain() or world.lines("work-1")[-1:] == ("done",), within=20)
        world.runtime.maintain()
        (log,) = (world.home / "runtime" / "logs").iterdir()
        assert log.stat().st_blocks * 512 <= (64 << 10) + 8192
        numbers = [int(line[:8]) for line in world.lines("work-1")[1:-1]]
        assert numbers == list(range(numbers[0], 20_000))


# runs


def test_a_run_gets_a_directory_for_its_files(world: Processes) -> None:
    """What a run writes below its outputs directory is there afterwards; a later run of that name begins afresh."""
    spec = world.spec("job", port=None, command="sh -c 'ls $LADING_OUTPUTS; echo made > $LADING_OUTPUTS/report'")
    for _ in range(2):
        result = world.runtime.run(Run(name="job-1", spec=spec), {})
        assert result == RunResult(exit_status=0, output="", outputs=result.outputs, seconds=result.seconds)
        assert (Path(result.outputs) / "report").read_text() == "made\n"


def test_a_runs_output_is_bounded(world: Processes) -> None:
    """A run that prints without end gives its last lines."""
    spec = world.spec("run", port=None, command="python app.py chatter 5000")
    result = world.runtime.run(Run(name="a", spec=spec, timeout=1.0), {})
    assert result.output.endswith("done\n")
    assert len(result.output) <= 64 << 10


def test_what_a_run_leaves_running_ends_with_it(world: Processes) -> None:
    """A run is over when its command is; what it put in the background is killed."""
    spec = world.spec("run", port=None, command="sh -c 'sleep 60 & echo $!'")
    result = world.runtime.run(Run(name="a", spec=spec), {})
    assert result.exit_status == 0
    assert result.seconds < 5
    pid = int(result.output)
    assert pid not in {stat.process.pid for stat in stats()}


def test_a_run_that_goes_on_is_joined(world: Processes, tmp_path: Path) -> None:
    """A run whose agent died is waited for by the next one of its name, and nothing is run twice."""
    spec = world.spec("run", port=None, command="sh -c 'echo began; while [ ! -e $HOME/go ]; do sleep 0.02; done'")
    child = os.fork()
    if child == 0:
        try:
            world.reopen().run(Run(name="a", spec=spec), {})
        finally:
            die()
    log = world.home / "runtime" / "runs" / "a" / "log"
    until(lambda: _bytes(log) == b"began\n")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    results: list[RunResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(world.runtime.run(Run(name="a", spec=spec), {})))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    (world.home / "runtime" / "environments" / "shop" / "stage" / "home" / "go").touch()
    for thread in threads:
        thread.join()
    assert [(result.exit_status, result.output) for result in results] == [(0, "began\n")] * 2


def test_only_the_newest_runs_are_kept(world: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maintenance drops old runs with the files they wrote."""
    monkeypatch.setattr("lading.runtime.process.runs.KEPT", 1)
    results = [world.runtime.run(Run(name=f"run-{n}", spec=world.prints("x", 0)), {}) for n in range(3)]
    world.runtime.maintain()
    assert [Path(result.outputs).exists() for result in results] == [False, False, True]
