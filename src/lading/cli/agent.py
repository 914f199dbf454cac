"""``lading agent``: the daemon of this host."""

from __future__ import annotations

import os
import signal
import sys
import time

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, pass_state
from lading.cli.words import count
from lading.client.address import Address, local_address
from lading.client.agent import Agent
from lading.client.local import answers
from lading.model.errors import LadingError

STOP_TIMEOUT = 15.0  # seconds an agent may take to end
STOP_POLL = 0.02  # seconds between looks


@click.group(cls=LadingGroup)
def agent() -> None:
    """Run, start, stop and look at this host's agent."""


@agent.command("run")
def run() -> None:
    """Run the agent in the foreground, as a service manager does."""
    # The agent is started as a program: the command line shares no memory and no imports with it.
    os.execv(sys.executable, [sys.executable, "-m", "lading.agent", "--home", str(local_address().home)])


@agent.command("start")
@pass_state
def start(state: State) -> None:
    """Start the agent detached; quiet when it runs already."""
    state.start_agent(local_address())
    _tell(state)


@agent.command("status")
@pass_state
def status(state: State) -> None:
    """Show whether the agent runs, and as what. Exit status 7 when it does not."""
    _tell(state)


def _tell(state: State) -> None:
    own = Agent(local_address()) if state.agent is None else state.own_agent()
    about = own.get("/v1/agent")
    state.say(f"agent {about['name']} runs: lading {about['version']}, pid {about['pid']}")
    for name in ("home", "fingerprint", "runtime", "isolation"):
        state.say(f"  {name:<12} {about[name]}")
    state.result({"agent": about})


@agent.command("stop")
@click.option("--everything", is_flag=True, help="Stop what it serves too: nothing answers until it is started again.")
@pass_state
def stop(state: State, everything: bool) -> None:
    """Stop the agent. What it serves goes on serving; a running rollout is taken up when it runs again."""
    address = local_address()
    if not answers(address) and not (everything and address.home.exists()):
        state.say("the agent does not run")
        state.result({"agent": {"stopped": False}})
        return
    # Only an agent knows what it serves, so one that does not run is started to stop it.
    own = state.agent_at(None) if everything else Agent(address)
    serves = "what it served goes on serving"
    if everything:
        pid, stopped = halt(own)
        serves = f"{count(stopped, 'instance')} and the router stopped too"
    else:
        pid = own.get("/v1/agent")["pid"]
        _end(address, pid)
    state.say(f"stopped (pid {pid}); {serves}")
    state.result({"agent": {"stopped": True, "pid": pid}})


def halt(own: Agent) -> tuple[int, int]:
    """Stop an agent of this host with all it serves; return its process and how many instances it stopped."""
    pid: int = own.get("/v1/agent")["pid"]
    stopped: int = own.post("/v1/agent/halt")["stopped"]
    _end(own.address, pid)
    return pid, stopped


def _end(address: Address, pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while _alive(pid) or answers(address):
        if time.monotonic() > deadline:
            raise _goes_on(address, pid)
        time.sleep(STOP_POLL)


def _goes_on(address: Address, pid: int) -> LadingError:
    from lading.client.hosts.look import UNIT

    happened = f"it has not ended after {STOP_TIMEOUT:g} s"
    hint = f"its log: {address.home / 'agent.log'}; then kill {pid}"
    if not _alive(pid):
        happened = "it ended, and another runs in its place: something starts it again"
        hint = f"on a host that systemd looks after: systemctl stop {UNIT}"
    return LadingError(
        "unexpected",
        doing=f"stopping the agent (pid {pid})",
        happened=happened,
        now="what it serves goes on serving",
        hint=hint,
    )


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            # Dead but not reaped yet counts as dead.
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
