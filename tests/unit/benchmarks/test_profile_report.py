from __future__ import annotations

import os
from typing import Any

import pytest

from benchmarks import profile_report as report
from benchmarks.profilers import Thread, cpu_by_group, threads
from benchmarks.stages import IN_JAVA, IN_PYTHON, OTHER_THREADS, STAGES
from benchmarks.topic_runs import put_between


def window(**changed: Any) -> dict[str, Any]:
    figures = {
        "name": "backlog",
        "seconds": 2.0,
        "events": 100_000,
        "events_a_block": 600.0,
        "cpu_s": {"operator": 1.5, "Kafka source": 0.2, "timers": 0.001, OTHER_THREADS: 0.002},
        "places": {IN_PYTHON: 75, IN_JAVA: 25},
        "stages": {STAGES[0].name: 40, STAGES[1].name: 20},
        "looks": 400,
    }
    return figures | changed


def test_cpu_is_divided_by_events_and_the_operators_by_place() -> None:
    rows = dict(report.thread_rows([window()]))
    assert rows["operator"] == [pytest.approx(15.0)]
    assert rows[f"- {IN_PYTHON}"] == [pytest.approx(11.25)]
    assert rows[f"- {IN_JAVA}"] == [pytest.approx(3.75)]
    assert rows["all"] == [pytest.approx(17.03)]


def test_small_groups_are_one_row() -> None:
    rows = dict(report.thread_rows([window()]))
    assert "timers" not in rows
    assert rows[OTHER_THREADS] == [pytest.approx(0.03)]


def test_a_group_that_is_large_in_one_column_has_its_row() -> None:
    rows = dict(report.thread_rows([window(), window(cpu_s={"operator": 1.0, "timers": 1.0})]))
    assert rows["timers"] == [pytest.approx(0.01), pytest.approx(10.0)]


def test_a_stages_time_is_its_share_of_the_samples() -> None:
    rows = dict(report.stage_rows([window()]))
    assert rows[STAGES[0].name] == [pytest.approx(2.0)]  # a tenth of 20 us
    assert rows["all"] == [pytest.approx(3.0)]


def test_a_stage_of_native_stacks_is_its_share_of_the_operators_processor_time() -> None:
    rows = dict(report.stage_rows([window(looks=0)]))
    assert rows[STAGES[0].name] == [pytest.approx(6.0)]  # 40 of 100 samples, of 15 us
    result = {"machine": "a machine", "core": "compiled", "windows": [window(looks=0)]}
    assert "us an event, waiting included" not in report.text(result)


def test_rows_have_as_many_cells_as_columns() -> None:
    result = {"machine": "a machine", "core": "interpreted", "windows": [window(), window(name="live")]}
    rows = [line for line in report.markdown(result).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {4}
    assert "50,000/s, 600 a block" in report.text(result)


def test_processor_time_counts_between_two_looks() -> None:
    before = {1: Thread("score blocks ->", 5.0), 2: Thread("VM Thread", 1.0)}
    after = {1: Thread("score blocks ->", 7.0), 3: Thread("C1 CompilerThre", 0.5)}
    assert cpu_by_group(before, after) == {"operator": 2.0, "JIT compilers": 0.5}


def test_this_process_has_a_thread_with_processor_time() -> None:
    assert threads(os.getpid())[os.getpid()].cpu_s > 0


def test_the_document_has_the_markers() -> None:
    assert "| new |" in put_between(report.DOCUMENT.read_text(), report.BEGIN, report.END, "| new |")
