"""Sessions: publishes closed sessions to the topic `sessions`."""

from __future__ import annotations

from driftline.metrics import JobMetric
from driftline.topics import SESSIONS
from udfs.pipeline import Batch
from udfs.published import session_message
from udfs.timeline import Timeline


class Sessions:
    """Publishes the sessions that an event has closed, and those of users who sent nothing for the session gap.

    Args:
        gap_ms: the session gap; users are checked after as much wall-clock time.
        published: whether the project wants them; else nobody is checked, and nothing is emitted.
    """

    def checked(self, batch: Batch) -> None:
        """Do nothing."""

    def __init__(self, gap_ms: int, *, published: bool = True) -> None:
        self._gap_ms = gap_ms
        self._published = published
        self._channel = SESSIONS.role

    def run(self, batch: Batch) -> None:
        """Emit the sessions that events have closed; queue each user for one check, unless one is still to come."""
        if not self._published:
            return
        for user_id, timeline in batch.touched.items():
            timeline.last_arrival_ms = batch.now_ms
            if timeline.check_at_ms <= batch.now_ms:
                timeline.check_at_ms = batch.now_ms + self._gap_ms
                batch.result.wait(user_id, timeline.check_at_ms)
            if timeline.closed:
                self._emit(batch, user_id, timeline)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Emit all sessions of a user who went quiet.

        A user who was active meanwhile is queued again without a write of the timeline. The next event then queues the
        user a second time, and the earlier of the two entries is ignored.
        """
        if not 0 < timeline.check_at_ms <= due_ms:
            return False  # checked already, or queued again
        quiet_at_ms = timeline.last_arrival_ms + self._gap_ms
        if quiet_at_ms > batch.now_ms:
            batch.result.wait(user_id, quiet_at_ms)
            return False
        timeline.check_at_ms = 0
        timeline.close_quiet()
        if timeline.closed:
            self._emit(batch, user_id, timeline)
        return True

    def _emit(self, batch: Batch, user_id: str, timeline: Timeline) -> None:
        for closed in timeline.closed:
            value = session_message(user_id, closed).SerializeToString(deterministic=True)
            batch.result.emit(self._channel, user_id, value)
        batch.result.count(JobMetric.SESSIONS_CLOSED, len(timeline.closed))
