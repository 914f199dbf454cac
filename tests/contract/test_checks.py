from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lading.checks.http import HttpChecks
from lading.model.manifest import Auth, Expect, Probe, SmokeStep
from lading.model.secret import Secret
from lading.ports.checks import Answer
from lading.ports.checks.conformance import ChecksConformance
from lading.ports.checks.expectations import Seen
from lading.ports.checks.memory import MemoryChecks
from tests.support_http import Server, serving


class MemoryWorld:
    def __init__(self) -> None:
        self.checks = MemoryChecks()
        self.address = "127.0.0.1:1"

    def page(self, path: str, seen: Seen) -> None:
        self.checks.page(path, seen)

    def files(self, files: Mapping[str, bytes]) -> str:
        self.checks.files("outputs/1", files)
        return "outputs/1"


class HttpWorld:
    def __init__(self, server: Server, directory: Path) -> None:
        self.checks = HttpChecks()
        self.address = server.address
        self._server = server
        self._directory = directory

    def page(self, path: str, seen: Seen) -> None:
        self._server.page(path, seen.status, seen.body, tuple(seen.headers.items()))

    def files(self, files: Mapping[str, bytes]) -> str:
        outputs = self._directory / "outputs"
        (self._directory / "report.json").write_bytes(b"{}")
        for name, content in files.items():
            (outputs / name).parent.mkdir(parents=True, exist_ok=True)
            (outputs / name).write_bytes(content)
        return str(outputs)


class TestHttpChecks(ChecksConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[HttpWorld]:
        with serving() as server:
            yield HttpWorld(server, tmp_path)


class TestMemoryChecks(ChecksConformance):
    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()

    def test_default_passes(self) -> None:
        """What neither a script nor a page speaks of passes, and captures something."""
        checks = MemoryChecks()
        assert checks.probe("a:1", Probe(path="/ready")).passed
        answer = checks.request("http://a:1", None, SmokeStep(name="login", path="/", capture={"T": "t"}), {})
        assert answer.captured == {"T": Secret("captured-T")}
        assert checks.judge(Expect(), exit_status=0, output="", outputs="", values={}).passed

    def test_fails_so_often_then_passes(self) -> None:
        """A script may fail a number of times and then heal."""
        checks = MemoryChecks(whois=lambda address: ("v2", "web/1"))
        checks.fail("503", of="v2", path="/ready", times=2)
        seen = [checks.probe("a:1", Probe(path=path)).passed for path in ("/health", "/ready", "/ready", "/ready")]
        assert seen == [True, False, False, True]

    def test_fails_for_good_whom_it_names(self) -> None:
        """A script holds for the version, the instance or the step it names, until it is healed."""
        checks = MemoryChecks(whois=lambda address: {"a:1": ("v1",), "a:2": ("v2",)}[address.removeprefix("http://")])
        checks.fail("boom", of="v2", name="login")
        step = SmokeStep(name="login", path="/login")
        assert checks.request("http://a:1", None, step, {}).passed
        assert [checks.request("http://a:2", None, step, {}).reason for _ in range(3)] == ["boom"] * 3
        assert checks.request("http://a:2", None, SmokeStep(name="other", path="/"), {}).passed
        checks.heal()
        assert checks.request("http://a:2", None, step, {}).passed
        assert [asked.name for asked in checks.asked] == ["login"] * 4 + ["other", "login"]

    def test_answers_in_turn(self) -> None:
        """A script gives its answers in turn; a later script goes before an earlier one."""
        checks = MemoryChecks()
        checks.fail("first", path="/")
        checks.script([Answer(passed=False, reason="second"), Answer(passed=True)], path="/")
        assert [checks.probe("a:1", Probe(path="/")).reason for _ in range(3)] == ["second", "", "first"]

    def test_auth_without_value(self) -> None:
        """A step whose secret is missing fails in memory as it does over HTTP."""
        step = SmokeStep(name="me", path="/me", auth=Auth(basic="LOGIN"))
        assert "LOGIN" in MemoryChecks().request("http://a:1", None, step, {}).reason
