"""What one run of the command line knows: the global options, the project, and the agents it talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lading.cli.project import Outline
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

    def outline_if_any(self) -> Outline | None:
        """Return the project's outline, or None outside a project."""
        from lading.cli.project import find_manifest

        return self.outline if find_manifest(self.directory) is not None else None

    def own_agent(self) -> Agent:
        """Return the agent of ``--agent``, else this user's own."""
        from lading.client.local import agent_at

        return agent_at(self.agent)

    def agent_for(self, environment: str) -> Agent:
        """Return the agent that holds an environment of the project."""
        from lading.client.local import agent_at

        return agent_at(self.agent or self.outline.host_of(environment))

    def agent_on(self, environment: str | None) -> Agent:
        """Return the agent of an environment if one is named, else one's own."""
        return self.own_agent() if environment is None else self.agent_for(environment)

    def say(self, text: str = "") -> None:
        """Print a line for people; nothing in JSON mode."""
        if not self.json:
            echo(text)

    def note(self, text: str) -> None:
        """Print a line for people beside the result, on stderr."""
        if not self.json:
            echo(text, err=True)

    def result(self, value: Any) -> None:
        """Print the result object: in JSON mode one line, otherwise nothing."""
        if self.json:
            echo_json(value)


# A program's log lines end on an operator's terminal, which must not take orders from them.
_CONTROLS = {number: "\ufffd" for number in (*range(32), *range(127, 160)) if chr(number) not in "\t\n"}


def echo(text: str = "", *, err: bool = False) -> None:
    """Print text, without colours where ``NO_COLOR`` is set or the stream is no terminal."""
    import os

    click.echo(text.translate(_CONTROLS), err=err, color=False if os.environ.get("NO_COLOR") else None)


def echo_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False))


pass_state = click.make_pass_decorator(State, ensure=True)
