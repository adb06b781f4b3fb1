"""Rates of what was seen lately, and when a replay has caught up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.pace import Pace, has_caught_up


def test_nothing_is_known_of_one_look() -> None:
    pace = Pace()
    assert (pace.rate_s, pace.span_s) == (0.0, 0.0)
    pace.note(5.0, 100)
    assert (pace.rate_s, pace.span_s) == (0.0, 0.0)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace(window_s=10)
    for second in range(100):
        pace.note(float(second), second * 50 if second < 50 else 2_500)
    assert pace.rate_s == 0.0
    pace.note(100.0, 2_600)
    assert pace.rate_s == 10.0


@given(st.lists(st.tuples(st.floats(0.01, 5), st.integers(0, 1_000)), min_size=2, max_size=50), st.floats(1, 20))
def test_a_steady_rate_is_found_whatever_the_looks(steps: list[tuple[float, int]], window_s: float) -> None:
    pace, now_s = Pace(window_s), 0.0
    for step_s, _ in steps:
        now_s += step_s
        pace.note(now_s, round(now_s * 1_000))
    assert abs(pace.rate_s - 1_000) <= 1 / pace.span_s + 1e-6
    assert pace.span_s <= window_s + 5


def test_caught_up_is_as_near_as_traffic_allows() -> None:
    assert has_caught_up(0, 0.0, 1)
    assert not has_caught_up(1, 0.0, 1)
    assert has_caught_up(999, 1_000.0, 1)
    assert not has_caught_up(1_001, 1_000.0, 1)
