"""The shapes of commands: groups that load a command only when it is run, and the options every command takes."""

from collections.abc import Callable
from typing import Any

import click

from lading.cli.state import State


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(ctx.ensure_object(State), name, value)

    return store


def global_options() -> list[click.Parameter]:
    """Return the options that may stand before or after the command's name."""
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set("json"),
            help="Print JSON lines: events first, the result object last.",
        ),
        click.Option(
            ["--project", "-C"],
            metavar="DIR",
            is_eager=True,
            expose_value=False,
            callback=_set("directory"),
            help="Work on the project in DIR instead of the current directory.",
        ),
        click.Option(
            ["--agent"],
            metavar="ADDRESS",
            is_eager=True,
            expose_value=False,
            callback=_set("agent"),
            help="Ask the agent at ADDRESS (unix:///path), whatever the manifest says.",
        ),
    ]


class LadingCommand(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())


class LadingGroup(click.Group):
    """A noun with its verbs."""

    command_class = LadingCommand


class Unread(Exception):
    """The reader of the output went away."""


class LazyGroup(click.Group):
    """The top of the tree: it imports a command's module only when that command is asked for."""

    def __init__(self, *args: Any, modules: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())
        self._modules = modules

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for; raise :class:`Unread` when nobody reads its output any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Click would make an ordinary failure of it.
            raise Unread from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of the road, as the help shows them."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command."""
        if cmd_name not in self._modules:
            return None
        import importlib

        module = importlib.import_module(self._modules[cmd_name])
        command: click.Command = getattr(module, cmd_name)
        return command
