"""The promise: one answer, whatever the order of arrival, the repeats and the blocks."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.session_pb2 import ClosedSession
from driftline.state.v1.state_pb2 import ShardState
from state_schemas.user_state import decode_user, encode_user
from tests.builders import (
    NOW,
    HalfModel,
    States,
    block,
    bounds,
    fold_block,
    processor,
    scores_of,
    sessions_of,
    timelines,
    to_message,
)
from tests.timelines import meaning
from tests.unit.udfs.strategies import Arrival, arrivals, histories, splits
from tests.v1 import affinities, vector
from udfs.event import FORGET, Event
from udfs.profile import FIRST_MS
from udfs.published import session_message
from udfs.timeline import Outcome, Timeline


def folded(events: Iterable[Event]) -> tuple[Timeline, list[Outcome]]:
    timeline = Timeline.begin(bounds())
    return timeline, [timeline.offer(e) for e in events]


@given(st.data(), histories())
def test_any_order_within_the_bound_and_any_repeats_give_the_same_answer(
    data: st.DataObject, history: list[Event]
) -> None:
    arrival: Arrival = data.draw(arrivals(history))
    expected, _ = folded(sorted(history))
    timeline, outcomes = folded(arrival.events)
    assert meaning(timeline) == meaning(expected)
    assert outcomes.count(Outcome.ACCEPTED) == len(history)
    assert outcomes.count(Outcome.ACCEPTED) + outcomes.count(Outcome.DUPLICATE) + outcomes.count(Outcome.LATE) == len(
        arrival.events
    )
    profile, same = expected.profile(), timeline.profile()
    if not profile.empty:
        assert vector(profile, affinities(profile)) == vector(same, affinities(same))


@given(st.data(), histories())
def test_a_replay_after_a_crash_changes_nothing(data: st.DataObject, history: list[Event]) -> None:
    arrival: Arrival = data.draw(arrivals(history))
    crash = data.draw(st.integers(0, len(arrival.events)))
    checkpoint = data.draw(st.integers(0, crash))
    expected, _ = folded(arrival.events)
    timeline, _ = folded(arrival.events[:checkpoint])
    restored = decode_user(encode_user(timeline), bounds())
    for e in arrival.events[checkpoint:]:
        restored.offer(e)
    assert meaning(restored) == meaning(expected)


@given(st.data(), histories(), histories())
def test_any_split_into_blocks_and_any_memory_give_the_same_state_scores_and_sessions(
    data: st.DataObject, mine: list[Event], yours: list[Event]
) -> None:
    records = [to_message("me", e) for e in data.draw(arrivals(mine)).events]
    for e in data.draw(arrivals(yours)).events:
        records.insert(data.draw(st.integers(0, len(records))), to_message("you", e))
    whole = run_blocks(records, [len(records)])
    parts = run_blocks(records, data.draw(splits(len(records))), cached_max=data.draw(st.integers(0, 2)))
    means, scores, sessions, shard = range(4)
    for which in (means, scores, shard):
        assert parts[which] == whole[which]
    # What a FORGET of the same block has erased is not published any more.
    assert parts[sessions].items() >= whole[sessions].items()
    if not any(e.type == FORGET for e in (*mine, *yours)):
        assert parts[sessions] == whole[sessions]


@given(st.data(), histories())
def test_nothing_from_before_an_erasure_remains_whatever_the_order(data: st.DataObject, history: list[Event]) -> None:
    timeline = Timeline.begin(bounds())
    for e in data.draw(st.permutations(history)):
        timeline.offer(e)
    forgets_ms = [e.time_ms for e in history if e.type == FORGET]
    profile = timeline.profile()
    assert timeline.forgotten_through_ms == max(forgets_ms, default=0)
    assert profile.empty or profile.values[FIRST_MS] > max(forgets_ms, default=0)
    assert all(e.known_ms > max(forgets_ms, default=0) for e in timeline.tail.read())


def take(kept: dict[str, bytes], published: list[ClosedSession]) -> None:
    """Keep the newest of each session, without those that another one supersedes."""
    for session in published:
        for superseded in (session.supersedes_session_id, *session.also_supersedes_session_ids):
            kept.pop(superseded, None)
        for field in ("revision", "closed_by", "supersedes_session_id", "also_supersedes_session_ids"):
            session.ClearField(field)  # how often and why it was published depends on what came in one block
        kept[session.session_id] = session.SerializeToString()


def run_blocks(records: list, sizes: list[int], cached_max: int = 0) -> tuple:  # type: ignore[type-arg]
    """States, newest scores, sessions and totals after the records in blocks of these sizes."""
    fold = processor(HalfModel())
    states, shard = States(), ShardState(generation=1)
    users = timelines(states, cached_max)
    scores: dict[str, bytes | None] = {}
    sessions: dict[str, bytes] = {}
    count = len(records)
    for size in sizes:
        here = block(*records[:size], offset=count - len(records))
        result = fold_block(fold, here, shard, users, now_ms=NOW)
        records = records[size:]
        scores |= scores_of(result)
        take(sessions, sessions_of(result))
    for user_id, state in states.items():  # a session that has become a part of an open one stays until that one ends
        timeline = decode_user(state, bounds())
        timeline.close_quiet()
        take(sessions, [session_message(user_id, closed) for closed in timeline.closed])
    means = {user_id: meaning(decode_user(state, bounds())) for user_id, state in states.items()}
    return means, scores, sessions, shard.SerializeToString()
