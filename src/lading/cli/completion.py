"""``lading completion``: the script that lets a shell complete commands, environments, versions and the rest."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.model.errors import LadingError

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=LadingCommand)
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, instead of printing it.")
@pass_state
def completion(state: State, shell: str, install: bool) -> None:
    """Print the script that completes lading in SHELL.

    It completes commands, options, environments, versions, services, secrets and error codes. What is completed comes
    from the manifest, from git and from an agent that runs; none is started for it.
    """
    script = _script(shell)
    if not install:
        if not state.json:
            click.echo(script)
        state.result({"completion": {"shell": shell, "file": None, "script": script}})
        return
    path = place(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{script}\n")
    except OSError as error:
        raise LadingError(
            "unexpected",
            doing=f"writing {path}",
            happened=str(error.strerror),
            now="nothing was installed",
            hint=f"lading completion {shell} > FILE, and source FILE in your shell's start file",
        ) from error
    state.say(f"written to {path}; {_then(shell, path)}")
    state.result({"completion": {"shell": shell, "file": str(path)}})


def _script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    from lading.cli.main import COMPLETING, cli

    kind = get_completion_class(shell)
    assert kind is not None, "click knows these three"
    return str(kind(cli, {}, "lading", COMPLETING).source()).strip()


def place(shell: str) -> Path:
    """Return the file of this user that a shell reads completions of lading from."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / "lading",
        "zsh": home / ".zfunc" / "_lading",
        "fish": config / "fish" / "completions" / "lading.fish",
    }[shell]


def _then(shell: str, path: Path) -> str:
    if shell == "fish":
        return "it is there in the next fish"
    if shell == "zsh":
        return "in ~/.zshrc, before anything else completes: fpath+=(~/.zfunc); autoload -Uz compinit && compinit"
    return f"it is there in the next bash that has the package bash-completion; in any other: source {path}"
