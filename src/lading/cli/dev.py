"""``lading dev``: the project's programs from the work tree, again whenever a file changes."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingCommand
from lading.cli.dev_backing import Backed, back, stays
from lading.cli.interrupts import heard, ignored
from lading.cli.locally import local_environment
from lading.cli.main import error_text
from lading.cli.progress import story_for
from lading.cli.state import State, echo_json, pass_state
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from pathlib import Path

    from lading.cli.dotenv import DotEnv
    from lading.cli.progress import Story
    from lading.dev.session import Prepared
    from lading.model.secret import Secret

OWN = "lading"  # the name before Lading's own lines
COLOURS = ("cyan", "green", "yellow", "red")


@click.command(cls=LadingCommand)
@click.argument("environment", required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="Where the first web service listens.")
@pass_state
def dev(state: State, environment: str | None, port: int | None) -> None:
    """Run the project's services from the work tree, and start them again whenever a file changes.

    They run in the project's own virtual environment with the configuration of the local ENVIRONMENT: variables of the
    manifest, secrets of the .env, the environment's own databases, volumes and backing services, which are brought up
    where they are not. A web service listens on the port that the manifest gives it, or the first one on --port. Ctrl-C
    ends the programs; what backs them stays up until "lading down".
    """
    from lading.dev.session import Session
    from lading.dev.watching import Watching

    desk = _Desk(state, environment, port)
    prepared = desk.prepare()
    names = [program.name for program in (*prepared.first, *prepared.programs)]
    told = _Lines(state, names, desk)
    told.note(desk.introduction())
    session = Session(desk.root, lambda: desk.again(told), told)
    watching = Watching(desk.root, desk.virtualenv, session.changed)
    # A terminal that is closed must leave nothing running either.
    with heard(signal.SIGTERM, signal.SIGHUP):
        watching.start()
        try:
            session.run(prepared)
        except KeyboardInterrupt:
            with ignored():
                told.note(f"ended: {', '.join(names)}")
                if desk.backed.servers:
                    told.note(stays(desk.backed.servers, desk.environment))
        finally:
            watching.close()
    state.result({"dev": {"project": desk.project, "environment": desk.environment, "programs": names}})


class _Desk:
    """Reads what is to run, and reads it again after the manifest or the ``.env`` changed."""

    def __init__(self, state: State, environment: str | None, port: int | None) -> None:
        self._state = state
        self._asked = environment
        self._port = port
        self._local = local_environment(state, environment, "dev")
        self._ports: dict[str, int] = {}
        self._story: Callable[[], Story] = lambda: story_for(state)
        self.virtualenv = self._find_virtualenv()
        self.secrets: DotEnv | None = None
        self.backed = Backed()

    @property
    def root(self) -> Path:
        """The project's directory."""
        return self._local.directory.resolve()

    @property
    def project(self) -> str:
        """The project's name."""
        return self._local.project

    @property
    def environment(self) -> str:
        """The local environment's name."""
        return self._local.name

    def introduction(self) -> str:
        """Return the line that says what runs how."""
        place = os.path.relpath(self.virtualenv, self.root)
        shown = str(self.virtualenv) if place.startswith("..") else place
        backed = f", with {places}" if (places := self.backed.places()) else ""
        ends = "starts again when a file changes, Ctrl-C ends it"
        return f"{self.project} as in {self.environment}{backed}, in {shown}; {ends}"

    def prepare(self) -> Prepared:
        """Return what is to run as it is configured now."""
        from lading.cli.dotenv import read_dotenv, require, tell
        from lading.dev import ports
        from lading.dev.programs import Given, migrations, services
        from lading.dev.session import Prepared

        local = self._local
        found = read_dotenv(local.directory, local.manifest, local.table)
        if self.secrets is None:
            tell(self._state, local.directory, found)
        # What the terminal's own environment has reaches the programs too.
        require(local.directory, local.manifest, local.name, found, os.environ, storable=False)
        self.secrets = found
        self._ports = ports.choose(local.manifest, self._port, self._ports.values())
        given = Given(
            root=self.root,
            virtualenv=self.virtualenv,
            secrets=found.secrets,
            databases=dict.fromkeys(local.manifest.databases, ""),
            volumes={name: "" for service in local.manifest.services.values() for name in service.volumes},
            environ=os.environ,
        )
        # First of all, whether they can be run: nobody should wait for a server to hear of a misspelt command.
        if not services(local.manifest, local.table, given, self._ports):
            raise LadingError(
                "usage",
                doing="lading dev",
                happened="the manifest has no service to run",
                now="nothing was started",
                hint="add a table [services.web] with a command and a port",
            )
        migrations(local.manifest, local.table, given)
        self.backed = backed = back(self._state, local, found.secrets, self._story)
        given = dataclasses.replace(
            given, databases=backed.databases, volumes=backed.volumes, told=backed.told, hosts=backed.hosts
        )
        programs = services(local.manifest, local.table, given, self._ports)
        return Prepared(tuple(migrations(local.manifest, local.table, given)), tuple(programs))

    def again(self, told: _Lines) -> Prepared:
        """Read the configuration anew and return what is to run; ``told`` hears of what is brought up meanwhile."""
        self._state.forget()
        self._story = lambda: _Noted(self._state, told)
        self._local = local_environment(self._state, self._asked, "dev")
        return self.prepare()

    @property
    def unseen(self) -> tuple[Secret, ...]:
        """What nobody may see in the lines of programs."""
        return (*(self.secrets.secrets.values() if self.secrets is not None else ()), *self.backed.unseen)

    def _find_virtualenv(self) -> Path:
        from lading.dev.virtualenv import find

        builds = self._local.manifest.build.values()
        locks = [build.bundle for build in builds if build.bundle is not None]
        return find(self.root, locks, os.environ)


