"""Sessions: publishes closed sessions to the topic `sessions`."""

from __future__ import annotations

from driftline.metrics import JobMetric
from driftline.topics import SESSIONS
from udfs.checks import Checks
from udfs.pipeline import Batch
from udfs.published import session_message
from udfs.timeline import Timeline


class Sessions:
    """Publishes the sessions that an event has closed, and those of users who sent nothing for the session gap.

    Args:
        checks: says who is due when; the stage of ages queues the users.
        published: whether the project wants sessions; else nothing is emitted.
    """

    def __init__(self, checks: Checks, *, published: bool = True) -> None:
        self._checks = checks
        self._published = published
        self._channel = SESSIONS.role

    def run(self, batch: Batch) -> None:
        """Emit the sessions that events have closed."""
        if not self._published:
            return
        for user_id, timeline in batch.touched.items():
            timeline.profile()  # closes sessions behind an event that came out of order
            if timeline.closed:
                self._emit(batch, user_id, timeline)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Emit all sessions of a user who went quiet; a later check, for an age, finds them published."""
        checks = self._checks
        if not checks.is_current(timeline, due_ms) or not checks.is_quiet(timeline, batch.now_ms):
            return False
        timeline.close_quiet()
        if timeline.closed:
            self._emit(batch, user_id, timeline)
        return True

    def checked(self, batch: Batch) -> None:
        """Do nothing."""

    def _emit(self, batch: Batch, user_id: str, timeline: Timeline) -> None:
        for closed in timeline.closed:
            value = session_message(user_id, closed).SerializeToString(deterministic=True)
            batch.result.emit(self._channel, user_id, value)
        batch.result.count(JobMetric.SESSIONS_CLOSED, len(timeline.closed))
