"""Read masks: which fields of UserScores a caller wants."""

from __future__ import annotations

import functools
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from driftline.serving.v1.scores_pb2 import UserScores
from serving.requests import Refused
from udfs.scoring import CHURN_RISK, ENGAGEMENT, PURCHASE_PROPENSITY

SCORES = (PURCHASE_PROPENSITY, ENGAGEMENT, CHURN_RISK)
_FIELDS = tuple(field.name for field in UserScores.DESCRIPTOR.fields if field.name != "feature_values")
_SESSION = tuple(
    f"session.{field.name}" for field in UserScores.DESCRIPTOR.fields_by_name["session"].message_type.fields
)
PATHS = (*_FIELDS, *_SESSION, *(f"scores.{name}" for name in SCORES))


class ReadMask:
    """A checked mask: keeps some fields of a serialized UserScores."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._names = [] if "scores" in paths else [path.partition(".")[2] for path in paths if path in PATHS[-3:]]
        self._rest = FieldMask(paths=[path for path in paths if not path.startswith("scores.")])

    def apply(self, message: bytes) -> bytes:
        """A serialized UserScores with the fields of the mask only; of a map's missing key, nothing."""
        whole = UserScores.FromString(message)
        kept = UserScores()
        self._rest.MergeMessage(whole, kept)
        for name in self._names:
            if name in whole.scores:
                kept.scores[name] = whole.scores[name]
        return kept.SerializeToString()


def read_mask(request: Any) -> ReadMask | None:
    """The mask of a request; None for every field. Raises Refused for an unknown path, naming the accepted ones."""
    if not request.HasField("read_mask"):
        return None
    paths = tuple(request.read_mask.paths)
    return _parsed(paths) if paths else None


@functools.lru_cache(maxsize=256)
def _parsed(paths: tuple[str, ...]) -> ReadMask:
    for path in paths:
        if path not in PATHS:
            message = f"read_mask: unknown path {path[:100]!r}; known are: {', '.join(PATHS)}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
    return ReadMask(paths)
