"""Scores profiles: one model call for all users of a block, then a `UserScores` message for each user."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Protocol

from driftline.catalogue import CHURN_RISK, ENGAGEMENT, PURCHASE_PROPENSITY, V1
from udfs.features import affinities, churn_risk, engagement, vector
from udfs.score_bytes import Scorable, ScoreWriter

_VECTOR: Final = struct.Struct(f"<{len(V1)}f")


class Model(Protocol):
    """A trained model of purchase propensity."""

    version: str

    def predict(self, vectors: Sequence[bytes]) -> list[float] | None:
        """Return P(purchase within the next 30 minutes) for each feature vector of set v1, float32 little-endian.

        None if no model could score them; afterwards `version` names the model that did.

        The result of a row must not depend on the other rows, because scores must not depend on how events are
        divided into blocks.
        """


def score(users: Sequence[Scorable], model: Model | None, generation: int, now_ms: int) -> list[bytes]:
    """Return a serialized UserScores for each user, in this order; the model is called once.

    Without a model (none is trained yet, or none works) purchase_propensity is absent and model_version is empty.

    Args:
        users: the users.
        model: the model, if there is one.
        generation: of the shard's state.
        now_ms: wall-clock time; becomes written_at_ms.
    """
    shares = [affinities(user.profile) for user in users]
    vectors = [_VECTOR.pack(*vector(user.profile, share)) for user, share in zip(users, shares, strict=True)]
    scores = [[churn_risk(user.profile), engagement(user.profile)] for user in users]
    names, version = [CHURN_RISK, ENGAGEMENT], ""
    propensities = model.predict(vectors) if model is not None and users else None
    if model is not None and propensities is not None:
        names, version = [*names, PURCHASE_PROPENSITY], model.version
        for values, propensity in zip(scores, propensities, strict=True):
            values.append(propensity)
    writer = ScoreWriter(names, version, generation, now_ms)
    return [
        writer.write(user, share, values, features)
        for user, share, values, features in zip(users, shares, scores, vectors, strict=True)
    ]
