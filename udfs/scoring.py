"""From profiles to what is served: one model call for all users of a block, then each user's `UserScores`."""

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

        None where no model could score them; `version` afterwards names the one that did.

        A row's result must not depend on the rows beside it: the promise of one answer whatever the block.
        """


def score(users: Sequence[Scorable], model: Model | None, generation: int, now_ms: int) -> list[bytes]:
    """Return a serialized UserScores for each user, in this order; the model is called once.

    Without a model (none trained yet, or none that works) there is no purchase_propensity, and model_version is empty.

    Args:
        users: the users.
        model: the model, if there is one.
        generation: of the state.
        now_ms: wall-clock time, which is noted.
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
