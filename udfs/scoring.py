"""Scores profiles: for each model one call for all users of a block, then a `UserScores` message for each user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from udfs.plan.plan import Plan
from udfs.profile import LAST_MS, Profile
from udfs.score_bytes import Evaluated, Scorable, ScoreWriter
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
        segments: the memberships that are in it: as of the age, where the user has one.
    """

    __slots__ = ("message", "segments")

    def __init__(self, message: bytes, segments: Sequence[Membership]) -> None:
        self.message = message
        self.segments = segments


class _Row:
    """What is scored: a profile as of a time; 0: that of its newest event. `published` is as in Scorable."""

    __slots__ = ("as_of_ms", "profile", "published")

    def __init__(self, profile: Profile, as_of_ms: float, published: dict[str, int]) -> None:
        self.profile = profile
        self.as_of_ms = as_of_ms
        self.published = published


class Scorer:
    """Scores users by a plan.

    Args:
        plan: of the features and of the scores by formula.
        models: by score, returns the model of the moment; None while there is none: the score is then its formula's,
            or absent.
    """

    def __init__(self, plan: Plan, models: Mapping[str, Callable[[], Model | None]]) -> None:
        self._plan = plan
        self._models: list[tuple[str, Callable[[], Model | None]]] = sorted(models.items())
        self._formulas: list[str] = [name for name, _ in plan.formulas]

    def score(self, users: Sequence[Scorable], generation: int, now_ms: int) -> list[ScoredUser]:
        """Return the scores of each user, in this order; each model is called once.

        Args:
            users: the users; their profiles are not empty. A user with an age is scored twice, as of the age and as of
                the newest event.
            generation: of the shard's state.
            now_ms: wall-clock time; becomes written_at_ms.
        """
        plan = self._plan
        rows = _rows(users)
        readings = [plan.reading(row.profile, row.as_of_ms) for row in rows]
        columns, versions = self._predicted([reading.vector for reading in readings])
        names = sorted({*self._formulas, *columns})  # a score that has both is the model's
        writer = ScoreWriter(plan.name, plan.hash, names, versions, generation, now_ms, self._formulas)
        evaluated: list[Evaluated] = []
        for at, (row, reading) in enumerate(zip(rows, readings, strict=True)):
            values = reading.scores
            if columns:
                by_name = dict(zip(self._formulas, reading.scores, strict=True))
                for name, column in columns.items():
                    by_name[name] = column[at]
                values = [by_name[name] for name in names]
            segments = self._memberships(row, names, values) if plan.segments else []
            evaluated.append(Evaluated(reading, values, segments))
        return _written(users, evaluated, writer)

    def _memberships(self, row: _Row, names: list[str], values: list[float]) -> list[Membership]:
        scope = self._plan.scope_of(row.profile, row.as_of_ms)
        scope.scores = dict(zip(names, values, strict=True))
        return memberships(self._plan.segments, scope, row.published)

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


def _rows(users: Sequence[Scorable]) -> list[_Row]:
    """Return a row for each user as of the newest event, and behind them those as of an age, in the same order."""
    rows: list[_Row] = []
    aged_rows: list[_Row] = []
    for user in users:
        published, aged = user.published, user.aged
        if aged is not None:
            newest_ms = user.profile.values[LAST_MS]
            aged_rows.append(_Row(aged, newest_ms + 1000.0 * user.age_s, published))
            # What began at an earlier age was not so as of the event.
            published = {name: since_ms for name, since_ms in published.items() if since_ms <= newest_ms}
        rows.append(_Row(user.profile, 0.0, published))
    return rows + aged_rows


def _written(users: Sequence[Scorable], evaluated: list[Evaluated], writer: ScoreWriter) -> list[ScoredUser]:
    """Return the message of each user.

    Args:
        users: the users.
        evaluated: what there is of each row, in the order of `_rows`.
        writer: of the messages.
    """
    scored: list[ScoredUser] = []
    aged_at = len(users)
    for at, user in enumerate(users):
        event = evaluated[at]
        if user.aged is None:
            scored.append(ScoredUser(writer.write(user, event.reading, event.scores, event.segments), event.segments))
        else:
            now = evaluated[aged_at]
            aged_at += 1
            scored.append(ScoredUser(writer.write_aged(user, now, event), now.segments))
    return scored
