"""What a rollout tells: no secret and nothing captured, and the words that programs rest on as they are."""

import json

import pytest

from lading.model.errors import LadingError
from lading.model.manifest import SmokeStep
from lading.model.secret import MASK, Secret
from lading.ports.checks import Answer
from lading.ports.checks.expectations import Seen
from tests.recovery import releases
from tests.recovery.house import KEY, House


def _failing(monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose suite logs in, then fails; the program wrote what the login gave."""
    import msgspec

    steps = (
        SmokeStep(name="login", method="POST", path="/login", capture={"session": "token"}),
        SmokeStep(name="status", method="GET", path="/status"),
    )
    made = msgspec.structs.replace(releases.manifest(), smoke=steps)
    monkeypatch.setattr(releases, "manifest", lambda: made)
    here = House.build()
    checks, runtime = here.world.checks, here.world.runtime
    checks.page("/login", Seen(status=200, body=b'{"token": "made-up-just-now"}'))  # type: ignore[attr-defined]
    checks.fail("500", name="status")  # type: ignore[attr-defined]
    for slot in (1, 2):
        runtime.write(f"shop-stage-r1-web-{slot}", "login gave made-up-just-now")  # type: ignore[attr-defined]
    return here


def test_what_a_suite_captured_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that an answer gave is in no event and no error, though the program has logged it."""
    here = _failing(monkeypatch)
    rollout = here.carry(here.open_deploy("v1"))
    assert rollout.error is not None
    assert rollout.error["code"] == "smoke-failed"
    assert f"login gave {MASK}" in json.dumps(rollout.error, ensure_ascii=False)
    told = json.dumps([repr(event) for event in here.world.journal.events(rollout.id)])
    assert "made-up" not in told + json.dumps(rollout.error)


def test_a_secret_that_is_an_ordinary_word_changes_no_outcome() -> None:
    """Codes and outcomes are never masked: exit statuses rest on them."""
    here = House.build()
    here.world.secrets.put(KEY, {"MODE": Secret("failed"), "STATE": Secret("unwound")})
    here.world.checks.fail("503")  # type: ignore[attr-defined]
    rollout = here.carry(here.open_deploy("v1"))
    assert (rollout.outcome, (rollout.error or {})["code"]) == ("unwound", "health-failed")
    assert LadingError.from_plain(rollout.error or {}).exit_status == 4
    finished = here.world.journal.events(rollout.id)[-1]
    assert finished.data["outcome"] == "unwound"


def test_an_instances_last_words_are_not_those_on_being_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program wrote before it was asked ready for the hundredth time is told, not the hundred questions."""
    here = _failing(monkeypatch)
    instance = "shop-stage-r1-web-1"
    for line in ("Traceback", "NameError: name 'sesion' is not defined", *['"GET /ready HTTP/1.1" 503'] * 9):
        here.world.runtime.write(instance, line)  # type: ignore[attr-defined]
    rollout = here.carry(here.open_deploy("v1"))
    assert rollout.error is not None
    words = rollout.error["details"]
    assert words[-1] == "web/1: NameError: name 'sesion' is not defined"
    assert not [line for line in words if "/ready" in line]


def test_a_check_that_failed_because_the_instance_died_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the check met is told, and which instance died meanwhile and how; one that lives is not mentioned."""
    here = _failing(monkeypatch)

    def dies(*_asked: object) -> Answer:
        here.world.runtime.crash("shop-stage-r1-web-1")  # type: ignore[attr-defined]
        return Answer(passed=False, reason="502, body: Bad Gateway")

    monkeypatch.setattr(here.world.checks, "request", dies)
    rollout = here.carry(here.open_deploy("v1"))
    assert (rollout.error or {})["happened"] == "502, body: Bad Gateway; web/1 died with status -9"
