"""The rate of a task, with a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.operators.throttle import WAIT_S_MAX, Throttle


def test_without_a_bound_nothing_waits() -> None:
    throttle = Throttle(0)
    assert throttle.events_max == 0
    assert [throttle.wait_s(1_000_000, 5.0) for _ in range(3)] == [0.0] * 3


def test_a_part_waits_until_the_one_before_has_had_its_time() -> None:
    throttle = Throttle(100)
    assert throttle.events_max == 100
    assert throttle.wait_s(50, 10.0) == 0.0
    assert throttle.wait_s(100, 10.1) == pytest.approx(0.4)
    assert throttle.wait_s(1, 11.5) == 0.0
    assert throttle.wait_s(1, 60.0) == 0.0  # what was not used before is not made up for


def test_a_slot_takes_an_event_a_second_at_least() -> None:
    throttle = Throttle(0.01)
    assert throttle.events_max == 1
    assert [throttle.wait_s(1, at_s) for at_s in (0.0, 0.0, 1.0)] == [0.0, WAIT_S_MAX, WAIT_S_MAX]


@given(
    rate=st.floats(1, 1e5),
    parts=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.01)), min_size=1, max_size=50),
)
def test_the_rate_is_kept_and_no_wait_is_long(rate: float, parts: list[tuple[float, float]]) -> None:
    throttle = Throttle(rate)
    at_s, taken, last = 100.0, 0, 0
    for share, took_s in parts:
        last = max(1, int(share * throttle.events_max))
        wait_s = throttle.wait_s(last, at_s)
        assert 0.0 <= wait_s <= WAIT_S_MAX
        taken += last
        at_s += wait_s + took_s
    assert taken - last <= (at_s - 100.0) * rate * 1.001 + 1
