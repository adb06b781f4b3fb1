from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report
from benchmarks.entrants import CONTENDERS


def entry(contender: str, run: int, rate: float, **changed: Any) -> dict[str, Any]:
    figures = {"events_s": rate, "cpu_s_per_million": 10.0, "memory_mib": 100.0, "finished": True, "share_equal": 1.0}
    return {"contender": contender, "run": run, **figures, **changed}


def result(*runs: dict[str, Any]) -> dict[str, Any]:
    about = {"machine": "a machine", "users": 10, "events": 1_000, "slow_events": 100, "seconds_max": 60.0}
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
    assert any(line.endswith("required 25,000: met") for line in lines)
    assert any(line.endswith("Quix Streams, idiomatic; required 10 times: met") for line in lines)
    assert any(line.endswith("Quix Streams, tuned; required 2.5 times: NOT MET") for line in lines)


def test_a_contender_that_failed_or_did_not_finish_is_marked() -> None:
    failed = {"contender": "quix-tuned", "run": 0, "failed": "no broker"}
    shown = report.text(result(failed, entry("pyflink-process", 0, 9.0, finished=False, share_equal=0.25)))
    assert "failed: no broker" in shown
    assert "not finished (25.00%)" in shown


def test_slow_contenders_are_named_with_their_topic() -> None:
    shown = report.text(result(entry("quix-idiomatic", 0, 1.0), entry("driftline", 0, 1.0)))
    assert "the first 100 records of it for: Quix Streams, idiomatic;" in shown


def test_markdown_rows_have_as_many_cells_as_columns() -> None:
    table = report.markdown(result(entry("driftline", 0, 1.0), entry("jvm-only", 0, 5.0)))
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {len(report.COLUMNS) + 1}


def test_every_required_ratio_names_a_contender() -> None:
    assert {key for key, _ in report.RATIOS} <= set(CONTENDERS)


def test_writing_twice_replaces_the_table_and_keeps_the_rest() -> None:
    document = f"before\n{report.BEGIN}\n{report.END}\nafter\n"
    once = report.embed(document, "| old |")
    assert report.embed(once, "| new |") == f"before\n{report.BEGIN}\n| new |\n{report.END}\nafter\n"


def test_a_document_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        report.embed("no markers", "| new |")


def test_the_document_has_the_markers() -> None:
    assert "| new |" in report.embed(report.DOCUMENT.read_text(), "| new |")
