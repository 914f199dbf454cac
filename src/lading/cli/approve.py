"""``lading approve``: a person's consent to a release in an environment, signed with their own SSH key."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.agent import requester
from lading.model.errors import LadingError

NAMESPACE = "lading"


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("version")
@click.option(
    "--key",
    default="~/.ssh/id_ed25519",
    show_default=True,
    help="Your ed25519 SSH key; the agent of ENVIRONMENT must list it as an approver.",
)
@pass_state
def approve(state: State, environment: str, version: str, key: str) -> None:
    """Approve release VERSION for ENVIRONMENT, signed with your SSH key.

    The agent of ENVIRONMENT keeps the approval with the release's bill and counts it if your key is one of its
    approvers (lading trust add --approver) and you are not the one who asks for the rollout.
    """
    agent = state.agent_for(environment)
    question = {
        "project": state.outline.name,
        "version": version,
        "environment": environment,
        "requested_by": requester(),
    }
    asked = agent.post("/v1/approvals/draft", question)
    signature = _sign(base64.b64decode(asked["message"]), Path(key).expanduser())
    answer = agent.post("/v1/approvals", {"payload": asked["payload"], "signature": signature})
    state.say(f"approved {version} for {environment} as {answer['signer']} ({answer['fingerprint']})")
    state.result({"approval": {"version": version, "environment": environment, **answer}})


def _sign(message: bytes, key: Path) -> str:
    """Return the armored SSH signature of a message."""
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    try:
        done = subprocess.run(command, input=message, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise _failed("the program ssh-keygen is not installed", "apt-get install openssh-client") from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise _failed(
            f"ssh-keygen could not sign with {key}: {reason[0]}",
            "name your ed25519 key: --key FILE; ssh-keygen -t ed25519 makes one",
        )
    return done.stdout.decode()


def _failed(happened: str, hint: str) -> LadingError:
    return LadingError("usage", doing="signing the approval", happened=happened, now="nothing was recorded", hint=hint)
