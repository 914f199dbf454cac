"""What every adapter of Checks must do, as tests."""

from collections.abc import Mapping
from typing import Protocol

from lading.model.manifest import Auth, Expect, Probe, SmokeStep
from lading.model.secret import Secret
from lading.ports.checks import Answer, Checks
from lading.ports.checks.expectations import REASON_LIMIT, Seen


class World(Protocol):
    """What a subclass's ``world`` fixture gives: the adapter, and a program for it to ask."""

    checks: Checks
    address: str

    def page(self, path: str, seen: Seen) -> None:
        """Make the program answer like this."""
        ...

    def files(self, files: Mapping[str, bytes]) -> str:
        """Leave output files and return their directory."""
        ...


LOGIN = Seen(status=200, body=b'{"data": [{"token": "t0ken-of-the-day", "ttl": 60}]}')


class ChecksConformance:
    """Promises of Checks; a subclass gives the ``world`` fixture."""

    def test_probe_wants_status_and_json(self, world: World) -> None:
        """A probe passes when the status is one of those wanted and the wanted JSON is contained in the body."""
        world.page("/ready", Seen(status=200, body=b'{"status": "ok", "checks": {"db": "up", "queue": "up"}}'))
        for wanted in (None, {"status": "ok"}, {"checks": {"db": "up"}}):
            assert world.checks.probe(world.address, Probe(path="/ready", json=wanted)).passed
        answer = world.checks.probe(world.address, Probe(path="/ready", json={"checks": {"db": "down"}}))
        assert not answer.passed
        assert 'json.checks.db is "up", expected "down"' in answer.reason

    def test_failed_probe_quotes_the_body(self, world: World) -> None:
        """A failed probe says status and body in one line, and does not raise."""
        world.page("/ready", Seen(status=503, body=b'{"database":\n "unreachable"}'))
        answer = world.checks.probe(world.address, Probe(path="/ready"))
        assert answer == Answer(passed=False, reason=answer.reason, seconds=answer.seconds)
        assert answer.reason == '503, body: {"database": "unreachable"}'

    def test_other_status_can_be_wanted(self, world: World) -> None:
        """Whatever status is wanted passes, and only that."""
        world.page("/me", Seen(status=401))
        assert world.checks.probe(world.address, Probe(path="/me", status=(200, 401))).passed
        assert _request(world, SmokeStep(name="closed", path="/me", expect=Expect(status=(401,)))).passed
        assert not _request(world, SmokeStep(name="open", path="/me")).passed

    def test_any_2xx_passes_unless_said(self, world: World) -> None:
        """A smoke request without an expected status wants 2xx."""
        world.page("/made", Seen(status=201))
        assert _request(world, SmokeStep(name="make", method="POST", path="/made", json={})).passed

    def test_json_text_and_headers(self, world: World) -> None:
        """JSON is contained, text is a substring, a header's name is compared without case and its value as it is."""
        world.page("/page", Seen(status=200, headers={"x-release": "v2"}, body=b'{"a": 1, "b": [1, 2]}'))
        for good in (
            Expect(json={"b": [1, 2]}),
            Expect(text='"a": 1'),
            Expect(headers={"X-Release": "v2"}),
        ):
            assert _request(world, SmokeStep(name="page", path="/page", expect=good)).passed
        for bad, reason in (
            (Expect(json={"b": [1]}), "json.b has 2 elements, expected 1"),
            (Expect(text="absent"), 'does not hold "absent"'),
            (Expect(headers={"X-Release": "v1"}), "header X-Release"),
            (Expect(headers={"X-Other": "v1"}), "header X-Other is missing"),
        ):
            answer = _request(world, SmokeStep(name="page", path="/page", expect=bad))
            assert not answer.passed
            assert reason in answer.reason

    def test_capture(self, world: World) -> None:
        """A value captured by a dotted path, indexes included, is a secret for later steps."""
        world.page("/login", LOGIN)
        step = SmokeStep(name="login", path="/login", capture={"TOKEN": "data.0.token", "TTL": "data.0.ttl"})
        assert _request(world, step).captured == {"TOKEN": Secret("t0ken-of-the-day"), "TTL": Secret("60")}

    def test_missing_capture_fails(self, world: World) -> None:
        """What is to be captured and is not in the answer fails the step, naming it."""
        world.page("/login", LOGIN)
        for path in ("data.1.token", "data.token", "data", "data.0.token.x"):
            answer = _request(world, SmokeStep(name="login", path="/login", capture={"TOKEN": path}))
            assert not answer.passed
            assert "TOKEN" in answer.reason

    def test_unknown_name_fails(self, world: World) -> None:
        """A template or auth that names what has no value fails, naming it; nothing raises."""
        world.page("/me", Seen(status=200))
        for step in (
            SmokeStep(name="a", path="/me", headers={"X-Key": "{{NOWHERE}}"}),
            SmokeStep(name="b", path="/me", json={"deep": ["{{NOWHERE}}"]}),
            SmokeStep(name="c", path="/me", auth=Auth(bearer="NOWHERE")),
            SmokeStep(name="d", path="/me", form={"key": "{{ NOWHERE }}"}),
        ):
            answer = _request(world, step)
            assert not answer.passed
            assert "NOWHERE" in answer.reason

    def test_no_secret_in_a_reason(self, world: World) -> None:
        """Neither a given nor a just captured value appears in a reason, however the program quotes it."""
        world.page("/echo", Seen(status=500, body=b'{"token": "fresh-token", "got": ["p/ss\\"word", "p%2Fss%22word"]}'))
        step = SmokeStep(name="echo", path="/echo", capture={"TOKEN": "token"}, headers={"X-Key": "{{KEY}}"})
        reason = _request(world, step, {"KEY": Secret('p/ss"word')}).reason
        assert reason.startswith("500")
        for value in ("fresh-token", "ss", "word"):
            assert value not in reason

    def test_reason_is_one_bounded_line(self, world: World) -> None:
        """A reason is one line of bounded length, whatever the body holds."""
        world.page("/long", Seen(status=500, body=b"\xff\x00line\n" * 1000))
        reason = world.checks.probe(world.address, Probe(path="/long")).reason
        assert len(reason) <= REASON_LIMIT
        assert reason.isprintable()

    def test_judge_wants_exit_zero_unless_said(self, world: World) -> None:
        """A command passes with exit status 0, or the one that is expected; one stopped at its timeout never does."""
        assert _judge(world, Expect(), 0).passed
        assert _judge(world, Expect(exit=3), 3).passed
        assert not _judge(world, Expect(exit=3), 0).passed
        assert "exit status 1, expected 0" in _judge(world, Expect(), 1).reason
        assert "timeout" in _judge(world, Expect(), None).reason

    def test_judge_looks_into_the_output(self, world: World) -> None:
        """Expected text must be in the output; a reason quotes its last line, without secrets."""
        assert _judge(world, Expect(text="settled 3"), 0, "starting\nsettled 3 payouts\n").passed
        answer = _judge(
            world, Expect(text="settled 4"), 0, "settled 3\nkey was s3cret-key\n", {"K": Secret("s3cret-key")}
        )
        assert "key was" in answer.reason
        assert "s3cret" not in answer.reason

    def test_judge_looks_into_files(self, world: World) -> None:
        """An output file is wanted to be there and not empty, to hold a text, or to contain JSON."""
        outputs = world.files({"report.json": b'{"rows": 3, "late": []}', "sub/log.txt": b"all well", "empty": b""})
        for good in ({"report.json": True}, {"report.json": {"rows": 3}}, {"sub/log.txt": "well"}):
            assert _judge(world, Expect(files=good), 0, outputs=outputs).passed
        for path, wanted, reason in (
            ("report.json", {"rows": 4}, "report.json.rows is 3, expected 4"),
            ("sub/log.txt", "ill", 'does not hold "ill"'),
            ("sub/log.txt", {"a": 1}, "not JSON"),
            ("empty", True, "empty"),
            ("absent", True, "not there"),
        ):
            answer = _judge(world, Expect(files={path: wanted}), 0, outputs=outputs)
            assert not answer.passed
            assert reason in answer.reason

    def test_judge_never_leaves_the_outputs(self, world: World) -> None:
        """A path that leaves the outputs does not pass, whatever is there."""
        outputs = world.files({"report.json": b"{}"})
        for path in ("../report.json", "/etc/passwd", "sub/../../report.json"):
            assert not _judge(world, Expect(files={path: True}), 0, outputs=outputs).passed


def _request(world: World, step: SmokeStep, values: Mapping[str, Secret] | None = None) -> Answer:
    return world.checks.request(f"http://{world.address}", None, step, values or {})


def _judge(
    world: World,
    expect: Expect,
    exit_status: int | None,
    output: str = "",
    values: Mapping[str, Secret] | None = None,
    *,
    outputs: str = "",
) -> Answer:
    return world.checks.judge(expect, exit_status=exit_status, output=output, outputs=outputs, values=values or {})
