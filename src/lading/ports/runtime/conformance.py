"""What every runtime promises, as tests. A subclass gives a ``world`` fixture that can disturb its instances."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from lading.model.environment import InstanceSpec
from lading.model.secret import Secret
from lading.ports.runtime import Run, Runtime


class World(Protocol):
    """A runtime, and what happens to its instances from outside."""

    @property
    def runtime(self) -> Runtime:
        """The runtime under test."""
        ...

    def spec(self, name: str, *, port: int | None = 8000) -> InstanceSpec:
        """Return the spec of an instance that stays up until it is stopped, a worker where ``port`` is None."""
        ...

    def reopen(self) -> Runtime:
        """Return the runtime as a new agent sees it after the death of the old one."""
        ...

    def up(self, name: str) -> None:
        """Wait until the instance takes connections."""
        ...

    def say(self, name: str, line: str) -> None:
        """Let the instance write a line to its log."""
        ...

    def crash(self, name: str) -> None:
        """Let the instance be killed by SIGKILL from outside."""
        ...

    def connect(self, name: str) -> AbstractContextManager[object]:
        """Hold one connection to the instance."""
        ...

    def prints(self, text: str, exit_status: int) -> InstanceSpec:
        """Return the spec of a command that prints its arguments and ``text``, then exits."""
        ...

    def sleeps(self) -> InstanceSpec:
        """Return the spec of a command that does not end by itself."""
        ...

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition is true; AssertionError when it takes too long."""
        ...


