"""What a program is given: its command, its environment variables, its directories. No process is touched here."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lading.model.environment import InstanceSpec
from lading.model.secret import Secret
from lading.ports.runtime.refusals import start_failed
from lading.runtime.process.ports import LOOPBACK

PASSED_ON = ("LANG", "TZ")  # of the agent's own environment; PATH is passed on without the agent's own programs
FALLBACK_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The directories of one environment and one release: laid-out layers, and what is the environment's own.

    ``server`` are the words that serve ``source_layer`` as built files, where that is all that is asked for.
    """

    environment_layer: Path
    source_layer: Path
    data: Path
    files_layer: Path | None = None
    server: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The environment's writable home directory."""
        return self.data / "home"

    @property
    def temporary(self) -> Path:
        """The environment's directory for temporary files."""
        return self.data / "tmp"

    @property
    def outputs(self) -> Path:
        """Where runs leave their files, a directory each."""
        return self.data / "outputs"

    def volume(self, name: str) -> Path:
        """Return where a volume lies; it stays from release to release."""
        return self.data / "volumes" / name

    @property
    def path(self) -> str:
        """The search path of programs: the release's own, then the system's."""
        return os.pathsep.join([str(self.environment_layer / "bin"), _system_path()])


def _system_path() -> str:
    # The agent's own virtual environment must never stand in for a program the release forgot to bring.
    own = str(Path(sys.prefix) / "bin") if sys.prefix != sys.base_prefix else None
    entries = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry and entry != own]
    return os.pathsep.join(entries) or FALLBACK_PATH


def variables(
    spec: InstanceSpec, secrets: Mapping[str, Secret], place: Place, *, port: int | None, user: int | None
) -> dict[str, str]:
    """Return all environment variables of the program, secrets in plain: for the process alone, never to be kept."""
    values = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if not place.server:
        values |= {"VIRTUAL_ENV": str(place.environment_layer), "PYTHONPATH": _python_path(place.source_layer)}
    values |= {
        "PATH": place.path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HOME": str(place.home),
        "TMPDIR": str(place.temporary),
    }
    if user is not None:
        # Without an account of its own the number has no name to look up; programs ask these first.
        values |= {"USER": f"lading-{user}", "LOGNAME": f"lading-{user}"}
    values |= spec.env
    values |= spec.databases
    values |= _places(spec, place)
    values |= {name: secret.reveal() for name, secret in secrets.items()}
    if port is not None:
        # Last: a port from the manifest would be another instance's here.
        values |= {"PORT": str(port), "HOST": LOOPBACK, "UVICORN_PORT": str(port), "UVICORN_HOST": LOOPBACK}
        values["FORWARDED_ALLOW_IPS"] = LOOPBACK
    return values


def _places(spec: InstanceSpec, place: Place) -> dict[str, str]:
    """Return the variables that tell of volumes and of the release's own files."""
    found = {volume.env: str(place.volume(name)) for name, volume in spec.volumes.items() if volume.env}
    if place.files_layer is not None:
        found |= {told.env: str(place.files_layer / path) for path, told in spec.files.items() if told.env}
    return found


def _given_places(spec: InstanceSpec, place: Place) -> dict[str, str]:
    """Return the variables that may stand in a command: places, which other users may read there, and no secret."""
    files = {name: told for name, told in spec.databases.items() if told.startswith(("sqlite", "/"))}
    return files | _places(spec, place)


def _python_path(source: Path) -> str:
    folders = [source, source / "src"] if (source / "src").is_dir() else [source]
    return os.pathsep.join(str(folder) for folder in folders)


def command(spec: InstanceSpec, place: Place, *, port: int | None, args: tuple[str, ...] = ()) -> list[str]:
    """Return the program's words, the first one an absolute path; raise ``start-failed`` when it is not there."""
    if place.server:
        return [*place.server, str(place.source_layer)]
    given = _given_places(spec, place)
    if port is not None:
        given |= {"port": str(port), "host": LOOPBACK}
    words = [_PLACEHOLDER.sub(lambda found: given.get(found[1], found[0]), word) for word in _words(spec)]
    program = words[0]
    found = _beside(place, program) if "/" in program else shutil.which(program, path=place.path)
    if found is None:
        raise start_failed(
            spec,
            f"there is no program {program!r} in {place.environment_layer / 'bin'}, nor on this machine",
            hint=f"see that a dependency brings {program!r}, or correct the service's command; then release again",
        )
    return [found, *words[1:], *args]


def _words(spec: InstanceSpec) -> list[str]:
    if spec.kind != "bundle":
        raise start_failed(
            spec,
            f"its artifact is of kind {spec.kind!r}, and the process runtime runs bundles only",
            hint='build it with bundle = "requirements.txt" or "uv.lock", or use a host with a container engine',
        )
    try:
        words = shlex.split(spec.command or "")
    except ValueError as error:
        raise start_failed(
            spec, f"its command cannot be split into words: {error}", hint="correct the quotes in it"
        ) from error
    if not words:
        raise start_failed(spec, "it has no command", hint=f"give services.{spec.service} a command in lading.toml")
    return words


def _beside(place: Place, program: str) -> str | None:
    path = place.source_layer / program  # an absolute path stays what it is
    return str(path) if path.is_file() and os.access(path, os.X_OK) else None
