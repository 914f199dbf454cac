from benchmarks.account import Mark, Record, held_against, summary, switches, writes


def record(start: float, release: str = "v1", *, took: float = 0.01, kind: str = "fast", reason: str = "") -> Record:
    return Record(kind, "new", start, start, start + took, start + took, 200, release, reason, f"id-{start}")


def test_answers_in_flight_are_no_stragglers() -> None:
    """An old answer to a request that started before the first new answer is as it should be."""
    records = [record(1.0), record(2.0, took=5.0), record(2.5, "v2"), record(3.0, "v2")]
    (switch,) = switches(records, 0.0, [Mark(2.2, "v2")])
    assert switch["first"] == 2.51
    assert switch["seconds"] == 0.31
    assert switch["old_after"] == 0


def test_stragglers_are_counted() -> None:
    """Old answers to requests that started after the first new answer are counted, with the latest start."""
    records = [record(2.0, "v2"), record(2.1), record(2.2, "v2"), record(2.4), record(2.5, "v2")]
    (switch,) = switches(records, 0.0, [Mark(1.0, "v2")])
    assert switch["old_after"] == 2
    assert switch["old_after_latest"] == 0.39


def test_there_and_back() -> None:
    """Each change is judged by itself, up to the next: a rollback's answers are no stragglers of the deploy."""
    records = [record(1.0), record(2.0, "v2"), record(3.0, "v2"), record(4.0, "v1"), record(5.0, "v2"), record(6.0)]
    deploy, back = switches(records, 0.0, [Mark(1.5, "v2"), Mark(3.5, "v1")])
    assert (deploy["release"], deploy["first"], deploy["old_after"]) == ("v2", 2.01, 0)
    assert (back["release"], back["first"], back["old_after"]) == ("v1", 4.01, 1)


def test_a_release_that_never_answers() -> None:
    """A change whose release never answered has no first answer."""
    (switch,) = switches([record(1.0)], 0.0, [Mark(0.5, "v2")])
    assert switch["first"] is None


def test_without_marks() -> None:
    """Without marks each release but the first is taken for a change."""
    found = switches([record(1.0), record(2.0, "v2"), record(2.5), record(3.0, "v3")], 0.0, [])
    assert [(switch["release"], switch["old_after"]) for switch in found] == [("v2", 1), ("v3", 0)]


def test_summary() -> None:
    """Lost requests are counted by class and reason, and do not count as slow answers."""
    records = [
        record(1.0, took=0.2),
        record(1.1, took=9.0, reason="status 502"),
        record(1.2, took=7.0, kind="slow"),
        record(1.3, kind="slow", reason="status 502"),
        record(1.4, kind="slow", reason="connection refused"),
        record(1.5, kind="slow", reason="status 502"),
    ]
    found = summary(records, 0.5)
    assert (found["sent"], found["lost"], found["slowest_fast"]) == (6, 4, 0.2)
    assert found["classes"]["slow"]["reasons"] == {"status 502": 2, "connection refused": 1}
    assert found["classes"]["slow"]["slowest"] == 7.0
    assert found["connections"]["new"]["lost"] == 4
    assert found["releases"]["v1"]["answers"] == 6
    assert summary([], 0.0)["sent"] == 0


def test_writes_held_against_the_database() -> None:
    """An acknowledged write must be there once; one that was not acknowledged may be there, once."""
    records = [record(float(n), kind="write", reason="" if n < 4 else "cut") for n in range(6)] + [record(9.0)]
    written = writes(records)
    assert written["unacknowledged"] == {"id-4.0": "cut", "id-5.0": "cut"}
    found = held_against(written, ["id-0.0", "id-1.0", "id-1.0", "id-2.0", "id-4.0", "other"])
    assert found == {"missing": ["id-3.0"], "doubled": ["id-1.0"], "unanswered": ["id-4.0"], "foreign": ["other"]}
