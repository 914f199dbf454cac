"""What ``ssh`` says when it does not get through, in words that say what to do."""

from typing import NamedTuple

from lading.client.address import SshHost
from lading.model.errors import LadingError

SHOWN_LINES = 4


class Reading(NamedTuple):
    """What a line of ssh's means: how it begins or what it holds, what happened, and what to do about it."""

    sign: str
    happened: str
    hint: str


# The first sign that is found counts: a changed key also fails verification.
READINGS = (
    Reading(
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one noted here: it was set up anew, or another machine answers in its place",
        "ask who runs it; if the new key is right: ssh-keygen -R {name}, then {ssh}",
    ),
    Reading(
        "Host key verification failed",
        "its host key is not known here, and nobody can be asked in the middle of a command",
        "{ssh}, compare the fingerprint it shows with the machine's own, say yes; then the same command again",
    ),
    Reading(
        "Permission denied (",
        "it takes none of the keys that ssh offers",
        "{ssh} must get in without asking anything: ssh-add a key that has a passphrase; "
        "a machine that does not know the key yet gets it from: lading host add ssh://root@{name}",
    ),
    Reading(
        "Too many authentication failures",
        "it refused after too many keys were offered",
        "name the right one in ~/.ssh/config: IdentityFile and IdentitiesOnly yes",
    ),
    Reading("Could not resolve hostname", "no machine of that name is known", "see that the name is right: {ssh}"),
    Reading("Connection refused", "nobody listens for ssh there", "see that sshd runs there, and on which port: {ssh}"),
    Reading("timed out", "it does not answer", "see that it is up and that the network leads to it: {ssh}"),
    Reading("No route to host", "no way leads to it", "see that it is up and that the network leads to it: {ssh}"),
    Reading("Network is unreachable", "no way leads to it", "see that this machine has a network: {ssh}"),
    Reading("Connection closed by", "it closed the connection", "its sshd says why in its own log; {ssh}"),
)


def problem(host: SshHost, said: str) -> LadingError:
    """Return the error for what ssh wrote when it failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and "@@@" not in line]
    reading = next((one for one in READINGS if one.sign in said), None)
    words = {"ssh": command(host), "name": host.name}
    happened = reading.happened if reading else (lines[-1] if lines else "ssh failed without a word")
    return LadingError(
        "agent-unreachable",
        doing=f"connecting to {host}",
        happened=happened,
        now="nothing was sent; what it serves goes on serving",
        hint=(reading.hint if reading else "see what it says: {ssh}").format(**words),
        details=tuple(f"ssh: {line}" for line in lines[-SHOWN_LINES:]) if reading else (),
    )


def command(host: SshHost) -> str:
    """Return the command that a person would type to get there."""
    port = f"-p {host.port} " if host.port else ""
    return f"ssh {port}{host.login}"


def no_ssh(host: SshHost, words: list[str]) -> LadingError:
    """Return the error for a machine without ssh."""
    return LadingError(
        "agent-unreachable",
        doing=f"connecting to {host}",
        happened=f"there is no command {words[0]} on this machine",
        now="nothing was sent",
        hint="install OpenSSH's client (Debian: apt-get install openssh-client)",
    )
