"""Why a user has these scores: every feature that the model saw, by name."""

from __future__ import annotations

import struct
from typing import NamedTuple

import grpc

from driftline.catalogue_message import ServedSet
from driftline.score_message import served as without_features
from driftline.score_message import split_features
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import UserScores
from serving.requests import Refused

_FLOAT_BYTES = 4


class Stored(NamedTuple):
    """A stored UserScores, taken apart."""

    scores: UserScores  # without the features, and without what was as of the newest event
    packed: bytes  # the features, float32 little-endian, as of the same time as the scores


def stored(message: bytes) -> Stored:
    """Take a stored UserScores apart. Raises Refused where its features are missing."""
    packed, _ = split_features(message)
    if not packed:
        details = "the scores were stored without their features; the user's next event stores them"
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, details)
    return Stored(UserScores.FromString(without_features(message)), packed)


def explanation(found: Stored, served: ServedSet | None, *, stale: bool) -> pb.ExplainScoresResponse:
    """Explain stored scores by the features that they were made of. Raises Refused where these are not known."""
    scores, packed = found
    if served is None:
        declared = f", declaration {scores.declaration}," if scores.declaration else ""
        details = (
            f"feature set {scores.feature_set!r}{declared} is not known here: no job has told of it in this namespace; "
            f"the user's next event stores scores of the present one"
        )
        raise Refused(grpc.StatusCode.FAILED_PRECONDITION, details)
    features = served.features.features
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
                complete_since_ms=since_ms,
            )
            for feature, value, since_ms in zip(features, values, served.complete_since_ms, strict=True)
        ],
        stale=stale,
    )
