"""A stored value, parsed for a comparison."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from console.as_of import AsOf, to_event
from driftline.score_message import served, split_features
from driftline.serving.v1.scores_pb2 import UserScores
from sink_connectors.score_value import StoredScores

FLOAT_BYTES: Final = 4


class Parsed(NamedTuple):
    """The scores of a user as of a time.

    Attributes:
        message: without the features.
        packed: the features, float32 little-endian.
    """

    message: UserScores
    packed: bytes

    def features(self, names: Sequence[str]) -> dict[str, float]:
        """The features by name; empty where there are no names."""
        values = struct.unpack_from(f"<{len(names)}f", self.packed)
        return dict(zip(names, values, strict=True))


def parsed(stored: StoredScores, as_of: AsOf) -> Parsed:
    """Parse a value that is no tombstone."""
    packed, scores = split_features(stored.scores)
    if as_of is AsOf.NOW:
        return Parsed(UserScores.FromString(served(stored.scores)), packed)
    message = UserScores.FromString(scores)
    if message.age_s:
        values = message.as_of_event.feature_values
        packed = struct.pack(f"<{len(values)}f", *values)
        to_event(message)
        message.ClearField("feature_values")
    return Parsed(message, packed)
