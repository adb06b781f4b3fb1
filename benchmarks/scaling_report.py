"""Scaling as text and as Markdown, and what is required of it; `--write` puts the points kept so far into docs/."""

from __future__ import annotations

from typing import Any

from benchmarks.checks import Check, at_most, lines
from benchmarks.documents import report_command
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
    report_command(__doc__, "scaling", shown=summary, write=write)


def summary(result: Result) -> str:
    """For a terminal."""
    found = [f"machine: {result['machine']}"] if "machine" in result else []
    for point in result["points"]:
        row = dict(zip(COLUMNS, _row(point), strict=True))
        found.append(f"{point['name']}: " + ", ".join(f"{name} {value}" for name, value in row.items()))
    found += [_state_line(state) for state in result.get("states", [])]
    return "\n".join(found + lines(checks(result)))


def markdown(result: Result) -> str:
    """The table, the sizes of states, and the verdicts."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_row, result["points"])]
    table = ["| " + " | ".join(row) + " |" for row in rows]
    states = [f"- {_state_line(state)}" for state in result["states"]]
    met = [f"- {line}" for line in lines(checks(result))]
    return "\n".join([f"Machine: {result['machine']}.", "", *table, "", *states, *met])


def checks(result: Result) -> list[Check]:
    """Everything that is required of bytes, measured or not."""
    found = []
    for point in result["points"]:
        if point["series"] == "users" and point["users"] >= USERS_MIN:
            users = point["users"]
            redis, state = point["redis_bytes"] / users, point["state_bytes"] / users
            found += [
                at_most(f"Redis, bytes a user of {users:,}", redis, REDIS_BYTES_MAX),
                at_most(f"state in RocksDB, bytes a user of {users:,}", state, STATE_BYTES_MAX),
            ]
    if not found:
        found.append(Check.missing("Redis, bytes a user", f"at most {REDIS_BYTES_MAX}"))
    typical = [state for state in result.get("states", []) if state["events_a_user"] == TYPICAL_EVENTS]
    for state in typical:
        found.append(at_most("state of a typical user, bytes", state["state_median"], STATE_BYTES_MAX))
    if not typical:
        found.append(Check.missing("state of a typical user, bytes", f"at most {STATE_BYTES_MAX}"))
    return found


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
