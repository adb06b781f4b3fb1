"""What has changed in a user's memberships since they were last published, as messages for the topic `segments`.

What is compared is the last change of each membership, coming in or leaving, with the one that was published. So a
replay, in whatever blocks, ends with the same change as the first time. A change has an id that follows from what it
says. `Timeline.segments_published` is part of the state: since when a user is a member or, with a minus, when they
left.

A user is looked at after each block with an event of theirs, and when they have reached an age; then everything is as
of newest event + age. Whether a change came by an event or by time is kept by the fold, so it does not depend on which
of the two looks has found it. An event at the very time of an age comes before it: the change is then by the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from driftline.event.v1.segment_pb2 import SegmentChange
from udfs.hashing import hash128
from udfs.profile import FIRST_MS, LAST_MS
from udfs.segments import IN_BY_TIME, OUT_BY_TIME, Segment
from udfs.timeline import Timeline

_ENTERED: Final = SegmentChange.CHANGE_ENTERED
_LEFT: Final = SegmentChange.CHANGE_LEFT


def standing(timeline: Timeline, segments: Sequence[Segment]) -> dict[str, int]:
    """Return the last change of each membership, by segment: since when, or, with a minus, when the user left.

    Segments in which the user has never been are left out, as are those over a model's score that the user has left.
    """
    found: dict[str, int] = {}
    profile = timeline.as_of()
    if profile.empty:
        return found
    values = profile.values
    for segment in segments:
        if segment.slot >= 0 and values[segment.slot] <= 0.0 and values[segment.slot + 1]:
            found[segment.name] = -int(values[segment.slot + 1])
    for membership in timeline.segments:
        found[membership.name] = membership.since_ms
    return found


def segment_changes(
    user_id: str, timeline: Timeline, now: dict[str, int], segments: Sequence[Segment], generation: int
) -> list[SegmentChange]:
    """Return the changes since the last publication: in the order of declaration, then what is declared no more.

    Args:
        user_id: of the timeline's user.
        timeline: with what was last published.
        now: its `standing`.
        segments: those that are declared.
        generation: of the shard's state.
    """
    published = timeline.segments_published
    changes: list[SegmentChange] = []
    if now == published:
        return changes
    for segment in segments:
        changed_ms, before_ms = now.get(segment.name, 0), published.get(segment.name, 0)
        if changed_ms == before_ms or (not changed_ms and before_ms < 0):
            continue
        change = SegmentChange(segment=segment.name, definition=segment.definition)
        if changed_ms > 0:
            change.change, change.effective_time_ms, change.since_ms = _ENTERED, changed_ms, changed_ms
        elif before_ms > 0:
            change.change, change.since_ms = _LEFT, before_ms
            change.effective_time_ms = _left_ms(timeline, segment, before_ms)
        else:  # the user came in and left again between two looks
            change.change, change.effective_time_ms = _LEFT, -changed_ms
        change.cause = _cause(timeline, segment, before_ms, change.effective_time_ms)
        changes.append(change)
    declared = [segment.name for segment in segments]
    for name in sorted(published):
        if name not in declared and published[name] > 0:
            changes.append(_undeclared(timeline, name))
    for change in changes:
        change.user_id, change.generation, change.accepted_events = user_id, generation, timeline.accepted
        change.age_s = timeline.age_s
        change.previous_since_ms = max(0, published.get(change.segment, 0))
        change.change_id = change_id(change)
    return changes


def change_id(change: SegmentChange) -> str:
    """Return the id of a change: 32 hexadecimal digits that follow from who, what and when."""
    # The user's id comes last: it alone may hold any character.
    what = (change.segment, change.definition, str(change.change), str(change.effective_time_ms), change.user_id)
    return hash128("\n".join(what))


def _undeclared(timeline: Timeline, name: str) -> SegmentChange:
    since_ms = timeline.segments_published[name]
    forgotten = timeline.as_of().empty
    return SegmentChange(
        segment=name,
        change=_LEFT,
        effective_time_ms=timeline.forgotten_through_ms if forgotten else _as_of_ms(timeline),
        since_ms=since_ms,
        cause=SegmentChange.CAUSE_FORGET if forgotten else SegmentChange.CAUSE_DECLARATION,
    )


def _as_of_ms(timeline: Timeline) -> int:
    """Return the time that the evaluated profile, which is not empty, is as of."""
    return int(timeline.as_of().values[LAST_MS]) + timeline.age_s * 1_000


def _cause(timeline: Timeline, segment: Segment, before_ms: int, effective_ms: int) -> SegmentChange.Cause.ValueType:
    profile = timeline.as_of()
    if before_ms > 0 and (profile.empty or timeline.forgotten_through_ms >= before_ms):
        return SegmentChange.CAUSE_FORGET
    if segment.on_models:
        by_time = timeline.age_s > 0
    else:
        values, slot = profile.values, segment.slot
        by_time = values[slot + 1] == effective_ms and values[slot] in {IN_BY_TIME, OUT_BY_TIME}
    return SegmentChange.CAUSE_TIME if by_time else SegmentChange.CAUSE_EVENT


def _left_ms(timeline: Timeline, segment: Segment, since_ms: int) -> int:
    """Return when the user left: always the same for the same events, in whatever blocks they came.

    Of a segment over a model's score it is when that was seen.
    """
    profile = timeline.as_of()
    values = profile.values
    if profile.empty or timeline.forgotten_through_ms >= since_ms:
        return timeline.forgotten_through_ms
    if segment.on_models:
        return _as_of_ms(timeline)
    left_ms = int(values[segment.slot + 1])
    if left_ms >= since_ms:
        return left_ms
    if values[FIRST_MS] > since_ms:  # idle for so long that the event began a new profile
        return int(values[FIRST_MS])
    return since_ms  # an event that came late has shown that the user had never come in
