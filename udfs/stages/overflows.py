"""Overflows: how often the bounds of users' states were exceeded, for the metrics."""

from __future__ import annotations

from driftline.metrics import JobMetric, JobNamed
from udfs.pipeline import Batch
from udfs.results import BlockResult
from udfs.timeline import Timeline


class Overflows:
    """Counts what did not fit into users' states, and names the users concerned."""

    def run(self, batch: Batch) -> None:
        """Count the overflows that the block has caused."""
        for user_id, timeline in batch.touched.items():
            if timeline.has_gathered():
                self._count(batch.result, user_id, timeline)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Do nothing: only events can exceed a bound."""
        return False

    def checked(self, batch: Batch) -> None:
        """Do nothing."""

    def _count(self, result: BlockResult, user_id: str, timeline: Timeline) -> None:
        overflows = timeline.overflows
        result.count(JobMetric.FORGETS_LATE, timeline.forgets_late)
        result.count(JobMetric.DEDUPE_IDS_OVERFLOW, overflows.ids)
        result.count(JobMetric.TAIL_OVERFLOW, overflows.tail)
        if overflows.ids or overflows.tail:
            result.count_named(JobNamed.HOT_USERS, user_id, overflows.ids + overflows.tail)
        result.count(JobMetric.CATEGORIES_OVERFLOW, overflows.categories)
        result.count(JobMetric.AMOUNTS_LEFT_OUT, overflows.amounts)
