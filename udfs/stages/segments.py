"""Segments: publishes who comes into a segment or leaves one, and prepares the lists of members in the score store."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.event.v1.segment_pb2 import SegmentChange
from driftline.metrics import JobNamed
from driftline.topics import SEGMENTS
from udfs.pipeline import Batch
from udfs.segment_changes import segment_changes, standing
from udfs.segments import Segment
from udfs.timeline import Timeline

_NOT_MEMBER = -1


class Segments:
    """Publishes changes of memberships to the topic `segments`. Comes after the stage that scores users.

    A user is looked at with each block that has an event of theirs, and at each age that is written: what fades with
    time, and is read by a segment, is as of the newest event or the age, as scores are.

    Args:
        segments: those that are declared, none for a job without segments.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = list(segments)
        self._channel = SEGMENTS.role

    def run(self, batch: Batch) -> None:
        """Emit what has changed since the last publication, and remember what is published now."""
        self._look(batch.touched, batch)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Do nothing: users are looked at once they are scored."""
        return False

    def checked(self, batch: Batch) -> None:
        """Do the same for the users who have reached another age."""
        self._look(batch.aged, batch)

    def _look(self, timelines: dict[str, Timeline], batch: Batch) -> None:
        for user_id, timeline in timelines.items():
            if self._segments or timeline.segments_published:
                self._publish(user_id, timeline, batch)

    def _publish(self, user_id: str, timeline: Timeline, batch: Batch) -> None:
        now = standing(timeline, self._segments)
        for change in segment_changes(user_id, timeline, now, self._segments, batch.generation):
            batch.result.emit(self._channel, user_id, change.SerializeToString(deterministic=True))
            if change.change == SegmentChange.CHANGE_ENTERED:
                if not change.previous_since_ms:
                    batch.result.count_named(JobNamed.SEGMENTS_ENTERED, change.segment)
            elif change.previous_since_ms:
                batch.result.count_named(JobNamed.SEGMENTS_LEFT, change.segment)
        batch.result.members[user_id] = [
            max(_NOT_MEMBER, now.get(segment.name, _NOT_MEMBER)) for segment in self._segments
        ]
        timeline.segments_published = now
