"""A believable stored value, features included."""

from __future__ import annotations

import struct

from driftline.catalogue import V1
from driftline.score_message import with_age, with_features
from driftline.serving.v1.scores_pb2 import CategoryAffinity, SessionSummary, UserScores
from sink_connectors.score_value import encode_value

AT_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_KNOWN = {"session_events": 7.0, "session_views": 6.0, "session_carts": 1.0, "hours_since_cart": 0.25, "sessions": 3.0}


def stored_user(user_id: str, *, accepted: int = 42, generation: int = 1) -> tuple[str, bytes]:
    """What RedisScoreStore.write takes for a user with everything set."""
    message = UserScores(
        user_id=user_id,
        scores={"purchase_propensity": 0.31, "engagement": 0.74, "churn_risk": 0.05},
        affinities=[CategoryAffinity(category="shoes", share=0.75), CategoryAffinity(category="hats", share=0.25)],
        session=SessionSummary(
            session_id=f"{user_id}:{AT_MS - 90_000}",
            start_time_ms=AT_MS - 90_000,
            last_event_time_ms=AT_MS,
            events=7,
        ),
        feature_set="v1",
        model_version="20260101-1",
        as_of_event_time_ms=AT_MS,
        accepted_events=accepted,
        generation=generation,
        written_at_ms=AT_MS + 40,
    )
    features = struct.pack(f"<{len(V1)}f", *(_KNOWN.get(feature.name, feature.default) for feature in V1))
    return user_id, encode_value(generation, accepted, with_features(features, message.SerializeToString()))


def with_age_in_front(message: UserScores, features: bytes = b"") -> bytes:
    """A UserScores with an age, in the order in which the job writes it; `features` are as of the age."""
    rest = UserScores()
    rest.CopyFrom(message)
    for name in ("age_s", "as_of_event"):
        rest.ClearField(name)
    return with_age(message.age_s, features, message.as_of_event.SerializeToString(), rest.SerializeToString())
