"""As whom a container runs, as words for the engine and as numbers for the files it writes."""

import io
import os
import tarfile
from typing import Any

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.environment import InstanceSpec
from lading.ports.runtime.refusals import start_failed
from lading.runtime.process.users import Users

ROOT = ("", "0", "root")


class Identities:
    """Chooses users: the manifest's, else the image's, else the environment's own number where that would be root.

    An agent that is not root cannot give files away, so its containers run as its own user.
    """

    def __init__(self, engine: Engine, users: Users) -> None:
        self._engine = engine
        self._users = users
        self._numbers: dict[tuple[str, str], int] = {}

    def group(self, spec: InstanceSpec) -> int | None:
        """Return the environment's group, to which what it keeps is shared; None for an agent that is not root."""
        return self._users.number(f"{spec.project}/{spec.environment}") if os.geteuid() == 0 else None

    def user(self, spec: InstanceSpec, image: dict[str, Any]) -> str:
        """Return the user as the engine takes it: a number or name, with a group or without."""
        wanted = spec.user if spec.user is not None else str(image["Config"].get("User") or "")
        if wanted.partition(":")[0] not in ROOT or "user" in spec.relax:
            return wanted
        if spec.user is not None:
            raise start_failed(
                spec,
                f"services.{spec.service}.user is root, and nothing runs as root by default",
                hint=f'name another user, or write relax = ["user"] in [services.{spec.service}]',
            )
        if os.geteuid() != 0:
            return f"{os.geteuid()}:{os.getegid()}"
        return f"{self.group(spec)}:{self.group(spec)}"

    def owner(self, user: str, image: dict[str, Any], container: str) -> int:
        """Return the number of a user; a name is looked up in the container's own list, which must be made already."""
        name = user.partition(":")[0]
        if name in ROOT:
            return 0
        if name.isdecimal():
            return int(name)
        key = (str(image["Id"]), name)
        if key not in self._numbers:
            self._numbers[key] = self._look_up(name, container)
        return self._numbers[key]

    def _look_up(self, name: str, container: str) -> int:
        for line in self._passwd(container).splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[0] == name and fields[2].isdecimal():
                return int(fields[2])
        # The engine itself refuses to start it, and says so.
        return 0

    def _passwd(self, container: str) -> str:
        try:
            with self._engine.stream("GET", f"/containers/{segment(container)}/archive", path="/etc/passwd") as answer:
                content = answer.read()
        except EngineRefused as error:
            if error.status == 404:
                return ""
            raise
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            file = tar.extractfile(tar.next() or tarfile.TarInfo())
            return file.read().decode(errors="replace") if file is not None else ""
