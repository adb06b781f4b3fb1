"""Checks of users who are due leave most of the thread's time to fresh events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.operators.pacing import BEHIND_MS_MAX, CALLS_OF_REST, REST_MS_MAX, Pacing

NOW = 1_767_225_600_000
CALLS = st.lists(st.integers(1, 40), min_size=1, max_size=50)


def worked_ms(calls: list[int], behind_ms: int) -> tuple[int, int]:
    """How long calls worked that are made as soon as they may, and how long all of it took."""
    pacing, at_ms = Pacing(), NOW
    for call_ms in calls:
        assert pacing.rest_until(at_ms) == at_ms
        until_ms = pacing.ended(at_ms, call_ms, behind_ms)
        assert pacing.rest_until(at_ms + call_ms) == until_ms > at_ms + call_ms
        at_ms = until_ms
    return sum(calls), at_ms - NOW


@given(CALLS)
def test_a_fifth_of_the_time_is_worked(calls: list[int]) -> None:
    worked, took = worked_ms(calls, behind_ms=0)
    assert took == (1 + CALLS_OF_REST) * worked


@given(CALLS)
def test_half_of_the_time_is_worked_once_users_have_waited_for_long(calls: list[int]) -> None:
    worked, took = worked_ms(calls, behind_ms=BEHIND_MS_MAX)
    assert took == 2 * worked


@given(st.integers(1, 10_000), st.integers(0, 2 * BEHIND_MS_MAX))
def test_a_rest_has_a_bound_whatever_a_call_took(call_ms: int, behind_ms: int) -> None:
    until_ms = Pacing().ended(NOW, call_ms, behind_ms)
    assert NOW + call_ms <= until_ms <= NOW + max(call_ms, REST_MS_MAX)


def test_a_clock_that_was_set_back_ends_the_rest() -> None:
    pacing = Pacing()
    pacing.ended(NOW, 10, 0)
    assert pacing.rest_until(NOW - 3_600_000) == NOW - 3_600_000


def test_the_longest_call_is_kept() -> None:
    pacing = Pacing()
    for call_ms in (3, 70, 5):
        pacing.ended(NOW, call_ms, 0)
    assert pacing.longest_ms == 70
