"""Lading itself, through the same questions."""

from pathlib import Path

from benchmarks.house import LADING
from benchmarks.peers.trial import Tool
from benchmarks.till_house import BAD, ENVIRONMENT, NEW, OLD, TillHouse
from lading.runtime.docker.names import INSTANCE, Names


class Lading(Tool):
    """``lading deploy`` and ``lading rollback``, as they come."""

    title = "Lading"

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._house = TillHouse()

    def __enter__(self) -> "Lading":
        self._house.__enter__()
        try:
            self._house.take_till(OLD, NEW, BAD)
            self._house.rollout("deploy", ENVIRONMENT, OLD)
        except BaseException:
            self.__exit__()
            raise
        self.base = self._house.status(ENVIRONMENT)["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self._house.__exit__(None, None, None)

    def deploying(self, release: str) -> list[str]:
        return [LADING, "--json", "-C", str(self._house.project), "deploy", ENVIRONMENT, release]

    def returning(self) -> list[str]:
        return [LADING, "--json", "-C", str(self._house.project), "rollback", ENVIRONMENT]

    def environ(self, release: str) -> dict[str, str]:  # noqa: ARG002
        return self._house.environ

    def labels(self) -> list[str]:
        return Names(self._house.home / "docker").filters(INSTANCE)["label"]
