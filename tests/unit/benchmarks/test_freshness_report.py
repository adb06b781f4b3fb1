from __future__ import annotations

from typing import Any

import pytest

from benchmarks import freshness_report as report
from benchmarks.topic_runs import put_between


def point(took_ms: list[float], **changed: Any) -> dict[str, Any]:
    figures = {
        "label": "",
        "block_ms": 50,
        "rate": 1_000,
        "probes": [(1_000 * number, took, took / 2) for number, took in enumerate(took_ms)],
        "checkpoints": [],
        "events_a_block": 3.0,
        "cores": {"traffic": 0.1, "probing": 0.2, "kafka": 0.5},
        "traffic_behind_ms": 1.0,
        "drained_after_s": 0.1,
        "lost": 0,
    }
    return figures | changed


def result(*points: dict[str, Any]) -> dict[str, Any]:
    return {"machine": "a machine", "maximal_events_s": 20_000.0, "points": list(points)}


def test_both_limits_are_checked_at_the_required_point() -> None:
    slow_end, slow_middle = result(point([59.0] * 99 + [151.0] * 2)), result(point([60.0] * 100))
    assert [check.met for check in report.checks(slow_end)] == [True, False, True]
    assert [check.met for check in report.checks(slow_middle)] == [False, True, True]


@pytest.mark.parametrize("changed", [{"rate": 100}, {"block_ms": 25}, {"label": "a variant"}])
def test_without_the_required_point_nothing_is_met(changed: dict[str, Any]) -> None:
    (check,) = report.checks(result(point([10.0], **changed)))
    assert not check.measured
    assert not check.met


def test_an_event_lost_at_another_rate_is_not_met() -> None:
    found = report.checks(result(point([10.0]), point([10.0], rate=5_000, lost=1)))
    assert [check.met for check in found] == [True, True, False]


def test_probes_that_met_a_checkpoint_are_left_out_of_its_own_column() -> None:
    # The second probe is sent at 1,000 ms and takes 300: a checkpoint from 1,290 on meets it, one from 1,310 does not.
    away, meeting = "p99 away from checkpoints 20 ms", "p99 away from checkpoints 300 ms"
    assert away in report.summary(result(point([10.0, 300.0, 20.0], checkpoints=[(1_290, 5)])))
    assert meeting in report.summary(result(point([10.0, 300.0, 20.0], checkpoints=[(1_310, 5)])))


def test_the_document_shows_points_without_a_label_in_order() -> None:
    shown = report.markdown(
        result(point([10.0], rate=5_000), point([10.0], rate=100), point([10.0], rate=7, label="other"))
    )
    rows = [line.split(" | ")[1] for line in shown.splitlines() if line.startswith("| 50")]
    assert rows == ["100", "5,000"]


def test_rows_have_as_many_cells_as_columns() -> None:
    rows = [line for line in report.markdown(result(point([10.0]))).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(report.COLUMNS) + 1}


def test_what_stands_between_the_markers_is_replaced_and_nothing_else() -> None:
    assert put_between("before\nBEGIN\nold\nEND\nafter", "BEGIN", "END", "new") == "before\nBEGIN\nnew\nEND\nafter"


@pytest.mark.parametrize("text", ["nothing", "BEGIN without its end", "END before BEGIN"])
def test_a_document_without_both_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no lines 'BEGIN' and 'END'"):
        put_between(text, "BEGIN", "END", "new")