class _Noted:
    """Tells a story among the lines of programs that run meanwhile, where nothing can be drawn anew."""

    def __init__(self, state: State, told: _Lines) -> None:
        self._state = state
        self._told = told

    def event(self, event: dict[str, Any]) -> None:
        """Tell the line that an event leaves behind."""
        from lading.cli.progress import layout, line_of

        line = line_of(event)
        if self._state.json:
            echo_json({"event": event})
        elif line is not None:
            self._told.note(layout(line, 0).strip())

    def close(self) -> None:
        """Do nothing: every line is complete."""


class _Lines:
    """Prints what programs write, each line with its program's name before it, and what Lading has to say."""

    def __init__(self, state: State, names: Sequence[str], desk: _Desk) -> None:
        from lading.cli.terminal import Paint, wants_colour

        self._state = state
        self._desk = desk
        self._width = max(map(len, (*names, OWN)))
        self._colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
        self._paint = Paint(wants_colour(sys.stdout))
        self._lock = threading.Lock()
        self._masking: tuple[object, Any] = (None, None)

    def line(self, name: str, text: str) -> None:
        """Print a line that a program wrote, its secrets masked."""
        self._print(name, self._masked(text), self._colours.get(name, "dim"))

    def note(self, text: str) -> None:
        """Print a line of Lading's own."""
        self._print(OWN, text, "bold")

    def trouble(self, error: LadingError) -> None:
        """Print an error that does not end the session."""
        for text in error_text(error).splitlines():
            self._print(OWN, text, "red")

    def _masked(self, text: str) -> str:
        from lading.model.secret import redacting

        known = self._desk.unseen
        if self._masking[0] != known:
            self._masking = (known, redacting(known))
        masked: str = self._masking[1](text)
        return masked

    def _print(self, name: str, text: str, colour: str) -> None:
        from lading.cli.cells import harmless

        with self._lock:
            if self._state.json:
                echo_json({"event": {"kind": "line", "name": name, "text": text}})
            else:
                label = self._paint(f"{name:<{self._width}} |", colour)
                click.echo(f"{label} {harmless(text)}", color=True)
            sys.stdout.flush()
