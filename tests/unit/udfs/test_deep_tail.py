"""A deep tail: the same answers as a fold of all events in order, and exactly the sessions of the sorted history."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from state_schemas.user_state import decode_user, encode_user
from tests.builders import DAY, HOUR, MINUTE, T0, bounds, event
from tests.minute_timeline import MinuteTimeline
from tests.unit.udfs.strategies import CURRENCIES, Arrival, arrivals, histories
from udfs.event import ADD_TO_CART, CUSTOM, FORGET, PURCHASE, REFUND, VIEW, Event
from udfs.profile import Profile
from udfs.published import ClosedSession
from udfs.timeline import Outcome, Timeline, TimelineBounds

GAP_MS = 30 * MINUTE
DEEP = st.sampled_from([MINUTE, 6 * HOUR, 3 * DAY])
LIVING = st.one_of(st.integers(VIEW, CUSTOM), st.just(REFUND))  # all kinds but FORGET


def deep_bounds(disorder_ms: int, tail_events_max: int = 64) -> TimelineBounds:
    """Bounds with chunks of eight events, so that short histories have several."""
    return bounds(disorder_ms=disorder_ms, dedupe_horizon_ms=max(DAY, disorder_ms), tail_events_max=tail_events_max)


def content(profile: Profile) -> tuple[object, ...]:
    return profile.values, profile.texts, profile.maps, profile.series, profile.tables


def newest(published: list[ClosedSession]) -> list[tuple[int, int, int]]:
    """What a consumer has who keeps the newest revision of each session, without those that another one supersedes."""
    kept: dict[int, ClosedSession] = {}
    for closed in published:
        for start_ms in closed.supersedes_start_ms:
            kept.pop(start_ms, None)
        before = kept.get(closed.session.start_ms)
        assert before is None or closed.revision > before.revision
        kept[closed.session.start_ms] = closed
    return sorted((c.session.start_ms, c.session.end_ms, c.session.events) for c in kept.values())


def sessions_of(history: list[Event]) -> list[tuple[int, int, int]]:
    """The sessions of a sorted history: where they begin and end, and how many events they have."""
    found: list[list[Event]] = []
    for each in sorted(history):
        if found and each.time_ms - found[-1][-1].time_ms <= GAP_MS:
            found[-1].append(each)
        else:
            found.append([each])
    return [(session[0].time_ms, session[-1].time_ms, len(session)) for session in found]


@given(st.data(), histories(size_max=60), DEEP)
def test_every_answer_is_that_of_a_tail_that_is_folded_whole(
    data: st.DataObject, history: list[Event], disorder_ms: int
) -> None:
    arrival: Arrival = data.draw(arrivals(history, data.draw(st.sampled_from([disorder_ms, 2 * disorder_ms]))))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    limits = deep_bounds(disorder_ms)
    timeline, expected = Timeline.begin(limits), MinuteTimeline(limits)
    for each in arrival.events:
        read_ms, watermark_ms = each.time_ms + rng.randint(0, HOUR), each.time_ms - rng.randint(0, HOUR)
        assert timeline.offer(each, read_ms, watermark_ms) is expected.offer(each, read_ms, watermark_ms)
        if rng.random() < 0.3:  # as after a block; between two, a user may leave the cache
            assert content(timeline.profile()) == content(expected.profile())
        if rng.random() < 0.1:
            timeline = decode_user(encode_user(timeline), limits)
    assert content(timeline.profile()) == content(expected.profile())
    assert timeline.waiting() == expected.tail
    assert timeline.committed_through_ms == expected.committed_through_ms
    assert (timeline.accepted, timeline.newest_ms) == (expected.accepted, expected.newest_ms)
    assert timeline.seen.hashes == expected.seen.hashes


@given(st.data(), histories(size_max=60, kinds=LIVING), DEEP)
def test_the_newest_revisions_are_the_sessions_of_the_sorted_history(
    data: st.DataObject, history: list[Event], disorder_ms: int
) -> None:
    arrival: Arrival = data.draw(arrivals(history, disorder_ms))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    limits = deep_bounds(disorder_ms)
    timeline, published = Timeline.begin(limits), list[ClosedSession]()
    for each in arrival.events:
        timeline.offer(each)
        if rng.random() < 0.3:
            timeline.profile()
            published += timeline.closed
            timeline.clear_gathered()
        if rng.random() < 0.2:
            timeline.close_quiet()
            published += timeline.closed
            timeline = decode_user(encode_user(timeline), limits)
    timeline.close_quiet()
    published += timeline.closed
    known = [each for each in history if each.known_ms > timeline.forgotten_through_ms]
    assert newest(published) == sessions_of(known)


@given(st.data(), histories(size_max=60, kinds=LIVING))
def test_chunks_and_bytes_stay_bounded_by_what_waits(data: st.DataObject, history: list[Event]) -> None:
    limits = deep_bounds(6 * HOUR, tail_events_max=24)
    timeline = Timeline.begin(limits)
    for each in data.draw(arrivals(history, 6 * HOUR)).events:
        timeline.offer(each)
        timeline.profile()
        tail = timeline.tail
        assert tail.events == sum(chunk.events for chunk in tail.chunks) == len(tail.read())
        assert tail.events <= 24 or len(tail.chunks) == 1
        assert tail.read() == sorted(tail.read())
        for chunk in tail.chunks:
            events = chunk.read()
            assert (chunk.first_ms, chunk.last_ms) == (events[0].time_ms, events[-1].time_ms)
            assert chunk.events <= 8


def test_an_event_in_order_decodes_and_folds_nothing_again() -> None:
    timeline = Timeline.begin(deep_bounds(DAY, tail_events_max=2_000))
    for minute in range(1_000):
        timeline.offer(event(minute * MINUTE))
    sizes = [chunk.events for chunk in timeline.tail.chunks]
    assert sum(sizes) == 1_000
    assert len(sizes) < 16  # snapshots are few
    assert sizes[-1] <= 16
    assert sorted(sizes[:-1], reverse=True) == sizes[:-1]


def test_what_everybody_committed_is_given_up_at_once() -> None:
    timeline = Timeline.begin(deep_bounds(DAY))
    for at_ms in (0, HOUR, 10 * DAY):
        timeline.offer(event(at_ms))
    assert [each.time_ms - T0 for each in timeline.tail.read()] == [10 * DAY]
    assert timeline.profile().session.events == 1


def test_a_days_old_event_corrects_the_sessions_that_were_published() -> None:
    timeline = Timeline.begin(deep_bounds(3 * DAY))
    for at_ms in (0, GAP_MS + MINUTE, 2 * DAY):
        timeline.offer(event(at_ms))
    assert [(c.session.start_ms - T0, c.session.events) for c in timeline.closed] == [(0, 1), (GAP_MS + MINUTE, 1)]
    timeline.clear_gathered()
    assert timeline.offer(event(MINUTE, ADD_TO_CART, event_id="from the train")) is Outcome.ACCEPTED
    timeline.profile()
    merged = timeline.closed
    assert [(c.session.start_ms - T0, c.session.events, c.revision) for c in merged] == [(0, 3, 2)]
    assert merged[0].supersedes_start_ms == (T0 + GAP_MS + MINUTE,)


@given(st.lists(st.tuples(st.integers(0, 20), CURRENCIES), min_size=1, max_size=40))
def test_rows_of_one_instant_are_in_the_order_of_ids(drawn: list[tuple[int, int]]) -> None:
    timeline = Timeline.begin(deep_bounds(DAY))
    history = [
        Event(T0, f"{number}-{at}", PURCHASE, float(at), "shoes", currency=currency)
        for at, (number, currency) in enumerate(drawn)
    ]
    for each in history:
        timeline.offer(each)
    assert timeline.waiting() == sorted(history)


def test_a_forget_leaves_only_what_was_not_known_then() -> None:
    timeline = Timeline.begin(deep_bounds(DAY))
    for hour in range(20):
        timeline.offer(event(hour * HOUR))
    timeline.offer(event(10 * HOUR, FORGET, event_id="forget"))
    assert [each.time_ms - T0 for each in timeline.tail.read()] == [hour * HOUR for hour in range(11, 20)]
    assert timeline.profile().values[0] == 9


def test_a_tail_of_long_ids_is_bounded_in_bytes_and_what_is_dropped_is_counted() -> None:
    timeline = Timeline.begin(bounds(disorder_ms=DAY, tail_bytes_max=8_192))
    for number in range(400):
        timeline.offer(event(number, event_id=f"{number:0128}"))
    tail = timeline.tail
    assert sum(chunk.size for chunk in tail.chunks) <= 8_192
    assert timeline.overflows.tail == 400 - tail.events
    assert timeline.profile().session.events == 400
    assert timeline.offer(event(-1)) is Outcome.LATE
