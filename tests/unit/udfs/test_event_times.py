"""Times that put an order to the test: of fast clocks, of the same millisecond, and of the edges of calendars."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.limits import TIME_MS_MAX
from driftline.state.v1.state_pb2 import ShardState
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, block, bounds, fold_block, message, processor, timelines
from tests.v1 import vector
from udfs.event import ADD_TO_CART, PURCHASE, VIEW, Event
from udfs.profile import EVENTS, FIRST_MS, LAST_MS, Profile
from udfs.timeline import Outcome, Timeline

SKEW = 5 * MINUTE
SETTINGS = {"disorder_ms": DAY, "dedupe_horizon_ms": DAY, "clock_skew_ms_max": SKEW}
MANY = 1_500  # below tail_events_max: nothing is committed


def folded(events: Iterable[Event], **changed: int) -> tuple[Timeline, list[Outcome]]:
    timeline = Timeline.begin(bounds(**(SETTINGS | changed)))
    return timeline, [timeline.offer(e) for e in events]


def all_of(profile: Profile) -> tuple[object, ...]:
    return profile.values, profile.texts, profile.maps, profile.series, profile.tables, vector(profile)


def visit(at_ms: int, number: int, kind: int = VIEW) -> Event:
    return Event(T0 + at_ms, f"e{number:06}", kind, float(number % 7), ("shoes", "hats", "bags")[number % 3])


def two_devices(ahead_ms: int) -> list[Event]:
    """A user's visits by two devices in the order of arrival; the clock of each second one is ahead."""
    return [visit(n * 10 * SECOND + (ahead_ms if n % 2 else 0), n) for n in range(120)]


@pytest.mark.parametrize("ahead_ms", [0, 61 * SECOND, SKEW - 1, SKEW])
def test_a_clock_ahead_by_less_than_the_skew_does_not_push_right_events_out(ahead_ms: int) -> None:
    arrived = two_devices(ahead_ms)
    timeline, outcomes = folded(arrived)
    assert outcomes == [Outcome.ACCEPTED] * len(arrived)
    assert timeline.profile().values[EVENTS] == len(arrived)
    assert all_of(timeline.profile()) == all_of(folded(sorted(arrived))[0].profile())


def test_with_a_bound_of_a_minute_such_a_clock_did() -> None:
    assert Outcome.LATE in folded(two_devices(SKEW), disorder_ms=MINUTE)[1]


@given(st.lists(st.tuples(st.integers(0, 20 * HOUR), st.integers(0, SKEW)), min_size=1, max_size=40))
def test_no_clock_within_the_skew_makes_an_event_of_the_day_late(visits: list[tuple[int, int]]) -> None:
    arrived = [visit(at_ms + ahead_ms, n) for n, (at_ms, ahead_ms) in enumerate(sorted(visits))]
    timeline, outcomes = folded(arrived)
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert all_of(timeline.profile()) == all_of(folded(sorted(arrived))[0].profile())


def same_millisecond(number: int) -> list[Event]:
    return [visit(0, n, (VIEW, ADD_TO_CART, PURCHASE)[n % 3]) for n in range(number)]


@pytest.mark.parametrize("seed", range(3))
def test_events_of_one_millisecond_give_one_answer_in_any_order(seed: int) -> None:
    events = same_millisecond(MANY)
    shuffled = random.Random(seed).sample(events, MANY)
    timeline, outcomes = folded(shuffled)
    assert outcomes == [Outcome.ACCEPTED] * MANY
    profile = timeline.profile()
    assert all_of(profile) == all_of(folded(events)[0].profile())
    assert profile.last_category == events[-1].category  # the highest id is the last
    assert (profile.values[FIRST_MS], profile.values[LAST_MS]) == (T0, T0)
    assert {timeline.offer(event) for event in shuffled} == {Outcome.DUPLICATE}


def test_thousands_do_where_the_tail_holds_them() -> None:
    events, changed = same_millisecond(2_500), {"tail_events_max": 3_000, "dedupe_ids_max": 6_000}
    forward, _ = folded(events, **changed)
    backward, outcomes = folded(events[::-1], **changed)
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert all_of(forward.profile()) == all_of(backward.profile())


@given(st.permutations(range(8)), st.integers(0, 7))
def test_a_read_between_changes_nothing(order: list[int], read_after: int) -> None:
    events = same_millisecond(8)
    timeline = Timeline.begin(bounds(**SETTINGS))
    for number, at in enumerate(order):
        timeline.offer(events[at])
        if number == read_after:
            timeline.profile()
    assert all_of(timeline.profile()) == all_of(folded(events)[0].profile())


EDGES_MS = [1, 2, 999, DAY, 4_102_444_800_000, 4_102_444_800_001, TIME_MS_MAX - 1, TIME_MS_MAX]


@given(st.permutations(EDGES_MS))
def test_a_timeline_holds_times_of_any_year(order: list[int]) -> None:
    events = {time_ms: Event(time_ms, f"e{time_ms}", PURCHASE, 2.0, "shoes") for time_ms in EDGES_MS}
    timeline = Timeline.begin(bounds(**SETTINGS))
    newest_ms = 0
    for time_ms in order:
        expected = Outcome.ACCEPTED if time_ms >= newest_ms - DAY else Outcome.LATE
        assert timeline.offer(events[time_ms]) is expected
        newest_ms = max(newest_ms, time_ms)
    assert timeline.profile().values[LAST_MS] == TIME_MS_MAX
    assert timeline.newest_ms == TIME_MS_MAX


def test_a_block_takes_times_of_any_year() -> None:
    shard, users = ShardState(generation=1), timelines()
    fold = processor(event_time_min_ms=0, event_time_max_ms=TIME_MS_MAX)
    records = block(*[message(event_id=f"e{time_ms}", event_time_ms=time_ms) for time_ms in EDGES_MS])
    result = fold_block(fold, records, shard, users, TIME_MS_MAX)
    assert not result.dead_letters
    assert not result.late
    timeline = users.peek("u1")
    assert timeline is not None
    assert timeline.accepted == len(EDGES_MS)
    assert timeline.profile().values[LAST_MS] == TIME_MS_MAX
