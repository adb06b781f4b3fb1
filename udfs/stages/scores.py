"""Scores: scores every user of a block, for the score store and the topic `scores`."""

from __future__ import annotations

from collections.abc import Callable

from driftline.topics import SCORES
from udfs.pipeline import Batch
from udfs.results import Scored
from udfs.score_bytes import Scorable
from udfs.scoring import Model, score
from udfs.timeline import Timeline


class Scores:
    """Scores users with one call of the model a block.

    Args:
        model: returns the model to score with, None while there is none.
    """

    def __init__(self, model: Callable[[], Model | None]) -> None:
        self._model = model
        self._channel = SCORES.role

    def run(self, batch: Batch) -> None:
        """Emit scores for every user, and a tombstone for a user whose profile a FORGET has emptied."""
        scorable: list[Scorable] = []
        for user_id, timeline in batch.touched.items():
            profile = timeline.profile()
            if profile.empty:
                self._emit(batch, user_id, timeline.accepted, None)
            else:
                scorable.append(Scorable(user_id, profile, timeline.accepted))
        messages = score(scorable, self._model(), batch.generation, batch.now_ms)
        for user, scores in zip(scorable, messages, strict=True):
            self._emit(batch, user.user_id, user.accepted, scores)

    def check(self, user_id: str, timeline: Timeline, due_ms: int, batch: Batch) -> bool:
        """Do nothing: scores are as of the newest event."""
        return False

    def _emit(self, batch: Batch, user_id: str, accepted: int, scores: bytes | None) -> None:
        batch.result.scored.append(Scored(user_id, accepted, scores))
        batch.result.emit(self._channel, user_id, scores)
