"""Events that arrive late: as many as asked for, by as much, and none is lost."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks import job
from benchmarks.late_events import ABOVE_MS, delay, late_lines, settings_for, state_sizes
from benchmarks.state_size import everyday_state
from console.simulator import SimulationSpec, json_line, simulate
from driftline.units import DAY_MS


def lines_at(times_ms: list[int]) -> list[str]:
    return [json.dumps({"eventId": str(number), "eventTimeMs": str(ms)}) for number, ms in enumerate(times_ms)]


def times_of(lines: list[str]) -> list[int]:
    return [int(json.loads(line)["eventTimeMs"]) for line in lines]


@given(
    st.lists(st.integers(0, 10_000), max_size=60).map(sorted),
    st.floats(0, 1),
    st.integers(0, 5_000),
    st.integers(0, 99),
)
def test_every_event_arrives_once_and_none_later_than_by_the_bound(
    times_ms: list[int], share: float, by_ms: int, seed: int
) -> None:
    lines = lines_at(times_ms)
    arriving = list(late_lines(lines, share=share, by_ms=by_ms, seed=seed))
    assert sorted(arriving) == sorted(lines)
    newest_ms = 0
    for time_ms in times_of(arriving):
        assert newest_ms - time_ms <= by_ms
        newest_ms = max(newest_ms, time_ms)


def test_none_late_is_the_order_of_time_and_all_late_too() -> None:
    lines = lines_at(list(range(0, 5_000, 7)))
    assert list(late_lines(lines, share=0.0, by_ms=1_000, seed=1)) == lines
    assert list(late_lines(lines, share=1.0, by_ms=1_000, seed=1)) == lines


def test_as_many_are_late_as_asked_for_and_by_as_much() -> None:
    lines = lines_at(list(range(0, 100_000, 10)))
    behind, newest_ms = [], 0
    for time_ms in times_of(list(late_lines(lines, share=0.05, by_ms=20_000, seed=5))):
        if time_ms < newest_ms:
            behind.append(newest_ms - time_ms)
        newest_ms = max(newest_ms, time_ms)
    assert 0.04 < len(behind) / len(lines) < 0.06
    assert max(behind) <= 20_000
    assert sorted(behind)[len(behind) // 2] > 19_000


def test_states_are_those_of_every_user_and_nothing_is_late(tmp_path: Path) -> None:
    in_order, arriving = tmp_path / "in-order.jsonl", tmp_path / "arriving.jsonl"
    spec = SimulationSpec(users=20, events=600, seed=1)
    in_order.write_text("".join(json_line(event) + "\n" for event in simulate(spec)))
    delay(in_order, arriving, share=0.2, by_ms=DAY_MS)
    assert arriving.read_text() != in_order.read_text()
    sizes = state_sizes(arriving, settings_for(DAY_MS))
    assert sizes["users"] == len({event.user_id for event in simulate(spec)})
    assert 100 < sizes["state_median"] <= sizes["state_p99"]
    assert f"disorder_ms={DAY_MS + ABOVE_MS}" in settings_for(DAY_MS)


def test_users_with_a_day_of_10_events_in_the_tail_are_found_among_the_simulated() -> None:
    found, with_uuids = everyday_state(10), everyday_state(10, uuids=True)
    assert found["users"] >= 10 and 8 <= found["tail_median"] <= 12
    assert 500 < found["state_median"] < with_uuids["state_median"] < found["state_median"] + 10 * 16


def test_late_events_may_cost_a_fifth_of_the_rate() -> None:
    states = {"users": 5, "state_mean": 900.0, "state_median": 800, "state_p99": 1_500}
    everyday = {"users": 9, "tail_median": 20, "state_median": job.EVERYDAY_BYTES_MAX, "state_max": 3_000}
    result = {
        "ratios": [0.7, 0.8, 0.9],
        "states": states,
        "everyday": everyday,
        "with_uuids": everyday,
        "busy": everyday,
    }
    assert [check.met for check in job.late_checks(result)] == [True, True]
    slower = result | {"ratios": [0.7, 0.79, 0.9], "everyday": everyday | {"state_median": 2_049}}
    assert [check.met for check in job.late_checks(slower)] == [False, False]
    assert "state of 5 users after it: mean 900 bytes, median 800, p99 1,500" in job.late_summary(result)
