"""How a serialized UserScores begins: with what a reader cuts off, or compares, without parsing.

    age_s, where it is not 0 | feature_values | as_of_event, where there is an age | everything else

The fields of a protobuf message may stand in any order, so every parser finds them.
"""

from __future__ import annotations

from typing import Final

from driftline.serving.v1.scores_pb2 import UserScores
from driftline.wire import tag, varint

AGE_BYTES: Final = 6  # of the field age_s, with its tag
AGE_TAG: Final = varint(UserScores.AGE_S_FIELD_NUMBER << 3 | 5)  # 5: a value of four bytes
_FEATURES: Final = tag(UserScores.FEATURE_VALUES_FIELD_NUMBER, delimited=True)
_AS_OF_EVENT: Final = tag(UserScores.AS_OF_EVENT_FIELD_NUMBER, delimited=True)


def with_features(features: bytes, scores: bytes) -> bytes:
    """Put feature values (float32 little-endian, at most 4,095 of them) in front of a serialized UserScores."""
    return b"".join((_FEATURES, varint(len(features)), features, scores))


def with_age(age_s: int, features: bytes, as_of_event: bytes, scores: bytes) -> bytes:
    """Put an age in front of a serialized UserScores, with the feature values and what was as of the newest event.

    Args:
        age_s: in seconds, within 1 and 2^32 - 1.
        features: as of the age, as in with_features.
        as_of_event: a serialized AsOfEvent.
        scores: the rest of the message, as of the age.
    """
    before = _AS_OF_EVENT + varint(len(as_of_event))
    return b"".join(
        (AGE_TAG, age_s.to_bytes(4, "little"), _FEATURES, varint(len(features)), features, before, as_of_event, scores)
    )


def age_of(scores: bytes) -> int:
    """Return the age of a serialized UserScores in seconds, 0 for none; its first AGE_BYTES are enough."""
    if not scores.startswith(AGE_TAG) or len(scores) < AGE_BYTES:
        return 0
    return int.from_bytes(scores[2:AGE_BYTES], "little")


def split_features(scores: bytes) -> tuple[bytes, bytes]:
    """Return the feature values and the rest, which is a UserScores, too; without features the first is empty."""
    if scores.startswith(_FEATURES):
        size, start = scores[1], 2
        if size > 0x7F:  # noqa: PLR2004  (varint)
            size, start = size & 0x7F | scores[2] << 7, 3
        return scores[start : start + size], scores[start + size :]
    if not scores.startswith(AGE_TAG) or not scores.startswith(_FEATURES, AGE_BYTES):
        return b"", scores
    start, end = _content(scores, AGE_BYTES + len(_FEATURES))
    return scores[start:end], scores[:AGE_BYTES] + scores[end:]


def served(scores: bytes) -> bytes:
    """Return the message as it is served to who asks for nothing more: without feature_values and as_of_event."""
    rest = split_features(scores)[1]
    if not rest.startswith(AGE_TAG) or not rest.startswith(_AS_OF_EVENT, AGE_BYTES):
        return rest
    _, end = _content(rest, AGE_BYTES + len(_AS_OF_EVENT))
    return rest[:AGE_BYTES] + rest[end:]


def _content(scores: bytes, at: int) -> tuple[int, int]:
    """Return where a field begins whose length is written here, and where it ends."""
    size = shift = 0
    while scores[at] > 0x7F:  # noqa: PLR2004  (varint)
        size |= (scores[at] & 0x7F) << shift
        shift += 7
        at += 1
    start = at + 1
    return start, start + (size | scores[at] << shift)
