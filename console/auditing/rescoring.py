"""Scores users who were computed again as the job has scored them: with the models that their values name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from console.as_of import AsOf
from console.parsed_scores import Parsed, parsed
from driftline.catalogue import FeatureSet
from driftline.errors import ModelError
from driftline.model_scores import ModelScore, model_scores_of
from driftline.onnx_model import OnnxModel
from driftline.score_message import with_features
from driftline.serving.v1.scores_pb2 import UserScores
from jobs.bundle import Bound
from jobs.settings import ScoreEventsSettings
from sink_connectors.score_value import StoredScores
from udfs.score_bytes import Scorable
from udfs.scoring import Model, Scorer
from udfs.timeline import Timeline

Versions = tuple[tuple[str, str], ...]  # score and version of its model, sorted


class Settled(NamedTuple):
    """A user whose value and timeline are of the same events."""

    user_id: str
    stored: StoredScores
    timeline: Timeline


class Pair(NamedTuple):
    """A user's value as of the newest event, as it is served and as it was computed again; both may be tombstones."""

    user_id: str
    served: StoredScores
    recomputed: StoredScores


class Rescoring:
    """Scores settled users.

    Args:
        settings: of the job.
        bound: its declarations.

    Attributes:
        unknown_models: users whose scores by a model were not compared, by the model and why it cannot be used.
    """

    def __init__(self, settings: ScoreEventsSettings, bound: Bound) -> None:
        self._settings = settings
        self._plan = bound.plan
        self._scores: dict[str, ModelScore] = {one.name: one for one in model_scores_of(bound.plan.data)}
        self._on_models = {segment.name: segment.scores for segment in bound.plan.segments if segment.on_models}
        self._features = FeatureSet.of_plan(bound.plan.data)
        self._models: dict[tuple[str, str], OnnxModel | str] = {}
        self.unknown_models: Counter[str] = Counter()

    def pairs(self, users: Sequence[Settled], now_ms: int) -> list[Pair]:
        """Return the values of users, without what cannot be computed again."""
        found: list[Pair] = []
        by_versions: dict[Versions, list[tuple[Settled, Parsed]]] = {}
        for user in users:
            if user.stored.is_tombstone or user.timeline.profile().empty:
                found.append(self._erased(user, now_ms))
                continue
            served = parsed(user.stored, AsOf.EVENT)
            by_versions.setdefault(self._versions_of(served.message), []).append((user, served))
        for versions, some in by_versions.items():
            found += self._scored(versions, some, now_ms)
        return found

    def _erased(self, user: Settled, now_ms: int) -> Pair:
        """Return the pair of a user of whom at least one side has no scores."""
        if user.timeline.profile().empty:
            served = user.stored if user.stored.is_tombstone else _stored(user.stored, parsed(user.stored, AsOf.EVENT))
            return Pair(user.user_id, served, user.stored._replace(scores=b""))
        scorer = Scorer(self._plan, {})
        (one,) = scorer.score([_scorable(user, {})], user.stored.generation, now_ms)
        return Pair(user.user_id, user.stored, user.stored._replace(scores=one.message))

    def _versions_of(self, message: UserScores) -> Versions:
        """Return which models have made a user's scores. Where only one has, its score is not named beside it."""
        versions = dict(message.model_versions)
        if message.model_version and not versions:
            names = [name for name, one in self._scores.items() if name in message.scores and not one.has_formula]
            versions = dict.fromkeys(names[:1], message.model_version)
        return tuple(sorted(versions.items()))

    def _scored(self, versions: Versions, users: Sequence[tuple[Settled, Parsed]], now_ms: int) -> list[Pair]:
        models: dict[str, Callable[[], Model | None]] = {}
        left_out: set[str] = set()
        for score, version in versions:
            model = self._model(score, version)
            if isinstance(model, str):
                left_out.add(score)
                self.unknown_models[model] += len(users)
            else:
                models[score] = _always(model)
        scorer = Scorer(self._plan, models)
        scorable = [_scorable(user, self._since(served.message)) for user, served in users]
        scored = scorer.score(scorable, users[0][0].stored.generation, now_ms)
        found: list[Pair] = []
        for (user, served), again in zip(users, scored, strict=True):
            recomputed = parsed(user.stored._replace(scores=again.message), AsOf.EVENT)
            for side in (served.message, recomputed.message) if left_out else ():
                self._leave_out(side, left_out)
            found.append(Pair(user.user_id, _stored(user.stored, served), _stored(user.stored, recomputed)))
        return found

    def _since(self, message: UserScores) -> dict[str, int]:
        """Return since when the user is in segments over models: when that was seen, which cannot be computed again."""
        return {one.name: one.since_ms for one in message.segments if one.name in self._on_models}

    def _leave_out(self, message: UserScores, scores: set[str]) -> None:
        for name in scores:
            message.scores.pop(name, None)
            message.model_versions.pop(name, None)
        message.ClearField("model_version")
        kept = [one for one in message.segments if not scores.intersection(self._on_models.get(one.name, ()))]
        message.ClearField("segments")
        message.segments.extend(kept)

    def _model(self, score: str, version: str) -> OnnxModel | str:
        """Return the model of a score, or why it cannot be used."""
        known = self._models.get((score, version))
        if known is None:
            known = self._models[score, version] = self._loaded(score, version)
        return known

    def _loaded(self, score: str, version: str) -> OnnxModel | str:
        declared = self._scores.get(score)
        if declared is None:
            return f"{score} is no score of a model in these declarations"
        try:
            folder = declared.models(self._settings.models_dir, self._settings.s3_endpoint)
            return folder.load(version, self._features, score=declared.name, task=declared.task)
        except ModelError as error:
            return f"model {version} of {score}: {error}"


def _always(model: Model) -> Callable[[], Model]:
    return lambda: model


def _scorable(user: Settled, since_ms: Mapping[str, int]) -> Scorable:
    timeline = user.timeline
    return Scorable(user.user_id, timeline.profile(), timeline.accepted, dict(since_ms))


def _stored(stored: StoredScores, found: Parsed) -> StoredScores:
    scores = with_features(found.packed, found.message.SerializeToString(deterministic=True))
    return stored._replace(scores=scores)
