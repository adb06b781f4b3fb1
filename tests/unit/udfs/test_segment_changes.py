"""Changes of memberships: a consumer that keeps the newest of each id has what holds, however blocks are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.metrics import JobNamed
from driftline.topics import SEGMENTS
from state_schemas.user_state import decode_user, encode_user
from tests.builders import DAY, HOUR, T0, bounds, event
from udfs.event import FORGET
from udfs.expressions.build import build
from udfs.expressions.node import Node, Scope
from udfs.pipeline import Batch
from udfs.profile import SLOTS, Profile
from udfs.results import BlockResult
from udfs.segment_changes import segment_changes, standing
from udfs.segments import (
    IN_BY_EVENT,
    IN_BY_TIME,
    NO_SLOT,
    OUT_BY_TIME,
    SLOTS_A_SEGMENT,
    Segment,
    SegmentStep,
    memberships,
)
from udfs.stages.segments import Segments
from udfs.timeline import Timeline

GENERATION = 7
FANS = Segment("fans", "f1", SLOTS, Node())
LIKELY = Segment("likely", "l1", NO_SLOT, Node(), ["finish"])


INSIDE = build([">=", ["feature", 0], 1.0], [], "UTC")


def timeline_at(*events_at_ms: int) -> Timeline:
    """A timeline with these events, whose profile has slots for a segment."""
    timeline = Timeline.begin(bounds())
    for at_ms in events_at_ms:
        timeline.offer(event(at_ms))
    return timeline


def run(timeline: Timeline, segments: list[Segment], now: dict[str, int] | None = None) -> BlockResult:
    """Run the stage over one user, who is a member of these segments since those times."""
    result = BlockResult()
    profile = timeline.profile()
    profile.values += [0.0] * (SLOTS + SLOTS_A_SEGMENT - len(profile.values))
    for segment in segments:
        if not segment.on_models and now and segment.name in now:
            profile.values[segment.slot : segment.slot + 2] = [1.0, now[segment.name]]
    scope = Scope(profile, [])
    timeline.segments = memberships([s for s in segments if not s.on_models], scope, {})
    Segments(segments).run(Batch({"u1": timeline}, GENERATION, T0 + DAY, result))
    return result


def changes_of(result: BlockResult) -> list[SegmentChange]:
    return [SegmentChange.FromString(value or b"") for _, value in result.outputs.get(SEGMENTS.role, [])]


def test_who_comes_in_is_published_once() -> None:
    timeline = timeline_at(0, 5)
    result = run(timeline, [FANS], {"fans": T0 + 5})
    (entered,) = changes_of(result)
    assert (entered.user_id, entered.segment, entered.definition) == ("u1", "fans", "f1")
    assert (entered.change, entered.cause) == (SegmentChange.CHANGE_ENTERED, SegmentChange.CAUSE_EVENT)
    assert (entered.effective_time_ms, entered.since_ms, entered.previous_since_ms) == (T0 + 5, T0 + 5, 0)
    assert (entered.generation, entered.accepted_events) == (GENERATION, 2)
    assert result.members == {"u1": [T0 + 5]}
    assert result.named == {JobNamed.SEGMENTS_ENTERED: {"fans": 1}}
    again = run(timeline, [FANS], {"fans": T0 + 5})
    assert changes_of(again) == []
    assert again.members == {"u1": [T0 + 5]}


def test_who_leaves_left_at_the_time_that_the_fold_has_kept() -> None:
    timeline = timeline_at(0, 5, 9)
    timeline.segments_published = {"fans": T0 + 5}
    timeline.profile().values += [0.0, T0 + 8.0]
    (left,) = changes_of(run(timeline, [FANS]))
    assert (left.change, left.effective_time_ms, left.since_ms) == (SegmentChange.CHANGE_LEFT, T0 + 8, T0 + 5)
    assert left.previous_since_ms == T0 + 5
    assert timeline.segments_published == {"fans": -(T0 + 8)}
    assert changes_of(run(timeline, [FANS])) == []


def test_who_came_in_and_left_between_two_looks_has_left() -> None:
    timeline = timeline_at(0, 5, 9)
    timeline.profile().values += [0.0, T0 + 8.0]
    result = run(timeline, [FANS])
    (left,) = changes_of(result)
    assert (left.change, left.effective_time_ms, left.since_ms) == (SegmentChange.CHANGE_LEFT, T0 + 8, 0)
    assert result.named == {}
    timeline.profile().values[SLOTS + 1] = T0 + 9.0  # once more
    assert [one.effective_time_ms for one in changes_of(run(timeline, [FANS]))] == [T0 + 9]


def test_a_membership_that_never_was_is_left_when_it_had_begun() -> None:
    timeline = timeline_at(0, 5, 9)
    timeline.segments_published = {"fans": T0 + 5}
    timeline.profile().values += [0.0, T0 + 3.0]  # an earlier one was left then
    (left,) = changes_of(run(timeline, [FANS]))
    assert (left.change, left.effective_time_ms) == (SegmentChange.CHANGE_LEFT, T0 + 5)


def test_an_earlier_beginning_is_published_as_a_move() -> None:
    timeline = timeline_at(0, 5)
    timeline.segments_published = {"fans": T0 + 5}
    result = run(timeline, [FANS], {"fans": T0 + 2})
    (moved,) = changes_of(result)
    assert (moved.change, moved.since_ms) == (SegmentChange.CHANGE_ENTERED, T0 + 2)
    assert moved.previous_since_ms == T0 + 5
    assert result.named == {}


def test_after_an_idle_time_the_membership_ended_with_the_profile() -> None:
    timeline = timeline_at(0, 100 * DAY)
    timeline.segments_published = {"fans": T0}
    (left,) = changes_of(run(timeline, [FANS]))
    assert (left.change, left.effective_time_ms) == (SegmentChange.CHANGE_LEFT, T0 + 100 * DAY)


def test_a_forget_ends_all() -> None:
    timeline = timeline_at(0, 5)
    timeline.segments_published = {"fans": T0 + 5, "likely": T0, "old": T0, "left": -T0}
    timeline.offer(event(7, FORGET))
    result = run(timeline, [FANS, LIKELY])
    assert [(one.segment, one.change, one.effective_time_ms, one.cause) for one in changes_of(result)] == [
        (name, SegmentChange.CHANGE_LEFT, T0 + 7, SegmentChange.CAUSE_FORGET) for name in ("fans", "likely", "old")
    ]
    assert result.members == {"u1": [-1, -1]}
    assert timeline.segments_published == {}


def test_a_segment_that_is_declared_no_more_is_left_at_the_next_event() -> None:
    timeline = timeline_at(0, 5)
    timeline.segments_published = {"old": T0, "left": -T0}
    (left,) = changes_of(run(timeline, []))
    assert (left.segment, left.definition, left.effective_time_ms) == ("old", "", T0 + 5)
    assert left.cause == SegmentChange.CAUSE_DECLARATION
    assert run(timeline, []).members == {}  # nothing is published, so nothing is looked at


def test_without_segments_nothing_is_said() -> None:
    result = run(timeline_at(0), [])
    assert (result.outputs, result.members, result.named) == ({}, {}, {})


def follow(observed: list[tuple[int, bool]], cuts: set[int]) -> tuple[list[SegmentChange], Timeline]:
    """Fold the events in order, and look after those that end a block; the state crosses each by its bytes."""
    timeline, published = Timeline.begin(bounds()), list[SegmentChange]()
    profile = Profile([0.0] * (SLOTS + SLOTS_A_SEGMENT))
    scope, inside = Scope(profile, [0.0]), SegmentStep(INSIDE, None, 0, SLOTS)
    for number, (at_ms, is_in) in enumerate(observed):
        timeline.offer(event(at_ms))
        profile.fold(event(at_ms), timeline.bounds.profile)
        scope.see(profile)
        scope.features[0] = float(is_in)
        inside.run(profile, scope)
        if number in cuts or number == len(observed) - 1:
            timeline.profile().values[:] = profile.values
            timeline.segments = memberships([FANS], scope, timeline.segments_published)
            result = BlockResult()
            Segments([FANS]).run(Batch({"u1": timeline}, GENERATION, T0, result))
            published += changes_of(result)
            del timeline.profile().values[SLOTS:]  # the layout of the state has no segments
            timeline = decode_user(encode_user(timeline), bounds())
    return published, timeline


def state_of(changes: list[SegmentChange]) -> tuple[bool, int]:
    """What a consumer has who drops ids that it has seen, and takes the newest by version."""
    if not changes:
        return False, 0
    newest = max(changes, key=lambda change: change.accepted_events)
    inside = newest.change == SegmentChange.CHANGE_ENTERED
    return inside, newest.since_ms if inside else 0


@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=25, unique_by=lambda one: one[0]).map(
        sorted
    ),
    st.sets(st.integers(0, 25)),
    st.sets(st.integers(0, 25)),
)
def test_however_blocks_are_cut_a_consumer_has_the_same_and_each_change_has_one_id(
    observed: list[tuple[int, bool]], cuts: set[int], others: set[int]
) -> None:
    once, timeline = follow(observed, cuts)
    again, other = follow(observed, others)
    every, _ = follow(observed, set(range(len(observed))))
    assert state_of(once) == state_of(again) == state_of(every)
    assert timeline.segments_published == other.segments_published
    assert len({change.change_id for change in once}) == len(once)
    assert {change.change_id for change in once} <= {change.change_id for change in every}
    assert follow(observed, cuts)[0] == once  # a replay repeats the ids


def looked_at(timeline: Timeline, age_s: int, *slots: float) -> list[SegmentChange]:
    """The changes that a look at an age finds, where the fold has these slots of FANS by then."""
    aged = Profile([*timeline.profile().values[:SLOTS], *slots])
    timeline.age_s, timeline.aged = age_s, aged
    timeline.segments = memberships([FANS], Scope(aged, []), {})
    now = standing(timeline, [FANS])
    changes = segment_changes("u1", timeline, now, [FANS], GENERATION)
    timeline.aged, timeline.segments_published = None, now
    return changes


def test_who_comes_in_by_silence_came_in_at_the_age() -> None:
    timeline = timeline_at(0, 5)
    (entered,) = looked_at(timeline, 3_600, IN_BY_TIME, T0 + 5 + HOUR)
    assert (entered.change, entered.cause) == (SegmentChange.CHANGE_ENTERED, SegmentChange.CAUSE_TIME)
    assert (entered.effective_time_ms, entered.since_ms) == (T0 + 5 + HOUR, T0 + 5 + HOUR)
    assert (entered.generation, entered.accepted_events, entered.age_s) == (GENERATION, 2, 3_600)
    assert looked_at(timeline, 86_400, IN_BY_TIME, T0 + 5 + HOUR) == []


def test_who_leaves_by_silence_left_at_the_age() -> None:
    timeline = timeline_at(0, 5)
    timeline.segments_published = {"fans": T0 + 5}
    (left,) = looked_at(timeline, 86_400, OUT_BY_TIME, T0 + 5 + HOUR)
    assert (left.change, left.cause) == (SegmentChange.CHANGE_LEFT, SegmentChange.CAUSE_TIME)
    assert (left.effective_time_ms, left.since_ms, left.age_s) == (T0 + 5 + HOUR, T0 + 5, 86_400)
    assert timeline.segments_published == {"fans": -(T0 + 5 + HOUR)}


def test_a_change_by_an_event_that_a_look_at_an_age_finds_is_by_the_event() -> None:
    (entered,) = looked_at(timeline_at(0, 5), 3_600, IN_BY_EVENT, T0 + 5)
    assert (entered.cause, entered.age_s) == (SegmentChange.CAUSE_EVENT, 3_600)


def test_a_change_by_time_that_an_event_finds_is_by_time() -> None:
    timeline = timeline_at(0, 2 * HOUR)
    timeline.profile().values += [IN_BY_TIME, T0 + HOUR]
    timeline.segments = memberships([FANS], Scope(timeline.profile(), []), {})
    (entered,) = segment_changes("u1", timeline, standing(timeline, [FANS]), [FANS], GENERATION)
    assert (entered.effective_time_ms, entered.cause, entered.age_s) == (T0 + HOUR, SegmentChange.CAUSE_TIME, 0)


def test_a_membership_that_never_was_is_taken_back_by_the_event_that_came_late() -> None:
    timeline = timeline_at(0, 5)
    timeline.segments_published = {"fans": T0 + 5}
    timeline.profile().values += [OUT_BY_TIME, T0 + 3.0]  # an earlier one was left by silence
    (left,) = segment_changes("u1", timeline, standing(timeline, [FANS]), [FANS], GENERATION)
    assert (left.effective_time_ms, left.cause) == (T0 + 5, SegmentChange.CAUSE_EVENT)


def test_a_segment_over_a_model_that_a_look_at_an_age_finds_has_its_time() -> None:
    timeline = timeline_at(0, 5)
    timeline.age_s, timeline.aged = 3_600, timeline.profile().copy()
    scope = Scope(timeline.aged, [])
    scope.see_at(timeline.aged, T0 + 5.0 + HOUR)
    scope.scores = {"finish": 0.9}
    likely = Segment("likely", "l1", NO_SLOT, build([">", ["score", "finish"], 0.8], [], "UTC"), ["finish"])
    timeline.segments = memberships([likely], scope, {})
    (entered,) = segment_changes("u1", timeline, standing(timeline, [likely]), [likely], GENERATION)
    assert (entered.effective_time_ms, entered.cause) == (T0 + 5 + HOUR, SegmentChange.CAUSE_TIME)
    timeline.segments_published = {"likely": T0 + 5 + HOUR}
    timeline.segments, timeline.age_s = (), 86_400
    (left,) = segment_changes("u1", timeline, standing(timeline, [likely]), [likely], GENERATION)
    assert (left.effective_time_ms, left.cause) == (T0 + 5 + DAY, SegmentChange.CAUSE_TIME)


def test_a_segment_that_is_declared_no_more_is_left_at_the_age_too() -> None:
    timeline = timeline_at(0, 5)
    timeline.segments_published = {"old": T0}
    timeline.age_s, timeline.aged = 3_600, timeline.profile().copy()
    (left,) = segment_changes("u1", timeline, standing(timeline, []), [], GENERATION)
    assert (left.effective_time_ms, left.cause) == (T0 + 5 + HOUR, SegmentChange.CAUSE_DECLARATION)
