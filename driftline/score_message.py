"""Where a serialized UserScores has its feature values: in front, so that a reader can cut them off without parsing."""

from __future__ import annotations

from typing import Final

from driftline.serving.v1.scores_pb2 import UserScores
from driftline.wire import tag, varint

_FEATURES: Final = tag(UserScores.FEATURE_VALUES_FIELD_NUMBER, delimited=True)


def with_features(features: bytes, scores: bytes) -> bytes:
    """Put feature values (float32 little-endian, at most 4,095 of them) in front of a serialized UserScores.

    The fields of a protobuf message may stand in any order, so every reader finds them.
    """
    return b"".join((_FEATURES, varint(len(features)), features, scores))


def split_features(scores: bytes) -> tuple[bytes, bytes]:
    """Return the feature values and the rest; the inverse of with_features. Without features the first is empty."""
    if not scores.startswith(_FEATURES):
        return b"", scores
    size, start = scores[1], 2
    if size > 0x7F:  # noqa: PLR2004  (varint)
        size, start = size & 0x7F | scores[2] << 7, 3
    return scores[start : start + size], scores[start + size :]
