"""Scores: scores the users of a block or, at their ages, of a check, for the score store and the topic `scores`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftline.metrics import JobMetric
from driftline.topics import SCORES
from udfs.pipeline import Batch
from udfs.plan.plan import Plan
from udfs.results import Scored
from udfs.score_bytes import Scorable
from udfs.scoring import Model, Scorer
from udfs.timeline import Timeline


class Scores:
    """Scores users with one call of each model a block.

    Args:
        plan: of the features and of the scores by formula.
        models: by score, returns the model to score with, None while there is none.
    """

    def __init__(self, plan: Plan, models: Mapping[str, Callable[[], Model | None]]) -> None:
        self._scorer = Scorer(plan, models)
        self._channel = SCORES.role

    def run(self, batch: Batch) -> None:
        """Emit scores for every user, and a tombstone for a user whose profile a FORGET has emptied."""
        scorable: list[Scorable] = []
        for user_id, timeline in batch.touched.items():
            profile = timeline.profile()
            if profile.empty:
                self._emit(batch, user_id, timeline.accepted, None)
            else:
                scorable.append(Scorable(user_id, profile, timeline.accepted, timeline.segments_published))
        self._score(scorable, batch.touched, batch)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Do nothing: the users who are to be scored are known once all are checked."""
        return False

    def checked(self, batch: Batch) -> None:
        """Emit scores as of the age for every user who has reached another one."""
        scorable = [
            Scorable(
                user_id,
                timeline.profile(),
                timeline.accepted,
                timeline.segments_published,
                timeline.age_s,
                timeline.aged,
            )
            for user_id, timeline in batch.aged.items()
        ]
        if not scorable:
            return
        self._score(scorable, batch.aged, batch)
        batch.result.count(JobMetric.SCORES_AGED, len(scorable))

    def _score(self, scorable: list[Scorable], timelines: dict[str, Timeline], batch: Batch) -> None:
        for user, scored in zip(scorable, self._scorer.score(scorable, batch.generation, batch.now_ms), strict=True):
            timelines[user.user_id].segments = scored.segments
            self._emit(batch, user.user_id, user.accepted, scored.message)

    def _emit(self, batch: Batch, user_id: str, accepted: int, scores: bytes | None) -> None:
        # As Scored(...), which would call a function of Python for it.
        batch.result.scored.append(tuple.__new__(Scored, (user_id, accepted, scores)))
        batch.result.emit(self._channel, user_id, scores)
