from __future__ import annotations

from typing import Any

from benchmarks import scaling_report as report
from benchmarks.checks import Check
from benchmarks.state_size import HISTORIES


def point(series: str = "users", users: int = 100_000, **changed: Any) -> dict[str, Any]:
    figures = {
        "name": f"{series}-{users}",
        "series": series,
        "users": users,
        "measured": 200_000,
        "disorder_ms": 10_000,
        "task_managers": 2,
        "events_s": 20_000.0,
        "cpu_s_per_million": {"taskmanager-1": 20.0, "taskmanager-2": 25.0, "kafka": 10.0, "redis": 4.0},
        "redis_bytes": 600 * users,
        "state_bytes": 1_024 * users,
        "uploaded_bytes": 5_000_000,
        "checkpoint_ms": 1_500,
    }
    return figures | changed


def result(*points: dict[str, Any], state_median: int = 1_024) -> dict[str, Any]:
    state = {
        "events_a_user": report.TYPICAL_EVENTS,
        "days": 14.0,
        "state_median": state_median,
        "state_p99": 2_000,
        "value_median": 400,
    }
    return {"machine": "a machine", "points": list(points), "states": [state]}


def met(checks: list[Check]) -> list[bool]:
    return [check.met for check in checks]


def test_as_many_bytes_as_allowed_are_met() -> None:
    assert met(report.checks(result(point()))) == [True, True, True]


def test_a_byte_more_is_not_met() -> None:
    more = point(redis_bytes=601 * 100_000, state_bytes=1_025 * 100_000)
    assert met(report.checks(result(more, state_median=1_025))) == [False] * 3


def test_few_users_and_other_series_are_not_judged() -> None:
    few, other = point(users=10_000, redis_bytes=10**12), point("history", redis_bytes=10**12)
    redis, state = report.checks(result(few, other))
    assert (redis.measured, redis.met) == (False, False)
    assert (state.measured, state.met) == (True, True)


def test_without_states_the_typical_one_is_not_met() -> None:
    assert met(report.checks(result(point()) | {"states": []})) == [True, True, False]


def test_cpu_of_all_task_managers_is_one_cell() -> None:
    rows = [line for line in report.markdown(result(point())).splitlines() if line.startswith("|")]
    assert "| 45.0 |" in rows[-1]
    assert {row.count("|") for row in rows} == {len(report.COLUMNS) + 1}


def test_the_typical_user_is_among_the_histories_measured() -> None:
    assert report.TYPICAL_EVENTS in {events for events, _ in HISTORIES}
