from __future__ import annotations

from typing import Any

from benchmarks import report
from benchmarks.entrants import CONTENDERS
from benchmarks.topic_runs import put_between


def entry(contender: str, run: int, rate: float, **changed: Any) -> dict[str, Any]:
    figures = {"events_s": rate, "cpu_s_per_million": 10.0, "memory_mib": 100.0, "finished": True, "share_equal": 1.0}
    return {"contender": contender, "run": run, "records": 1_000, **figures, **changed}


def result(*runs: dict[str, Any]) -> dict[str, Any]:
    about = {"machine": "a machine", "users": 10, "events": 1_000, "seconds_max": 60.0}
    return {**about, "runs": list(runs)}


def test_a_row_has_minimum_median_and_maximum() -> None:
    shown = report.text(result(*(entry("driftline", run, rate) for run, rate in enumerate((30.0, 10.0, 20.0)))))
    assert "10 / 20 / 30" in shown
    assert "100.00%" in shown


def test_the_worst_share_of_equal_scores_is_shown() -> None:
    shown = report.text(result(entry("driftline", 0, 1.0), entry("driftline", 1, 1.0, share_equal=0.5)))
    assert "50.00%" in shown


def test_a_required_ratio_is_met_or_not() -> None:
    runs = entry("driftline", 0, 25_000.0), entry("quix-idiomatic", 0, 2_500.0), entry("quix-tuned", 0, 10_001.0)
    lines = report.text(result(*runs)).splitlines()
    assert "Driftline, events/s: 25,000; required at least 25,000: met" in lines
    assert "Driftline / Quix Streams, idiomatic: 10.0 times; required at least 10 times: met" in lines
    assert "Driftline / Quix Streams, tuned: 2.5 times; required at least 2.5 times: NOT MET" in lines


def test_a_contender_that_failed_or_did_not_finish_is_marked() -> None:
    failed = {"contender": "quix-tuned", "run": 0, "records": 1_000, "failed": "no broker"}
    shown = report.text(result(failed, entry("pyflink-process", 0, 9.0, finished=False, share_equal=0.25)))
    assert "failed: no broker" in shown
    assert "not finished (25.00%)" in shown


def test_those_that_read_a_part_of_the_topic_are_named_with_it() -> None:
    slow = [entry(key, run, 1.0, records=100) for run in range(2) for key in ("quix-idiomatic", "plain-idiomatic")]
    shown = report.text(result(*slow, entry("driftline", 0, 1.0)))
    assert "the first 100 records of it for: Quix Streams, idiomatic; confluent-kafka + redis-py, idiomatic\n" in shown


def test_markdown_rows_have_as_many_cells_as_columns() -> None:
    table = report.markdown(result(entry("driftline", 0, 1.0), entry("jvm-only", 0, 5.0)))
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {len(report.COLUMNS) + 1}


def test_every_required_ratio_names_a_contender() -> None:
    assert {key for key, _ in report.RATIOS} <= set(CONTENDERS)


def test_what_was_not_measured_is_not_met() -> None:
    found = report.checks(result(entry("driftline", 0, 30_000.0), entry("quix-tuned", 0, 10_000.0)))
    unmeasured = [check for check in found if not check.measured]
    assert not any(check.met for check in unmeasured)
    assert {check.what for check in unmeasured} == {
        "Driftline / Quix Streams, idiomatic",
        "Driftline / PyFlink per event, process mode, idiomatic",
        "Driftline / PyFlink per event, thread mode, idiomatic",
        "Driftline / limit: Flink SQL, dedupe alone",
        "Driftline, 2 TaskManagers, everything",
    }


def test_one_score_that_differs_is_not_met() -> None:
    equal, other = entry("driftline", 0, 30_000.0), entry("driftline", 1, 30_000.0, share_equal=0.99999)
    assert [check.met for check in report.checks(result(equal)) if "scores equal" in check.what] == [True]
    assert [check.met for check in report.checks(result(equal, other)) if "scores equal" in check.what] == [False]


def test_the_document_has_the_markers() -> None:
    assert "| new |" in put_between(report.DOCUMENT.read_text(), report.BEGIN, report.END, "| new |")
