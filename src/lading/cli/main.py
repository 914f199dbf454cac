"""The command ``lading``: the only place where errors become text, JSON and an exit status."""

import os
import re
import signal
import sys
from collections.abc import Sequence

import click

from lading import __version__
from lading.cli.base import LazyGroup, Unread
from lading.cli.state import State, echo, echo_json
from lading.model.errors import BAD_INPUT, REFUSED, UNEXPECTED, LadingError

INTERRUPTED = 130  # exit status after Ctrl-C, as shells count it
COMPLETING = "_LADING_COMPLETE"  # the variable by which the script of ``lading completion`` asks
PIPE_CLOSED = 141  # exit status when the reader of our output went away

COMMANDS = {
    "init": "lading.cli.init",
    "check": "lading.cli.manifest",
    "up": "lading.cli.up",
    "down": "lading.cli.up",
    "dev": "lading.cli.dev",
    "schema": "lading.cli.manifest",
    "release": "lading.cli.release",
    "plan": "lading.cli.plan",
    "diff": "lading.cli.diff",
    "deploy": "lading.cli.deploy",
    "promote": "lading.cli.promote",
    "rollback": "lading.cli.deploy",
    "cancel": "lading.cli.deploy",
    "follow": "lading.cli.deploy",
    "run": "lading.cli.run",
    "runs": "lading.cli.run",
    "outputs": "lading.cli.outputs",
    "status": "lading.cli.status",
    "history": "lading.cli.history",
    "maintenance": "lading.cli.maintenance",
    "logs": "lading.cli.logs",
    "bill": "lading.cli.bill",
    "attest": "lading.cli.bill",
    "approve": "lading.cli.approve",
    "revoke": "lading.cli.bill",
    "trust": "lading.cli.trust",
    "policy": "lading.cli.policy",
    "secrets": "lading.cli.secrets",
    "stack": "lading.cli.stack",
    "host": "lading.cli.host",
    "agent": "lading.cli.agent",
    "explain": "lading.cli.explain",
    "doctor": "lading.cli.doctor",
    "completion": "lading.cli.completion",
}


@click.group(
    "lading",
    cls=LazyGroup,
    modules=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="lading %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Take a Python project from a laptop to production on one artifact and one set of checks."""
    if ctx.invoked_subcommand is None:
        from lading.cli.stand import stand

        stand(ctx.ensure_object(State))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; without ``arguments`` as the program that it is."""
    if arguments is not None:
        return _run(arguments)
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding has no sign for must not end a command.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if COMPLETING in os.environ:
        # A shell asks what may follow: whatever goes wrong, nobody wants to read of it in the middle of a command line.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - it is the stream of the rest of this short run
    status = _run(sys.argv[1:])
    if status == INTERRUPTED:
        # A second Ctrl-C while Python ends would print its traceback over the last words.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _run(arguments: Sequence[str]) -> int:
    state = State()
    try:
        status = cli.main(arguments, prog_name="lading", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        # An option that click could not parse was no option yet, so ask the words themselves.
        return _fail(_usage(error), json=state.json or "--json" in arguments)
    except LadingError as error:
        return _fail(error, json=state.json)
    except (KeyboardInterrupt, click.Abort):
        echo("interrupted; what an agent had accepted goes on: lading status", err=True)
        return INTERRUPTED
    except (Unread, BrokenPipeError):
        # Python flushes stdout once more at exit and would complain about the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - the last frame: a stray failure must still be told and counted
        return _fail(_unexpected(error), json=state.json)
    return status if isinstance(status, int) else 0


def _usage(error: click.ClickException) -> LadingError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "lading"
    happened, hint = _sentence(error.format_message()), f"{path} --help"
    meant = getattr(error, "possibilities", None)
    if meant:
        # Click's own words for it differ from case to case.
        happened = re.split(r"\.? \(?Did you mean", happened)[0]
        hint = f"did you mean {' or '.join(meant)}?   {hint}"
    return LadingError("usage", doing=path, happened=happened, hint=hint)


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _unexpected(error: Exception) -> LadingError:
    import traceback

    where = traceback.extract_tb(error.__traceback__)[-1]
    return LadingError(
        "unexpected",
        doing="running lading",
        happened=f"{type(error).__name__}: {error}",
        details=(f"at {where.filename}:{where.lineno} in {where.name}",),
        now="what an agent had accepted goes on",
        hint="lading status; if it happens again, report it with these lines",
    )


def _fail(error: LadingError, *, json: bool) -> int:
    """Tell an error and return its exit status."""
    if json:
        if not getattr(error, "told", False):
            echo_json({"error": error.to_plain()})
    else:
        tell_error(error)
    return error.exit_status if error.exit_status else UNEXPECTED


def tell_error(error: LadingError) -> None:
    """Print an error as people read it, on stderr."""
    text = error_text(error)
    head = "refused" if text.startswith("refused:") else ""
    echo(text.removeprefix(head), err=True, head=head, look="red")


def error_text(error: LadingError) -> str:
    """Return an error as people read it; a refusal says so first."""
    text = str(error)
    return f"refused: {text}" if error.exit_status == REFUSED and not text.startswith("refused") else text


assert click.UsageError.exit_code == BAD_INPUT, "usage errors and bad input share one exit status"

if __name__ == "__main__":
    sys.exit(main())
