"""What Lading's containers, networks and images are called, and the labels by which one agent knows its own."""

import os
import secrets
from pathlib import Path

from lading.model.environment import InstanceSpec

AGENT = "dev.lading.agent"
NAME = "dev.lading.name"
KIND = "dev.lading.kind"
ENVIRONMENT = "dev.lading.environment"
ATTEMPT = "dev.lading.attempt"
ADDRESS = "dev.lading.address"
PORT = "dev.lading.port"
LIMITS = "dev.lading.limits"
ENDED = "dev.lading.ended"
OUTPUTS = "dev.lading.outputs"

STACK_NAME = "dev.lading.stack"
ALIASES = "dev.lading.aliases"

INSTANCE, RUN, STACK = "instance", "run", "stack"


class Names:
    """The names one agent gives; ``root`` keeps the agent's own part of them, made at the first use."""

    def __init__(self, root: Path) -> None:
        self._file = root / "id"

    @property
    def in_use(self) -> bool:
        """Whether anything was ever named: an agent that never ran a container asks no engine."""
        return self._file.exists()

    @property
    def agent(self) -> str:
        """The agent's own part: two agents on one engine never take each other's containers for theirs."""
        if not self.in_use:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._file.with_name(f".id.{os.getpid()}")
            draft.write_text(secrets.token_hex(4))
            try:
                os.link(draft, self._file)
            except FileExistsError:
                pass  # another thread was faster
            finally:
                draft.unlink()
        return self._file.read_text()

    def container(self, kind: str, name: str) -> str:
        """Return the name of an instance's or run's container."""
        return f"lading-{self.agent}-{'run-' if kind == RUN else ''}{name}"

    def network(self, project: str, environment: str) -> str:
        """Return the name of an environment's network."""
        return f"lading-{self.agent}-{project}-{environment}"

    def repository(self, project: str) -> str:
        """Return the repository that a project's images are tagged in."""
        return f"lading-{self.agent}/{project}"

    def image(self, project: str, image_id: str) -> str:
        """Return the reference of a project's image, by the digest of its configuration."""
        return f"{self.repository(project)}:{image_id.removeprefix('sha256:')}"

    def filters(self, kind: str = "") -> dict[str, list[str]]:
        """Return the filter for this agent's own containers, of one kind or all."""
        return {"label": [f"{AGENT}={self.agent}", *([f"{KIND}={kind}"] if kind else [])]}


def peers(spec: InstanceSpec) -> str:
    """Return the domain in which the services of one unit find each other and nobody of another release."""
    return f"r{spec.rollout}"
