"""What campaigns make of what they measured."""

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from benchmarks import build, cli, cutovers, first, hold, manifests, memory, overhead, run
from benchmarks.account import Mark, Record, summary
from benchmarks.asking import Asker
from benchmarks.house import free_ports

COMPARED: dict[str, list[str]] = {"missing": [], "doubled": [], "unanswered": [], "foreign": []}


def answered(release: str, start: float, kind: str = "fast", reason: str = "") -> Record:
    status, shown = (200, release) if not reason else (502, "")
    return Record(kind, "new", start, start, start + 0.01, start + 0.02, status, shown, reason, "w" if kind else "")


def figures_of(records: list[Record], marks: list[Mark], cutover_count: int = 2) -> dict[str, Any]:
    told = {**summary(records, 0.0, marks), "marks": [list(mark) for mark in marks], "began_monotonic": 0.0}
    found = cutovers.figures(told, records, COMPARED, 0, cutover_count)
    return {figure.figure: figure for figure in found}


def there_and_back(*more: Record) -> dict[str, Any]:
    """Figures of a run that changes to the new release at 1 s and back at 2 s."""
    records = [
        answered("v1.0.0", 0.5),
        answered("v1.1.0", 1.2),
        answered("v1.1.0", 1.9, "write"),
        answered("v1.0.0", 2.2),
        answered("v1.0.0", 2.9),
        *more,
    ]
    return figures_of(records, [Mark(1.0, "v1.1.0"), Mark(2.0, "v1.0.0")])


def test_a_clean_run_holds() -> None:
    """Both releases were seen, nothing was lost, and nobody answered late."""
    found = there_and_back()
    seen = found["cutovers under load, the new release seen to answer"]
    assert (seen.value, seen.bar, seen.holds) == (2, "≥ 2", True)
    assert found["requests lost over 2 cutovers"].holds
    assert found[f"answers by the release that was left to requests started {cutovers.WINDOW}"].value == 0
    assert found["deploy command → first answer, under load"].value == pytest.approx(0.21)
    assert found["rollback command → first answer, under load"].value == pytest.approx(0.21)


def test_late_answers_of_the_release_that_was_left_count() -> None:
    """A request started more than 0.1 s after the new release's first answer must not be answered by the other."""
    late = f"answers by the release that was left to requests started {cutovers.WINDOW}"
    assert there_and_back(answered("v1.0.0", 1.25))[late].value == 0, "within the tenth of a second"
    assert there_and_back(answered("v1.0.0", 1.5))[late].value == 1
    assert there_and_back(answered("v1.1.0", 2.5))[late].value == 1, "the one that was rolled back"
    assert not there_and_back(answered("v1.0.0", 1.5))[late].holds


def test_a_cutover_without_a_first_answer_is_missed() -> None:
    """A release that nobody saw answer is no cutover that counts."""
    records = [answered("v1.0.0", 0.5), answered("v1.0.0", 1.5), answered("v1.0.0", 1.6, "write")]
    found = figures_of(records, [Mark(1.0, "v1.1.0")], 1)
    seen = found["cutovers under load, the new release seen to answer"]
    assert (seen.value, seen.holds) == (0, False)


def test_losses_are_told_by_kind() -> None:
    """A lost write shows in the sum and among the writes."""
    found = there_and_back(answered("", 1.5, "write", "status 502"))
    assert (found["requests lost over 2 cutovers"].value, found["requests lost over 2 cutovers"].holds) == (1, False)
    assert found["of these, writes"].value == 1
    assert found["of these, fast answers"].value == 0


def event(kind: str, name: str, at: float, seconds: float | None = None, subject: str = "") -> dict[str, Any]:
    return {"kind": kind, "name": name, "at": at, "seconds": seconds, "subject": subject}


def test_a_deploy_is_broken_down_up_to_its_cutover() -> None:
    """Steps before the cutover count, those after it do not; what no step took is told as well."""
    events = [
        event("step", "fetch", 100.1),
        event("done", "fetch", 100.3, 0.15),
        event("step", "smoke", 100.35),
        event("done", "smoke", 100.6, 0.2),
        event("step", "cutover", 100.65),
        event("done", "cutover", 100.7, 0.05),
        event("done", "smoke", 101.0, 0.3),
    ]
    found = overhead.breakdown(events, 100.0)
    assert found == pytest.approx(
        {
            "command line and admission": 0.1,
            "fetch": 0.15,
            "smoke": 0.2,
            "cutover": 0.05,
            "between the steps": 0.2,
        }
    )


def test_overhead_compares_medians() -> None:
    """Difference and ratio are those of the medians, not of single turns."""
    turns = [overhead.Turn(0.5, 0.3, deploy, 0.2, {"fetch": 0.1}) for deploy in (0.9, 1.0, 9.0)]
    found = {figure.figure: figure for figure in overhead.figures(turns, 2.0)}
    assert (found["deploy minus start by hand"].value, found["deploy minus start by hand"].holds) == (0.5, True)
    assert (found["deploy ÷ start by hand"].value, found["deploy ÷ start by hand"].holds) == (2.0, True)
    assert found["deploy ÷ (start by hand + job by hand)"].value == 1.25
    assert found["of a deploy: fetch"].value == 0.1
    assert found["turns in which others worked on the machine"].value == 0


