"""Sessions under disorder of any depth: a consumer of the newest revisions has those of the sorted history."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from state_schemas.user_state import decode_user, encode_user
from tests.builders import DAY, HOUR, MINUTE, SECOND, T0, bounds, event
from tests.unit.udfs.strategies import arrivals, histories
from udfs.event import CUSTOM, VIEW, Event
from udfs.published import ClosedSession
from udfs.timeline import Timeline

GAP = 30 * MINUTE
DEEP = bounds(disorder_ms=3 * DAY, dedupe_horizon_ms=4 * DAY)


class Consumer:
    """Keeps the highest revision of each session and drops those that a kept one supersedes."""

    def __init__(self) -> None:
        self.kept: dict[int, ClosedSession] = {}

    def take(self, timeline: Timeline) -> None:
        timeline.profile()
        for closed in timeline.closed:
            start_ms = closed.session.start_ms
            before = self.kept.get(start_ms)
            assert before is None or before.revision < closed.revision
            self.kept[start_ms] = closed
            for superseded_ms in closed.supersedes_start_ms:
                del self.kept[superseded_ms]
        timeline.clear_gathered()

    def sessions(self) -> list[tuple[int, int, int]]:
        kept = [self.kept[start_ms].session for start_ms in sorted(self.kept)]
        return [(session.start_ms, session.end_ms, session.events) for session in kept]


def sessions_of(history: Sequence[Event]) -> list[tuple[int, int, int]]:
    """First time, last time and number of events of each session of the history in order of time."""
    found: list[list[int]] = []
    for time_ms in sorted(e.time_ms for e in history):
        if found and time_ms <= found[-1][-1] + GAP:
            found[-1].append(time_ms)
        else:
            found.append([time_ms])
    return [(times[0], times[-1], len(times)) for times in found]


@given(st.data(), histories(kinds=st.integers(VIEW, CUSTOM)), st.integers(0, 2**32))
def test_a_consumer_ends_with_the_sessions_of_the_sorted_history(
    data: st.DataObject, history: list[Event], seed: int
) -> None:
    rng = random.Random(seed)
    timeline, consumer = Timeline.begin(DEEP), Consumer()
    for e in data.draw(arrivals(history, DEEP.disorder_ms)).events:
        watermark_ms = e.time_ms - rng.choice([0, HOUR, 2 * DAY])
        timeline.offer(e, watermark_ms + DAY, watermark_ms)
        if not rng.randrange(3):
            timeline.close_quiet()
        consumer.take(timeline)
        if not rng.randrange(4):
            timeline = decode_user(encode_user(timeline), DEEP)
    timeline.close_quiet()
    consumer.take(timeline)
    assert consumer.sessions() == sessions_of(history)


def test_an_event_between_two_published_sessions_supersedes_both_ids_where_it_joins_them() -> None:
    timeline = Timeline.begin(DEEP)
    for at_ms in (10 * MINUTE, 10 * MINUTE + GAP + 1, 95 * MINUTE):
        timeline.offer(event(at_ms))
    timeline.close_quiet()
    timeline.clear_gathered()
    for at_ms in (0, 30 * MINUTE, 68 * MINUTE):
        timeline.offer(event(at_ms))
    timeline.close_quiet()
    (joined,) = timeline.closed
    assert (joined.session.start_ms, joined.session.events, joined.revision) == (T0, 6, 2)
    assert [start_ms - T0 for start_ms in joined.supersedes_start_ms] == [
        10 * MINUTE,
        10 * MINUTE + GAP + 1,
        95 * MINUTE,
    ]


def test_sessions_that_no_event_can_change_are_not_kept() -> None:
    timeline = Timeline.begin(bounds())
    for number in range(50):
        timeline.offer(event(number * HOUR))
        timeline.offer(event(number * HOUR + SECOND))
        timeline.close_quiet()
    assert len(timeline.published.rows) <= 2
