"""From profiles to what is served: one model call for all users of a block, then each user's `UserScores`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from driftline.serving.v1.scores_pb2 import UserScores
from udfs import profile as p
from udfs.features import FEATURE_SET, affinities, churn_risk, engagement, vector
from udfs.profile import Profile
from udfs.published import session_id

PURCHASE_PROPENSITY = "purchase_propensity"
ENGAGEMENT = "engagement"
CHURN_RISK = "churn_risk"


class Model(Protocol):
    """A trained model of purchase propensity."""

    version: str

    def predict(self, vectors: Sequence[array[float]]) -> list[float] | None:
        """Return P(purchase within the next 30 minutes) for each feature vector of set v1, float32 values.

        None where no model could score them; `version` afterwards names the one that did.

        A row's result must not depend on the rows beside it: the promise of one answer whatever the block.
        """


class Scored(NamedTuple):
    """A user's scores, and what the model saw."""

    message: UserScores  # without accepted_events, generation and written_at_ms
    features: bytes  # the feature vector, float32 little-endian


def score(users: Sequence[tuple[str, Profile]], model: Model | None) -> list[Scored]:
    """Score users whose profiles are not empty, with one call of the model; one result a user, in this order.

    Without a model (none trained yet, or none that works) there is no purchase_propensity, and model_version is empty.
    """
    shares = [affinities(profile) for _, profile in users]
    vectors = [array("f", vector(profile, share)) for (_, profile), share in zip(users, shares, strict=True)]
    messages = [_message(*user, share) for user, share in zip(users, shares, strict=True)]
    propensities = model.predict(vectors) if model is not None else None
    if model is not None and propensities is not None:
        for message, propensity in zip(messages, propensities, strict=True):
            message.scores[PURCHASE_PROPENSITY] = propensity
            message.model_version = model.version
    return [Scored(message, row.tobytes()) for message, row in zip(messages, vectors, strict=True)]


def _message(user_id: str, profile: Profile, shares: list[tuple[str, float]]) -> UserScores:
    """Build by assignment: passing the fields to the constructor takes twice as long."""
    v = profile.values
    start_ms, last_ms = int(v[p.SESSION_START_MS]), int(v[p.LAST_MS])
    message = UserScores()
    message.user_id = user_id
    message.scores[ENGAGEMENT] = engagement(profile)
    message.scores[CHURN_RISK] = churn_risk(profile)
    for category, share in shares:
        affinity = message.affinities.add()
        affinity.category = category
        affinity.share = share
    session = message.session
    session.session_id = session_id(user_id, start_ms)
    session.start_time_ms = start_ms
    session.last_event_time_ms = last_ms
    session.events = int(v[p.SESSION_EVENTS])
    session.purchases = int(v[p.SESSION_PURCHASES])
    message.feature_set = FEATURE_SET
    message.as_of_event_time_ms = last_ms
    return message