class RuntimeConformance:
    """The suite that each runtime runs."""

    def test_start_returns_a_running_instance_with_an_address(self, world: World) -> None:
        """A started web instance runs and has an address of its own."""
        first = world.runtime.start(world.spec("web-1"), {})
        second = world.runtime.start(world.spec("web-2"), {})
        assert first.running
        assert first.name == "web-1"
        assert first.pid > 0
        host, _, port = first.address.rpartition(":")
        assert host
        assert port.isdigit()
        assert first.address != second.address

    def test_a_worker_has_no_address(self, world: World) -> None:
        """A worker takes no requests, so it has no address and no connections."""
        state = world.runtime.start(world.spec("work-1", port=None), {})
        assert state.running
        assert state.address == ""
        assert world.runtime.connections("work-1") == 0

    def test_what_is_found_by_an_address_of_its_own_says_so(self, world: World) -> None:
        """A container has one whether or not it takes requests; a process has only a port of its machine's."""
        web = world.runtime.start(world.spec("web-1"), {})
        worker = world.runtime.start(world.spec("work-1", port=None), {})
        if world.spec("web-1").kind == "image":
            assert web.host == web.address.rpartition(":")[0]
            assert worker.host not in ("", web.host)
        else:
            assert (web.host, worker.host) == ("", "")

    def test_starting_what_runs_starts_nothing(self, world: World) -> None:
        """A second start of a running instance returns it as it is."""
        first = world.runtime.start(world.spec("web-1"), {})
        again = world.runtime.start(world.spec("web-1"), {})
        assert (again.pid, again.address, again.restarts) == (first.pid, first.address, 0)
        assert len(world.runtime.list()) == 1

    def test_an_exited_instance_is_started_again_under_its_name(self, world: World) -> None:
        """After an exit, start runs the instance again at the same address and counts it."""
        first = world.runtime.start(world.spec("web-1"), {})
        world.crash("web-1")
        world.until(lambda: not _running(world.runtime, "web-1"))
        again = world.runtime.start(world.spec("web-1"), {})
        assert again.running
        assert again.address == first.address
        assert again.restarts == 1
        assert again.exit_status is None

    def test_look_finds_what_was_started(self, world: World) -> None:
        """Look tells what runs, and None for a name that was never started."""
        assert world.runtime.look("web-1") is None
        started = world.runtime.start(world.spec("web-1"), {})
        assert world.runtime.look("web-1") == started

    def test_a_killed_instance_is_seen_with_its_signal(self, world: World) -> None:
        """An instance killed by a signal has the signal's number, negative, as exit status."""
        world.runtime.start(world.spec("web-1"), {})
        world.crash("web-1")
        world.until(lambda: not _running(world.runtime, "web-1"))
        state = world.runtime.look("web-1")
        assert state is not None
        assert state.exit_status == -9
        assert state.pid == 0

    def test_instances_outlive_the_agent(self, world: World) -> None:
        """A new agent finds the old one's instances, and starting them again starts nothing."""
        before = world.runtime.start(world.spec("web-1"), {})
        after = world.reopen()
        assert after.look("web-1") == before
        assert after.start(world.spec("web-1"), {}).pid == before.pid
        after.stop("web-1", grace=5.0)
        assert not _running(after, "web-1")

    def test_a_stop_leaves_an_exited_instance(self, world: World) -> None:
        """A stopped instance is known as exited; stopping it again does nothing."""
        world.runtime.start(world.spec("web-1"), {})
        world.up("web-1")
        for _ in range(2):
            world.runtime.stop("web-1", grace=5.0)
            state = world.runtime.look("web-1")
            assert state is not None
            assert not state.running
            assert state.exit_status is not None

    def test_stopping_the_unknown_does_nothing(self, world: World) -> None:
        """Stop and remove of a name nobody started are quiet."""
        world.runtime.stop("nobody", grace=1.0)
        world.runtime.remove("nobody")
        assert world.runtime.list() == ()

    def test_remove_ends_and_forgets(self, world: World) -> None:
        """A removed instance is gone from look and list, and removing it again is quiet."""
        world.runtime.start(world.spec("web-1"), {})
        world.runtime.remove("web-1")
        world.runtime.remove("web-1")
        assert world.runtime.look("web-1") is None
        assert world.runtime.list() == ()

    def test_logs_stay_readable_after_removal(self, world: World) -> None:
        """The last lines of an instance, oldest first, are there while it runs and after it was removed."""
        world.runtime.start(world.spec("web-1"), {})
        world.up("web-1")
        for line in ("one", "two", "three"):
            world.say("web-1", line)
        world.until(lambda: tuple(world.runtime.logs("web-1", lines=2)) == ("two", "three"))
        world.runtime.remove("web-1")
        assert tuple(world.runtime.logs("web-1", lines=1)) == ("three",)
        assert tuple(world.runtime.logs("web-1", lines=0)) == ()
        assert tuple(world.runtime.logs("nobody")) == ()

    def test_nothing_is_refused_where_nobody_tried(self, world: World) -> None:
        """An environment whose programs tried to reach nothing has no refused attempts, nor has one that never was."""
        world.runtime.start(world.spec("web-1"), {})
        assert tuple(world.runtime.denied("shop/stage")) == ()
        assert tuple(world.runtime.denied("shop/nowhere", lines=3)) == ()

    def test_list_holds_exited_instances_too(self, world: World) -> None:
        """List names every instance that is known, running or not."""
        world.runtime.start(world.spec("web-2"), {})
        world.runtime.start(world.spec("web-1"), {})
        world.runtime.stop("web-2", grace=0.0)
        assert [(state.name, state.running) for state in world.runtime.list()] == [("web-1", True), ("web-2", False)]

    def test_no_address_is_shared_with_what_is_still_known(self, world: World) -> None:
        """The address of an exited instance is nobody else's until that instance is removed."""
        first = world.runtime.start(world.spec("web-1"), {})
        world.runtime.stop("web-1", grace=0.0)
        second = world.runtime.start(world.spec("web-2"), {})
        assert second.address != first.address

    def test_connections_are_counted_while_they_last(self, world: World) -> None:
        """Established connections to an instance count, closed ones do not, and one that is gone has none."""
        world.runtime.start(world.spec("web-1"), {})
        world.up("web-1")
        world.until(lambda: world.runtime.connections("web-1") == 0)
        with world.connect("web-1"):
            world.until(lambda: world.runtime.connections("web-1") == 1)
        world.until(lambda: world.runtime.connections("web-1") == 0)
        world.runtime.stop("web-1", grace=0.0)
        assert world.runtime.connections("web-1") == 0
        assert world.runtime.connections("nobody") == 0

    def test_a_run_gives_exit_status_and_output(self, world: World) -> None:
        """A run that ends with an error is a result, not an exception."""
        result = world.runtime.run(Run(name="check-1", spec=world.prints("hello", 3), args=("a", "b c")), {})
        assert result.exit_status == 3
        assert "hello" in result.output
        assert result.outputs
        assert world.runtime.list() == ()

    def test_a_run_masks_its_secrets(self, world: World) -> None:
        """A secret that a run prints is masked in its output."""
        secrets = {"TOKEN": Secret("open-sesame")}
        result = world.runtime.run(Run(name="check-1", spec=world.prints("say open-sesame now", 0)), secrets)
        assert "open-sesame" not in result.output
        assert "say" in result.output

    def test_a_run_ends_at_its_timeout(self, world: World) -> None:
        """A run that takes too long is stopped and has no exit status."""
        result = world.runtime.run(Run(name="slow", spec=world.sleeps(), timeout=0.2), {})
        assert result.exit_status is None

    def test_a_begun_run_goes_on_by_itself(self, world: World) -> None:
        """A run that was begun goes on without its starter, is found by the next agent, and ends when it is stopped."""
        run = Run(name="settle-1", spec=world.sleeps())
        world.runtime.begin_run(run, {})
        assert world.runtime.run_end(run, wait=0.0) is None
        runtime = world.reopen()
        assert runtime.run_end(run, wait=0.05) is None
        assert runtime.list() == ()
        runtime.stop_run(run, grace=5.0)
        end = runtime.run_end(run, wait=5.0)
        assert end is not None
        assert end.exit_status is not None
        assert end.exit_status < 0
        assert not end.lost
        assert runtime.run_end(run, wait=0.0) == end
        runtime.stop_run(run, grace=0.0)
        runtime.drop_run(run)

    def test_a_begun_run_is_begun_once(self, world: World) -> None:
        """A name has one run, also when it has ended and another agent asks; its end and output stay the same."""
        run = Run(name="report-1", spec=world.prints("hello", 3), args=("a", "b c"))
        world.runtime.begin_run(run, {})
        end = world.runtime.run_end(run, wait=20.0)
        assert end is not None
        assert end.exit_status == 3
        assert "hello" in end.output
        assert end.outputs
        written = world.runtime.run_output(run)
        runtime = world.reopen()
        runtime.begin_run(run, {})
        assert runtime.run_end(run, wait=0.0) == end
        assert runtime.run_output(run) == written
        assert "hello" in "\n".join(written.lines)
        assert runtime.run_output(run, written.cursor).lines == ()
        runtime.drop_run(run)
        runtime.drop_run(run)
        assert runtime.run_output(run).lines == ()

    def test_nobody_saw_the_end_of_what_was_never_begun(self, world: World) -> None:
        """A run that was never begun has an end without an exit status; stopping or dropping it does nothing."""
        run = Run(name="never-1", spec=world.prints("hello", 0))
        world.runtime.stop_run(run, grace=0.0)
        end = world.runtime.run_end(run, wait=0.0)
        assert end is not None
        assert end.exit_status is None
        world.runtime.drop_run(run)

    def test_the_platform_is_told(self, world: World) -> None:
        """The platform names system, machine and Python, for artifacts to be held against."""
        platform = world.runtime.platform()
        assert platform.system == "linux"
        assert platform.machine
        assert platform.python.startswith("3.")


def _running(runtime: Runtime, name: str) -> bool:
    state = runtime.look(name)
    return state is not None and state.running
