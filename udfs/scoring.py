"""From profiles to what is served: one model call for all users of a block, then each user's `UserScores`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from driftline.serving.v1.scores_pb2 import CategoryAffinity, SessionSummary, UserScores
from udfs import profile as p
from udfs.features import FEATURE_SET, affinities, churn_risk, engagement, vector
from udfs.profile import Profile

PURCHASE_PROPENSITY = "purchase_propensity"
ENGAGEMENT = "engagement"
CHURN_RISK = "churn_risk"


class Model(Protocol):
    """A trained model of purchase propensity."""

    version: str

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[float]:
        """Return P(purchase within the next 30 minutes) for each feature vector of set v1.

        A row's result must not depend on the rows beside it: the promise of one answer whatever the block.
        """


def score(users: Sequence[tuple[str, Profile]], model: Model | None) -> list[UserScores]:
    """Score users whose profiles are not empty, with one call of the model.

    One message a user, without accepted_events, generation and written_at_ms. Without a model (none trained yet) there
    is no purchase_propensity, and model_version is empty.
    """
    shares = [affinities(profile) for _, profile in users]
    if model is None:
        return [_message(*user, share, None, "") for user, share in zip(users, shares, strict=True)]
    propensities = model.predict([vector(profile, share) for (_, profile), share in zip(users, shares, strict=True)])
    return [
        _message(*user, share, propensity, model.version)
        for user, share, propensity in zip(users, shares, propensities, strict=True)
    ]


def _message(
    user_id: str, profile: Profile, shares: list[tuple[str, float]], propensity: float | None, version: str
) -> UserScores:
    v = profile.values
    start_ms = int(v[p.SESSION_START_MS])
    scores = {ENGAGEMENT: engagement(profile), CHURN_RISK: churn_risk(profile)}
    if propensity is not None:
        scores[PURCHASE_PROPENSITY] = propensity
    return UserScores(
        user_id=user_id,
        scores=scores,
        affinities=[CategoryAffinity(category=name, share=share) for name, share in shares],
        session=SessionSummary(
            session_id=session_id(user_id, start_ms),
            start_time_ms=start_ms,
            last_event_time_ms=int(v[p.LAST_MS]),
            events=int(v[p.SESSION_EVENTS]),
            purchases=int(v[p.SESSION_PURCHASES]),
        ),
        feature_set=FEATURE_SET,
        model_version=version,
        as_of_event_time_ms=int(v[p.LAST_MS]),
    )


def session_id(user_id: str, start_ms: int) -> str:
    """Name a session: the user and when it began."""
    return f"{user_id}:{start_ms}"
