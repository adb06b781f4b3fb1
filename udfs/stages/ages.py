"""Ages: queues users for their next check, and evaluates them at the age that they have reached by then."""

from __future__ import annotations

from udfs.checks import Checks
from udfs.pipeline import Batch
from udfs.plan.plan import Plan
from udfs.timeline import Timeline


class Ages:
    """Keeps each user's entry in the due queue, and finds the users of a check who have reached another age.

    Comes after the stage that publishes sessions: a check of both is over when this one has moved `check_at_ms`.

    Args:
        plan: evaluates profiles at an age.
        checks: says who is due when.
    """

    def __init__(self, plan: Plan, checks: Checks) -> None:
        self._plan = plan
        self._checks = checks

    def run(self, batch: Batch) -> None:
        """Note when users were last heard of; queue each for one check, unless one is to come before it is due."""
        checks, now_ms = self._checks, batch.now_ms
        if not checks.wanted:
            return
        for user_id, timeline in batch.touched.items():
            timeline.last_arrival_ms = now_ms
            if now_ms < timeline.check_at_ms <= now_ms + checks.rest_ms:
                continue  # as nearly always: nothing of the user is due earlier
            due_ms = checks.next_ms(user_id, timeline, now_ms)
            if not now_ms < timeline.check_at_ms <= due_ms:
                timeline.check_at_ms = due_ms
                batch.result.wait(user_id, due_ms)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Add a user who has reached another age to `Batch.aged`, and queue the user for the next check.

        A user who was active meanwhile is queued again without a write of the timeline. The next event then queues the
        user a second time, and the earlier of the two entries is ignored.
        """
        checks, now_ms = self._checks, batch.now_ms
        if not checks.is_current(timeline, due_ms):
            return False  # checked already, or queued again
        if checks.is_active(timeline, now_ms):
            self._wait(user_id, checks.next_ms(user_id, timeline, now_ms), batch)
            return False
        timeline.check_at_ms = 0
        if not timeline.profile().empty:
            self._age(user_id, timeline, batch)
            timeline.check_at_ms = checks.next_after_ms(user_id, timeline, now_ms)
            self._wait(user_id, timeline.check_at_ms, batch)
        return True

    def checked(self, batch: Batch) -> None:
        """Do nothing: other stages take what `check` has found."""

    def _age(self, user_id: str, timeline: Timeline, batch: Batch) -> None:
        """Evaluate the largest age that has been reached; those between are skipped."""
        age_s = self._checks.reached_s(timeline, batch.now_ms)
        if age_s > timeline.age_s:
            timeline.age_s = age_s
            timeline.aged = self._plan.aged(timeline.profile(), age_s)
            batch.aged[user_id] = timeline

    def _wait(self, user_id: str, at_ms: int, batch: Batch) -> None:
        if at_ms:
            batch.result.wait(user_id, at_ms)
