"""The profile as tables; `--write` puts that of the last run into docs/performance.md."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from benchmarks.stages import OTHER_THREADS, OWN, PLACES, STAGES, THREADS
from benchmarks.topic_runs import put_between
from benchmarks.workbench import ROOT, saved

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- profile: written by python -m benchmarks.profile --write -->", "<!-- profile: end -->"
OPERATOR = "operator"
WORTH_A_ROW_US = 0.05  # in any column; less goes to the other threads

Result = dict[str, Any]
Window = dict[str, Any]
Row = tuple[str, list[float]]


def main() -> None:
    """Print or write the profile of the last run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    result = saved("profile")
    print(text(result))
    if options.write:
        write(result)


def write(result: Result) -> None:
    """Into docs/."""
    DOCUMENT.write_text(put_between(DOCUMENT.read_text(), BEGIN, END, markdown(result)))


def thread_rows(windows: list[Window]) -> list[Row]:
    """CPU microseconds an event by group of threads, the operator's split by where it is, and all of them."""
    rows: list[Row] = []
    for group in [*(name for name, _ in THREADS), OTHER_THREADS]:
        rows.append((group, [_us(window, window["cpu_s"].get(group, 0.0)) for window in windows]))
        if group == OPERATOR:
            rows += [(f"- {place}", [_of_operator(window, place) for window in windows]) for place in PLACES]
    small = [values for name, values in rows if not _worth(name, values)]
    rows = [(name, values) for name, values in rows if _worth(name, values)]
    rows.append((OTHER_THREADS, [sum(column) for column in zip(*small, strict=True)] or [0.0] * len(windows)))
    return [*rows, ("all", [_us(window, sum(window["cpu_s"].values())) for window in windows])]


def stage_rows(windows: list[Window]) -> list[Row]:
    """Microseconds an event of the operator's thread in Python, by stage, and all of them."""
    names = [*(stage.name for stage in STAGES), OWN]
    rows = [(name, [_of_stage(window, name) for window in windows]) for name in names]
    rows = [(name, values) for name, values in rows if any(values)]
    return [*rows, ("all", [sum(_of_stage(window, name) for name in names) for window in windows])]


def text(result: Result) -> str:
    """For a terminal."""
    windows = result["windows"]
    parts = [f"machine: {result['machine']}; core {result['core']}"]
    for title, rows in _tables(windows):
        width = max(len(name) for name, _ in rows)
        parts += ["", f"{title}:", " " * width + "".join(f"{_title(window):>32}" for window in windows)]
        parts += [name.ljust(width) + "".join(f"{value:>32,.1f}" for value in values) for name, values in rows]
    return "\n".join(parts)


def markdown(result: Result) -> str:
    """For a document."""
    windows = result["windows"]
    parts = [f"Machine: {result['machine']}; core {result['core']}."]
    for title, rows in _tables(windows):
        parts += ["", "| " + " | ".join([title, *map(_title, windows)]) + " |", "|---" * (len(windows) + 1) + "|"]
        parts += ["| " + " | ".join([name, *(f"{value:,.1f}" for value in values)]) + " |" for name, values in rows]
    return "\n".join(parts)


def _tables(windows: list[Window]) -> Iterable[tuple[str, list[Row]]]:
    meaning = "waiting included" if all(window["looks"] for window in windows) else "CPU"
    return (
        ("TaskManager's threads, us an event, CPU", thread_rows(windows)),
        (f"operator's thread in Python, us an event, {meaning}", stage_rows(windows)),
    )


def _title(window: Window) -> str:
    rate = window["events"] / window["seconds"]
    return f"{window['name']}, {rate:,.0f}/s, {window['events_a_block']:,.0f} a block"


def _worth(name: str, values: list[float]) -> bool:
    return name != OTHER_THREADS and max(values) >= WORTH_A_ROW_US


def _us(window: Window, cpu_s: float) -> float:
    return cpu_s * 1e6 / float(window["events"])


def _of_operator(window: Window, place: str) -> float:
    """The operator's CPU time in a place: the profiler's share of what Linux counted."""
    seen = sum(window["places"].values())
    share = window["places"].get(place, 0) / seen if seen else 0.0
    return _us(window, window["cpu_s"].get(OPERATOR, 0.0) * share)


def _of_stage(window: Window, name: str) -> float:
    """The time of a stage.

    Of the interpreter's stacks, which are taken by the clock: the share of the looks, of the time between two events.
    Of native stacks, which are taken by processor time: the share of those of the operator's thread, of its CPU time.
    """
    seen = window["stages"].get(name, 0)
    if window["looks"]:
        return float(seen / window["looks"] * window["seconds"] * 1e6 / window["events"])
    return _us(window, window["cpu_s"].get(OPERATOR, 0.0) * seen / sum(window["places"].values()))


if __name__ == "__main__":
    main()