def test_ratios_are_those_of_medians() -> None:
    """The command line is held against the median of a Python that does nothing."""
    found = cli.figures([0.01, 0.01, 0.05], [0.04, 0.05, 0.05], [0.13, 0.13, 0.1])
    assert [(figure.value, figure.holds) for figure in found[1:]] == [(5.0, True), (13.0, False)]


def test_memory_and_build_have_their_bars() -> None:
    """80 MB, 1.5 s."""
    assert [figure.holds for figure in memory.figures(70.0, 80.1, 90.0, 100)] == [False, None, None]
    assert [figure.holds for figure in build.figures([1.0, 1.4, 9.0])] == [True]


def test_tasks_are_given_out_once() -> None:
    """As many tasks as there are, and none twice, to however many threads."""
    counter = memory.Countdown(100)
    taken: list[int] = []

    def work() -> None:
        while counter.take():
            taken.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 100


def test_one_wrong_answer_of_many_shows() -> None:
    """A share is not rounded up to all, and an answer counts only with its messages and exit status 2."""
    good, bad = manifests.Ran(2, {}, 0.1, 20.0), manifests.Ran(1, {}, 9.0, 300.0)
    found = manifests.figures([(True, good)] * 1999 + [(False, bad)], [good], [bad])
    assert [(figure.value, figure.holds) for figure in found[:2]] == [(99.9, False), (0.0, False)]
    assert [figure.holds for figure in found[3:]] == [False, False, False]
    path = manifests.corpus()[0]
    told = {"error": {"details": manifests.expected(path)}}
    assert manifests.is_as_expected(path, good._replace(told=told))
    assert not manifests.is_as_expected(path, good._replace(told=told, status=1))
    assert not manifests.is_as_expected(path, good)


def test_unknown_campaigns_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none says which there are, and nothing is measured."""
    with pytest.raises(SystemExit) as ended:
        run.main(["bench", "cutover"])
    assert ended.value.code == 2
    assert f"bench has no cutover; it has {', '.join(run.CAMPAIGNS['bench'])}" in capsys.readouterr().err


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    release = "v1"

    def do_GET(self) -> None:
        self.send_response(200 if self.release else 503)
        self.send_header("x-release", self.release)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def handler() -> type[Answers]:
    return type("Handler", (Answers,), {})


@pytest.fixture
def port(handler: type[Answers]) -> Iterator[int]:
    port = free_ports(1)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield port
        server.shutdown()
        thread.join()


def test_the_first_answer_of_a_release_is_seen(port: int, handler: type[Answers]) -> None:
    """From outside, the first good answer of a release counts; refusals and 503s do not."""
    with Asker(port, "/health") as asker:
        old = asker.first("v1", 0.0, 5.0)
        handler.release = ""
        moment = time.monotonic()
        handler.release = "v2"
        new = asker.first("v2", moment, 5.0)
    assert old.answered <= new.answered
    assert new.asked >= moment


def test_a_release_that_never_answers_is_told() -> None:
    """Nobody there: the wait ends and says what was waited for."""
    port = free_ports(1)
    with Asker(port, "/ready") as asker, pytest.raises(TimeoutError, match=f"no answer of v1 on port {port}"):
        asker.first("v1", 0.0, 0.1)


def test_the_newcomers_wait_is_the_sum_of_its_steps() -> None:
    """What is held against the bar is the whole way, and each step is told."""
    turns = [{"lading init": 0.5, "lading up": 4.5}, {"lading init": 0.5, "lading up": 7.5}]
    whole, *steps = first.figures(turns)
    assert (whole.value, whole.bar, whole.holds, whole.n) == (6.5, "≤ 60", True, 2)
    assert [(step.figure, step.value) for step in steps] == [("of it: lading init", 0.5), ("of it: lading up", 6.0)]
    assert not first.figures([{"lading up": 60.1}])[0].holds


def held_figures(**changes: Any) -> dict[str, Any]:
    run_of = {
        "sent": 4400,
        "lost": 0,
        "seconds": 20.0,
        "slowest_fast": 0.7,
        "classes": {"fast": {"sent": 3000}, "write": {"sent": 1400}},
    }
    told = hold.figures({**run_of, **changes}, [0.5, 0.6, 1.1], 100.4, COMPARED, 0)
    return {figure.figure: figure for figure in told}


def test_holds_are_told_by_their_median_and_their_longest() -> None:
    """The bar stands for both; what was lost or is missing in the database fails by itself."""
    found = held_figures()
    what = "hold of an Alembic migration that adds a column"
    assert (found[f"{what}, median"].value, found[f"{what}, median"].holds) == (0.6, True)
    assert (found[f"{what}, longest"].value, found[f"{what}, longest"].holds) == (1.1, False)
    assert found["requests a second, sent through all migrations"].value == 220
    assert found["requests lost over 3 migrations"].holds
    assert not held_figures(lost=1)["requests lost over 3 migrations"].holds
