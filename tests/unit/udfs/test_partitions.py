"""A user in several partitions: the answer does not depend on the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from state_schemas.user_state import decode_user, encode_user
from tests.builders import DAY, HOUR, MINUTE, bounds, event
from tests.timelines import meaning
from tests.unit.udfs.strategies import DISORDER_MS, histories
from udfs.event import REFUND, VIEW, Event
from udfs.timeline import ALL_READ_MS, Outcome, Timeline

AFTER_MS = 2 * HOUR


@dataclass(frozen=True)
class Offered:
    """An event with the clocks that it is offered with."""

    event: Event
    read_ms: int
    watermark_ms: int


@st.composite
def partitioned(draw: st.DrawFn, history: Sequence[Event]) -> list[list[Event]]:
    """The events in one to four partitions, in each shuffled within the disorder bound."""
    count = draw(st.integers(1, 4))
    delays = st.integers(0, DISORDER_MS)
    found: list[list[tuple[int, int, Event]]] = [[] for _ in range(count)]
    for number, sent in enumerate(history):
        found[draw(st.integers(0, count - 1))].append((sent.time_ms + draw(delays), number, sent))
    return [[sent for *_, sent in sorted(partition)] for partition in found]


@st.composite
def readings(draw: st.DrawFn, partitions: list[list[Event]]) -> list[Offered]:
    """The events in any order that keeps the order of each partition, with a watermark of that moment or before.

    A record's timestamp is its event's time. A partition that has been read to its end is not waited for.
    """
    left = [list(partition) for partition in partitions]
    clocks = [0] * len(left)
    offered, known_ms = [], 0
    while any(left):
        number = draw(st.sampled_from([n for n, partition in enumerate(left) if partition]))
        run = draw(st.integers(1, len(left[number])))  # a poll brings a run of one partition
        for record in [left[number].pop(0) for _ in range(run)]:
            clocks[number] = max(clocks[number], record.time_ms)
            offered.append(Offered(record, clocks[number], known_ms))
        if draw(st.booleans()):
            known_ms = min((clocks[n] for n, partition in enumerate(left) if partition), default=ALL_READ_MS)
    return offered


def folded(offered: Sequence[Offered]) -> tuple[Timeline, list[Outcome]]:
    timeline = Timeline.begin(bounds())
    return timeline, [timeline.offer(each.event, each.read_ms, each.watermark_ms) for each in offered]


def shown(timeline: Timeline) -> tuple[list[float], dict[str, float], str]:
    """Everything that scores depend on."""
    profile = timeline.profile()
    return profile.values, profile.categories, profile.last_category


def in_order(history: Sequence[Event]) -> list[Offered]:
    return [Offered(sent, ALL_READ_MS, ALL_READ_MS) for sent in sorted(history)]


@given(st.data(), histories())
def test_any_order_in_which_partitions_are_read_gives_the_answer_of_the_sorted_history(
    data: st.DataObject, history: list[Event]
) -> None:
    offered = data.draw(readings(data.draw(partitioned(history))))
    expected, _ = folded(in_order(history))
    timeline, outcomes = folded(offered)
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert shown(timeline) == shown(expected)
    assert timeline.accepted == expected.accepted

    newest_ms = max(sent.time_ms for sent in history)
    last = Offered(Event(newest_ms + AFTER_MS, "last", VIEW, 0.0, ""), ALL_READ_MS, ALL_READ_MS)
    for each in (timeline, expected):  # once all has been read, the states are the same, too
        each.offer(last.event, last.read_ms, last.watermark_ms)
    assert meaning(timeline) == meaning(expected)


@given(st.data(), histories())
def test_what_two_producers_send_twice_is_counted_once(data: st.DataObject, history: list[Event]) -> None:
    offered = data.draw(readings([list(history), list(history)]))
    expected, _ = folded(in_order(history))
    timeline, outcomes = folded(offered)
    assert shown(timeline) == shown(expected)
    assert outcomes.count(Outcome.ACCEPTED) == len(history)
    assert outcomes.count(Outcome.DUPLICATE) == len(history)


@given(st.data(), histories(15, st.integers(VIEW, REFUND)), st.integers(1, 60))
def test_a_partition_that_is_ahead_by_any_time_makes_no_event_of_another_late(
    data: st.DataObject, history: list[Event], days: int
) -> None:
    ahead = [Event(e.time_ms + days * DAY, f"{e.event_id}-ahead", e.type, 0.0, e.category) for e in history]
    offered = data.draw(readings([list(history), ahead]))
    expected, _ = folded(in_order([*history, *ahead]))
    timeline, outcomes = folded(offered)
    assert set(outcomes) == {Outcome.ACCEPTED}
    assert shown(timeline) == shown(expected)


@given(st.data(), histories())
def test_a_restart_while_partitions_are_read_changes_nothing(data: st.DataObject, history: list[Event]) -> None:
    offered = data.draw(readings(data.draw(partitioned(history))))
    restart = data.draw(st.integers(0, len(offered)))
    expected, _ = folded(offered)
    timeline, _ = folded(offered[:restart])
    restored = decode_user(encode_user(timeline), bounds())
    for each in offered[restart:]:
        restored.offer(each.event, each.read_ms, each.watermark_ms)
    assert meaning(restored) == meaning(expected)


def test_an_event_behind_its_own_partition_and_its_user_is_late_in_any_partition() -> None:
    timeline = Timeline.begin(bounds())
    first, second = event(HOUR), event(0)
    assert timeline.offer(first, first.time_ms, 0) is Outcome.ACCEPTED
    assert timeline.offer(second, second.time_ms + MINUTE + 1, 0) is Outcome.LATE
    assert timeline.offer(second, second.time_ms + MINUTE, 0) is Outcome.ACCEPTED
