"""The compose plugin as a program: found, asked, fed. Values travel in its environment and by pipe alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lading.model.errors import LadingError
from lading.model.secret import Secret, redact

NAME = "docker-compose"
PLACES = (
    *("/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins"),
    *("/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins"),
)
OLDEST = 2
ASKED = 30.0  # seconds to say its version or to read a file
LIMIT = 900.0  # seconds for what it does with the engine; images may have to be pulled
LAST_LINES = 8
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_KEPT = ("PATH", "HOME", "DOCKER_CONFIG", *_PROXIES)


class Told(NamedTuple):
    """How a call ended: exit status, what it printed, and its last lines of complaint."""

    status: int
    out: str
    lines: tuple[str, ...]


class Plugin:
    """The plugin at the engine of a socket."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._program = ""

    def require(self) -> None:
        """Raise ``no-compose`` when there is none of a version that does, or the agent is not root."""
        if os.geteuid() != 0:
            raise _missing("the agent is not root, and a compose file is read as a user that can read nothing else")
        self._find()

    def _find(self) -> str:
        """Return the plugin, which is a program that also works by itself."""
        if self._program and os.access(self._program, os.X_OK):
            return self._program
        seen = []
        for program in _candidates():
            version = self._version(program)
            if version.split(".")[0].isdecimal() and int(version.split(".")[0]) >= OLDEST:
                self._program = program
                return program
            seen.append(f"{program} is of version {version or 'unknown'}, and {OLDEST} is needed")
        raise _missing("; ".join(seen) or f"there is no {NAME} where the engine's plugins lie, nor in PATH")

    def _version(self, program: str) -> str:
        try:
            done = subprocess.run(
                [program, "version", "--short"],
                capture_output=True,
                text=True,
                timeout=ASKED,
                check=False,
                stdin=subprocess.DEVNULL,
                env=self._environment({}),
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = re.search(r"\d+(\.\d+)+", done.stdout)
        return found.group() if done.returncode == 0 and found else ""

    def read(self, project: str, directory: Path, file: str, variables: Mapping[str, str], user: int) -> Told:
        """Return a compose file with everything filled in, as JSON; it is read as ``user``, without the engine."""
        words = ["--project-name", project, "--project-directory", str(directory), "--file", file]
        return self._run([*words, "config", "--format", "json"], variables, cwd=directory, user=user, limit=ASKED)

    def act(
        self, project: str, words: Sequence[str], tree: Any = None, tell: Callable[[str], None] = lambda _: None
    ) -> Told:
        """Do something with a project; ``tree`` is what it consists of. ``tell`` gets what the plugin says of it."""
        command = ["--progress", "plain", "--project-name", project]
        given = None
        if tree is not None:
            command += ["--file", "-"]
            given = json.dumps(tree)
        return self._run([*command, *words], {}, given=given, tell=tell, cwd=Path("/"))

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # A file named .env would fill in what nobody asked for.
        return {**variables, **kept, "DOCKER_HOST": f"unix://{self._socket}", "COMPOSE_DISABLE_ENV_FILE": "1"}

    def _run(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        given: str | None = None,
        tell: Callable[[str], None] = lambda _: None,
        cwd: Path,
        user: int | None = None,
        limit: float = LIMIT,
    ) -> Told:
        environment = self._environment(variables)
        if user is not None:
            environment |= {"HOME": str(cwd), "DOCKER_CONFIG": str(cwd)}
        # By its descriptor: whoever it runs as need not be able to walk to where it lies.
        program = os.open(self._find(), os.O_RDONLY)
        process = subprocess.Popen(
            [NAME, *command],
            executable=f"/proc/self/fd/{program}",
            pass_fds=(program,),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env=environment,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
        )
        os.close(program)
        timer = threading.Timer(limit, _kill, [process])
        began = time.monotonic()
        timer.start()
        try:
            told = _conversation(process, given, tell)
            if told.status == -signal.SIGKILL and time.monotonic() - began >= limit:
                told = told._replace(lines=(*told.lines, f"it was ended, as it had not come to an end in {limit:g} s"))
            return told
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _conversation(process: "subprocess.Popen[str]", given: str | None, tell: Callable[[str], None]) -> Told:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    out: list[str] = []
    stdin, stdout = process.stdin, process.stdout

    def feed() -> None:
        try:
            stdin.write(given or "")
            stdin.close()
        except BrokenPipeError:
            return  # it has ended: what it complained of says why

    threads = [threading.Thread(target=feed), threading.Thread(target=lambda: out.append(stdout.read()))]
    for thread in threads:
        thread.start()
    lines = []
    for line in process.stderr:
        if line.strip():
            lines.append(line.strip())
            tell(line.strip())
    for thread in threads:
        thread.join()
    return Told(process.wait(), "".join(out), tuple(lines))


def _kill(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def last_words(told: Told, secrets: Mapping[str, Secret]) -> tuple[str, ...]:
    """Return the end of what the plugin complained of, without values."""
    return tuple(redact(line, secrets.values()) for line in told.lines[-LAST_LINES:])


def _candidates() -> Iterator[str]:
    own = os.environ.get("DOCKER_CONFIG") or os.path.join(os.environ.get("HOME", "/root"), ".docker")
    for place in (os.path.join(own, "cli-plugins"), *PLACES):
        program = os.path.join(place, NAME)
        if os.access(program, os.X_OK):
            yield program
    found = shutil.which(NAME)
    if found is not None:
        yield found


def _missing(reason: str) -> LadingError:
    return LadingError(
        "no-compose",
        doing="looking for the compose plugin",
        happened=reason,
        now="no stack was touched",
        hint="on the agent's host, as root: apt-get install docker-compose-v2 (Ubuntu), docker-compose (Debian 13) or "
        "docker-compose-plugin (Docker's own packages)",
    )
