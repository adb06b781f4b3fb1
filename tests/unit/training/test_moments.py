"""Moments of silence, against a plain reading, and the sample of them."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import DAY, HOUR, T0, event
from training.moments import Moment, Sample, moments_of, silences_of
from udfs.event import Event

AGES_S = (3_600, 86_400, 7 * 86_400)
DAYS_90 = 90 * DAY


def times_of(
    *at_ms: int, end_ms: int, within_ms: int = DAY, ttl_ms: int = DAYS_90
) -> tuple[list[tuple[int, int]], int]:
    """Hours of event and age of each known moment, and how many are unknown."""
    found = silences_of(
        [event(each) for each in at_ms],
        AGES_S,
        within_ms=within_ms,
        end_ms=T0 + end_ms,
        forgotten_after_ms=ttl_ms,
    )
    return [(at_ms[one.event] // HOUR, one.age_s // 3_600) for one in found.known], found.unknown


def test_ages_are_reached_before_the_next_event_alone() -> None:
    assert times_of(0, 2 * HOUR, 32 * HOUR, end_ms=40 * DAY) == (
        [(0, 1), (2, 1), (2, 24), (32, 1), (32, 24), (32, 168)],
        0,
    )


def test_an_event_at_the_very_end_of_an_age_comes_first() -> None:
    assert times_of(0, HOUR, end_ms=3 * DAY) == ([(1, 1), (1, 24)], 0)
    assert times_of(0, HOUR + 1, end_ms=HOUR + 1, within_ms=0) == ([(0, 1)], 0)


def test_events_of_one_instant_have_one_silence() -> None:
    assert times_of(0, 0, end_ms=3 * DAY) == ([(0, 1), (0, 24)], 0)
    found = silences_of(
        [event(0, event_id="a"), event(0, event_id="b")], AGES_S, within_ms=0, end_ms=T0 + HOUR, forgotten_after_ms=DAY
    )
    assert found.known == [Moment(1, 3_600, T0 + HOUR)]


def test_a_moment_needs_a_known_future_and_a_profile() -> None:
    assert times_of(0, end_ms=2 * DAY) == ([(0, 1), (0, 24)], 0)
    assert times_of(0, end_ms=2 * DAY - 1) == ([(0, 1)], 1)
    assert times_of(0, end_ms=8 * DAY - 1) == ([(0, 1), (0, 24)], 1)
    assert times_of(0, end_ms=HOUR - 1, within_ms=0) == ([], 0)
    assert times_of(0, end_ms=40 * DAY, ttl_ms=DAY) == ([(0, 1), (0, 24)], 0)


def test_moments_stand_in_order_of_time() -> None:
    events = [event(0), event(2 * HOUR), event(3 * HOUR)]
    silences = [Moment(1, 3_600, T0 + 3 * HOUR), Moment(0, 3_600, T0 + HOUR)]
    assert moments_of(events, 2, silences) == [
        Moment(0, 0, T0),
        Moment(0, 3_600, T0 + HOUR),
        Moment(1, 0, T0 + 2 * HOUR),
        Moment(1, 3_600, T0 + 3 * HOUR),
    ]


histories = st.lists(st.integers(0, 600).map(lambda hour: event(hour * HOUR, event_id=f"e{hour}")), max_size=12)


@given(histories.map(sorted), st.integers(0, 1_000), st.sampled_from([0, HOUR, 3 * DAY]))
def test_as_a_plain_reading(events: list[Event], end_hour: int, within_ms: int) -> None:
    end_ms = max([T0 + end_hour * HOUR, *(one.time_ms for one in events)])
    found = silences_of(events, AGES_S, within_ms=within_ms, end_ms=end_ms, forgotten_after_ms=20 * DAY)
    times_ms = [one.time_ms for one in events]
    reached = {
        (at_ms + age_s * 1_000, age_s)
        for at_ms in times_ms
        for age_s in AGES_S
        if at_ms + age_s * 1_000 <= end_ms and not any(at_ms < other <= at_ms + age_s * 1_000 for other in times_ms)
    }
    known = {(time_ms, age_s) for time_ms, age_s in reached if time_ms + within_ms <= end_ms}
    assert [(one.time_ms, one.age_s) for one in found.known] == sorted(known)
    assert found.unknown == len(reached) - len(known)
    assert all(events[one.event].time_ms == one.time_ms - one.age_s * 1_000 for one in found.known)


def test_silent_users_do_not_outnumber_events() -> None:
    moments = [(f"u{n}", Moment(0, age_s, n)) for n in range(9_000) for age_s in (AGES_S if n < 100 else AGES_S[:2])]
    by_age = Counter(one.age_s for _, one in moments)
    sample = Sample(3_000, by_age)
    kept = Counter(one.age_s for user_id, one in moments if sample.keeps(user_id, one))
    assert kept[AGES_S[2]] == 100  # fewer than its part: all of them
    assert all(abs(kept[age_s] - 1_000) < 150 for age_s in AGES_S[:2])


def test_a_sample_depends_on_the_moment_alone() -> None:
    first, second = Sample(10, {3_600: 40}), Sample(20, {3_600: 80})
    moments = [Moment(n, 3_600, n) for n in range(200)]
    assert [first.keeps("u", one) for one in moments] == [second.keeps("u", one) for one in moments]
    assert [first.keeps("u", one) for one in moments] != [first.keeps("v", one) for one in moments]


def test_without_events_or_silences_nothing_is_kept() -> None:
    assert not Sample(0, {3_600: 4}).keeps("u", Moment(0, 3_600, 0))
    Sample(0, {})
