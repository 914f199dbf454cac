"""Instances as tests mean them where they do not care, and what every runtime's world of tests says of its program."""

from abc import ABC, abstractmethod
from typing import Any

from lading.model.environment import InstanceSpec
from lading.ports.runtime import Runtime


def instance(name: str, **changes: Any) -> InstanceSpec:
    """Return the first web instance of a release of ``shop`` in stage, with changes."""
    usual = {
        "project": "shop",
        "environment": "stage",
        "service": "web",
        "slot": 1,
        "rollout": 1,
        "digest": "sha256:0",
        "version": "v1.0.0",
        "artifact": "app",
        "kind": "bundle",
        "layers": {},
        "port": 8000,
    }
    return InstanceSpec(name=name, **{**usual, **changes})


class Programs(ABC):
    """A runtime that starts the program of tests; ``given`` says what its releases are made of."""

    runtime: Runtime

    @abstractmethod
    def given(self) -> dict[str, Any]:
        """Return the kind of the release, and its layers."""

    def spec(self, name: str, *, port: int | None = 8000, command: str = "", **changes: Any) -> InstanceSpec:
        """Return an instance of the program: one that serves, or without a port one that works."""
        usual = {
            **self.given(),
            "service": "web" if port else "work",
            "command": command or ("python app.py serve" if port else "python app.py work"),
        }
        return instance(name, port=port, **{**usual, **changes})

    def prints(self, text: str, exit_status: int) -> InstanceSpec:
        """Return one that prints a text and ends with a status."""
        return self.spec("run", port=None, command=f"python app.py say {exit_status} {text}")

    def sleeps(self) -> InstanceSpec:
        """Return one that goes on and on."""
        return self.spec("run", port=None)

    def address(self, name: str) -> tuple[str, int]:
        """Return where an instance takes connections."""
        state = self.runtime.look(name)
        assert state is not None
        host, _, port = state.address.rpartition(":")
        return host, int(port)
