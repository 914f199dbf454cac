"""What one run of the command line knows: the global options, the project, and the agents it talks to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lading.cli.project import Outline
    from lading.client.address import Address
    from lading.client.agent import Agent


class State:
    """The global options, and what is found with them on first use."""

    def __init__(self) -> None:
        self.json = False
        self.directory = "."
        self.agent: str | None = None
        self._outline: Outline | None = None

    @property
    def outline(self) -> Outline:
        """The project's manifest, read shallowly; raise ``manifest-missing`` outside a project."""
        if self._outline is None:
            from lading.cli.project import outline

            self._outline = outline(self.directory)
        return self._outline

    def forget(self) -> None:
        """Read the manifest anew the next time it is asked for: it has changed."""
        self._outline = None

    def outline_if_any(self) -> Outline | None:
        """Return the project's outline, or None outside a project."""
        from lading.cli.project import find_manifest

        return self.outline if find_manifest(self.directory) is not None else None

    def own_agent(self) -> Agent:
        """Return the agent of ``--agent``, else this user's own."""
        return self.agent_at(self.agent)

    def agent_for(self, environment: str) -> Agent:
        """Return the agent that holds an environment of the project."""
        return self.agent_at(self.agent or self.outline.host_of(environment))

    def agent_on(self, environment: str | None) -> Agent:
        """Return the agent of an environment if one is named, else one's own."""
        return self.own_agent() if environment is None else self.agent_for(environment)

    def agent_at(self, host: str | None) -> Agent:
        """Return the agent that ``host`` names; this user's own is started when it does not run."""
        from lading.client.local import agent_at

        return agent_at(host, self.start_agent)

    def start_agent(self, address: Address) -> None:
        """Start this user's own agent; on a terminal one sees what is waited for."""
        from lading.cli.progress import working
        from lading.client.local import start

        with working(self, "agent", "starting") as work:
            start(address, lambda line: work.wait("starting", last=line))

    def say(self, text: str = "", *, head: str = "") -> None:
        """Print a line for people, with its head standing out; nothing in JSON mode."""
        if not self.json:
            echo(text, head=head)

    def note(self, text: str) -> None:
        """Print a line for people beside the result, on stderr."""
        if not self.json:
            echo(text, err=True)

    def result(self, value: Any) -> None:
        """Print the result object: in JSON mode one line, otherwise nothing."""
        if self.json:
            echo_json(value)


def echo(text: str = "", *, err: bool = False, head: str = "", look: str = "bold") -> None:
    """Print text; what a program wrote gives no orders to the terminal it ends up on.

    ``head`` comes first and stands out where there are colours, as ``look`` says.
    """
    from lading.cli.cells import harmless

    if head:
        from lading.cli.terminal import Paint, wants_colour

        head = Paint(wants_colour(sys.stderr if err else sys.stdout))(harmless(head), look)
    click.echo(head + harmless(text), err=err, color=True if head else None)


# JSON leaves these as they are, and some terminals take orders from them.
_CONTROLS = {number: f"\\u{number:04x}" for number in range(127, 160)}


def echo_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False).translate(_CONTROLS))


pass_state = click.make_pass_decorator(State, ensure=True)
