"""Scores profiles: for each model one call for all users of a block, then a `UserScores` message for each user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from udfs.plan.plan import Plan
from udfs.score_bytes import Scorable, ScoreWriter
from udfs.segments import Membership, memberships


class Model(Protocol):
    """A trained model of one score."""

    version: str

    def predict(self, vectors: Sequence[bytes]) -> list[float] | None:
        """Return the score for each feature vector of the plan, float32 little-endian.

        None if no model could score them; afterwards `version` names the model that did.

        The result of a row must not depend on the other rows, because scores must not depend on how events are
        divided into blocks.
        """


class ScoredUser:
    """The scores of a user.

    Attributes:
        message: a serialized UserScores.
        segments: the memberships that are in it.
    """

    __slots__ = ("message", "segments")

    def __init__(self, message: bytes, segments: list[Membership]) -> None:
        self.message = message
        self.segments = segments


class Scorer:
    """Scores users by a plan.

    Args:
        plan: of the features and of the scores by formula.
        models: by score, returns the model of the moment; None while there is none: the score is absent then.
    """

    def __init__(self, plan: Plan, models: Mapping[str, Callable[[], Model | None]]) -> None:
        self._plan = plan
        self._models: list[tuple[str, Callable[[], Model | None]]] = sorted(models.items())
        self._formulas: list[str] = [name for name, _ in plan.formulas]

    def score(self, users: Sequence[Scorable], generation: int, now_ms: int) -> list[ScoredUser]:
        """Return the scores of each user, in this order; each model is called once.

        Args:
            users: the users; their profiles are not empty.
            generation: of the shard's state.
            now_ms: wall-clock time; becomes written_at_ms.
        """
        plan = self._plan
        readings = [plan.reading(user.profile) for user in users]
        columns, versions = self._predicted([reading.vector for reading in readings])
        names = sorted([*self._formulas, *columns])
        writer = ScoreWriter(plan.name, plan.hash, names, versions, generation, now_ms)
        scored: list[ScoredUser] = []
        for row, (user, reading) in enumerate(zip(users, readings, strict=True)):
            values = reading.scores
            if columns:
                by_name = dict(zip(self._formulas, reading.scores, strict=True))
                for name, column in columns.items():
                    by_name[name] = column[row]
                values = [by_name[name] for name in names]
            segments = self._memberships(user, names, values) if plan.segments else []
            scored.append(ScoredUser(writer.write(user, reading, values, segments), segments))
        return scored

    def _memberships(self, user: Scorable, names: list[str], values: list[float]) -> list[Membership]:
        scope = self._plan.scope_of(user.profile)
        scope.scores = dict(zip(names, values, strict=True))
        return memberships(self._plan.segments, scope, user.published)

    def _predicted(self, vectors: list[bytes]) -> tuple[dict[str, list[float]], dict[str, str]]:
        """Return the scores of all users and the model's version, by the score; without those that no model made."""
        columns: dict[str, list[float]] = {}
        versions: dict[str, str] = {}
        for name, model_of in self._models:
            model = model_of()
            predicted = model.predict(vectors) if model is not None and vectors else None
            if model is not None and predicted is not None:
                columns[name] = predicted
                versions[name] = model.version
        return columns, versions
