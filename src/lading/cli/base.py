"""The shapes of commands: groups that load a command only when it is run, and the options every command takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lading.cli.state import State

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


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
            type=click.Path(file_okay=False),
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
            help="Ask the agent at ADDRESS (unix:///path, ssh://USER@HOST), whatever the manifest says.",
        ),
    ]


class Named(click.types.StringParamType):
    """A text that a shell may complete by what its parameter is called: an environment, a version, a service."""

    def __init__(self, name: str) -> None:
        self._called = name

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that the value may be."""
        from lading.cli.completing import COMPLETERS

        complete = COMPLETERS.get(self._called)
        return complete(ctx, param, incomplete) if complete is not None else []


class LadingCommand(click.Command):
    """A command that takes the global options too, completes names, and shows examples."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())
        for parameter in self.params:
            if parameter.type is click.STRING and parameter.name:
                parameter.type = Named(parameter.name)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options; those that every command takes are only named."""
        shared = {option.name for option in global_options()}
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option) and one.name not in shared]
        own = [option.get_help_record(ctx) for option in options]
        records = [record for record in own if record is not None]
        with formatter.section("Options"):
            formatter.write_dl([*records, ("--json, -C, --agent", "As everywhere: lading --help.")])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's examples below its help."""
        from lading.cli.examples import EXAMPLES

        examples = EXAMPLES.get(path_of(ctx), ())
        if examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {example}\n" for example in examples))
        super().format_epilog(ctx, formatter)


def path_of(ctx: click.Context) -> str:
    """Return a command as it is typed after ``lading``: ``secrets set``."""
    return ctx.command_path.partition(" ")[2]


class UnknownCommand(click.UsageError):
    """There is no such command; ``meant`` are those that there are and that may have been meant, best first."""

    def __init__(self, ctx: click.Context, word: str, meant: list[str]) -> None:
        super().__init__(f"no such command {word!r}", ctx)
        self.possibilities = meant


class LadingGroup(click.Group):
    """A noun with its verbs."""

    command_class = LadingCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word; raise :class:`UnknownCommand` when there is none."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            from lading.cli.road import close_to

            raise UnknownCommand(ctx, args[0], close_to(args[0], known))
        return super().resolve_command(ctx, args)


class Unread(Exception):
    """The reader of the output went away."""


class LazyGroup(LadingGroup):
    """The top of the tree: it imports a command's module only when that command is asked for."""

    def __init__(self, *args: Any, modules: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())
        self._modules = modules

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the road on one screen, whatever of it there is."""
        from lading.cli.road import help_lines

        known = self.list_commands(ctx)
        formatter.write("".join(f"{line}\n" for line in help_lines(known, lambda name: self._short_help(ctx, name))))

    def _short_help(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(50) if command is not None else ""

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
