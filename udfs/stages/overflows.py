"""Overflows: how often the bounds of users were hit, for the metrics."""

from __future__ import annotations

from driftline.metrics import JobMetric, JobNamed
from udfs.pipeline import Batch
from udfs.results import BlockResult
from udfs.timeline import Timeline


class Overflows:
    """Counts what of a user did not fit, and names the users who have the most of it."""

    def run(self, batch: Batch) -> None:
        """Count what the events of a block have led to."""
        for user_id, timeline in batch.touched.items():
            if timeline.has_news():
                self._count(batch.result, user_id, timeline)

    def look(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Leave the user alone: only events hit a bound."""
        return False

    def _count(self, result: BlockResult, user_id: str, timeline: Timeline) -> None:
        overflows = timeline.overflows
        result.count(JobMetric.FORGETS_LATE, timeline.forgets_late)
        result.count(JobMetric.DEDUPE_IDS_OVERFLOW, overflows.ids)
        result.count(JobMetric.TAIL_OVERFLOW, overflows.tail)
        if overflows.ids or overflows.tail:
            result.count_named(JobNamed.HOT_USERS, user_id, overflows.ids + overflows.tail)
        result.count(JobMetric.CATEGORIES_OVERFLOW, overflows.categories)
        result.count(JobMetric.AMOUNTS_LEFT_OUT, overflows.amounts)
