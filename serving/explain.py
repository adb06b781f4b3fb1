"""Why a user has these scores: every feature that the model saw, by name."""

from __future__ import annotations

import struct

import grpc

from driftline.catalogue import FEATURE_SETS
from driftline.score_message import split_features
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import UserScores
from serving.requests import Refused

_FLOAT_BYTES = 4


def explanation(message: bytes, *, stale: bool) -> pb.ExplainScoresResponse:
    """Explain a stored UserScores. Raises Refused where its features are missing, or of a set not known here."""
    packed, rest = split_features(message)
    scores = UserScores.FromString(rest)
    if not packed:
        details = "the scores were stored without their features; the user's next event stores them"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, details)
    features = FEATURE_SETS.get(scores.feature_set)
    if features is None:
        details = f"feature set {scores.feature_set!r} is not known here; known are: {', '.join(FEATURE_SETS)}"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, details)
    if len(packed) != _FLOAT_BYTES * len(features):
        details = f"{len(packed)} bytes are not the {len(features)} features of set {scores.feature_set!r}"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, details)
    values = struct.unpack(f"<{len(features)}f", packed)
    return pb.ExplainScoresResponse(
        scores=scores,
        features=[
            pb.FeatureValue(
                name=feature.name,
                value=value,
                default_value=feature.default,
                unit=feature.unit,
                formula=feature.formula,
            )
            for feature, value in zip(features, values, strict=True)
        ],
        stale=stale,
    )
