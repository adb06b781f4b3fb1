"""Scaling as text and as Markdown, and what is required of it; `--write` puts the points kept so far into docs/."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.topic_runs import put_between
from benchmarks.workbench import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- scaling: written by python -m benchmarks.scaling_report --write -->", "<!-- scaling: end -->"
REDIS_BYTES_MAX = 600
STATE_BYTES_MAX = 1_024
TYPICAL_EVENTS = 10  # of a typical user
USERS_MIN = 100_000  # below, what does not depend on the users shows in a user's share
COLUMNS = (
    "what grows",
    "users",
    "events",
    "disorder",
    "TaskManagers",
    "events/s",
    "CPU s per million: TaskManager",
    "Kafka",
    "Redis",
    "Redis bytes a user",
    "state bytes a user",
    "checkpoint, MB and s at most",
)

Result = dict[str, Any]
Point = dict[str, Any]


def main() -> None:
    """Print or write the points kept so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    result = json.loads((ROOT / "benchmarks" / "results" / "scaling.json").read_text())
    print(summary(result))
    if options.write:
        write(result)


def summary(result: Result) -> str:
    """For a terminal."""
    lines = [f"machine: {result['machine']}"] if "machine" in result else []
    for point in result["points"]:
        row = dict(zip(COLUMNS, _row(point), strict=True))
        lines.append(f"{point['name']}: " + ", ".join(f"{name} {value}" for name, value in row.items()))
    lines += [_state_line(state) for state in result.get("states", [])]
    return "\n".join(lines + verdicts(result))


def markdown(result: Result) -> str:
    """The table, the sizes of states, and the verdicts."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_row, result["points"])]
    table = ["| " + " | ".join(row) + " |" for row in rows]
    states = [f"- {_state_line(state)}" for state in result["states"]]
    met = [f"- {line}" for line in verdicts(result)]
    return "\n".join([f"Machine: {result['machine']}.", "", *table, "", *states, *met])


def verdicts(result: Result) -> list[str]:
    """What is required of bytes, met or not, as far as it was measured."""
    lines = []
    for point in result["points"]:
        if point["series"] == "users" and point["users"] >= USERS_MIN:
            held = point["redis_bytes"] / point["users"]
            met = "met" if held <= REDIS_BYTES_MAX else "NOT MET"
            lines.append(
                f"Redis {held:.0f} bytes a user of {point['users']:,}; required at most {REDIS_BYTES_MAX}: {met}"
            )
            state = point["state_bytes"] / point["users"]
            met = "met" if state <= STATE_BYTES_MAX else "NOT MET"
            lines.append(
                f"state in RocksDB {state:.0f} bytes a user of {point['users']:,}; "
                f"required at most {STATE_BYTES_MAX}: {met}"
            )
    for state in result.get("states", []):
        if state["events_a_user"] == TYPICAL_EVENTS:
            met = "met" if state["state_median"] <= STATE_BYTES_MAX else "NOT MET"
            lines.append(
                f"state of a typical user {state['state_median']:.0f} bytes; required at most {STATE_BYTES_MAX}: {met}"
            )
    return lines


def write(result: Result) -> None:
    """Into docs/."""
    DOCUMENT.write_text(put_between(DOCUMENT.read_text(), BEGIN, END, markdown(result)))


def _state_line(state: dict[str, Any]) -> str:
    return (
        f"{state['events_a_user']:,} events a user in {state['days']:g} days: state {state['state_median']:,} bytes "
        f"(median; p99 {state['state_p99']:,}), value in Redis {state['value_median']:,} bytes"
    )


def _row(point: Point) -> tuple[str, ...]:
    cpu, users = point["cpu_s_per_million"], point["users"]
    task_managers = sum(seconds for name, seconds in cpu.items() if name.startswith("taskmanager"))
    return (
        point["series"],
        f"{users:,}",
        f"{point['measured']:,}",
        f"{point['disorder_ms'] / 1_000:g} s",
        str(point["task_managers"]),
        f"{point['events_s']:,.0f}",
        f"{task_managers:.1f}",
        f"{cpu['kafka']:.1f}",
        f"{cpu['redis']:.1f}",
        f"{point['redis_bytes'] / users:,.0f}",
        f"{point['state_bytes'] / users:,.0f}",
        f"{point['uploaded_bytes'] / 1e6:,.1f}, {point['checkpoint_ms'] / 1_000:.1f}",
    )


if __name__ == "__main__":
    main()
