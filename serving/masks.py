"""Read masks: which fields of UserScores a caller wants.

What a mask costs the server is bounded, whatever the caller sent: it is read once, into one bit for each field and the
set of the scores' names, and masks of the same paths, in any order and however often repeated, are one mask. Scores are
declared by users, so any name that one can have is accepted; of a score that is not there, there is nothing.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import grpc

from driftline.limits import DECLARED_NAME, MASK_PATHS_MAX
from driftline.score_message import served, split_features
from driftline.serving.v1.scores_pb2 import UserScores
from serving.requests import Refused

_HIDDEN = {"feature_values", "lists_digest"}  # what ExplainScores shows, and what only the job needs
_FIELDS = tuple(field.name for field in UserScores.DESCRIPTOR.fields if field.name not in _HIDDEN)
_SESSION_FIELDS = tuple(field.name for field in UserScores.DESCRIPTOR.fields_by_name["session"].message_type.fields)
PATHS = (*_FIELDS, *(f"session.{name}" for name in _SESSION_FIELDS))  # beside those of single scores
_SCORE = re.compile(rf"scores\.({DECLARED_NAME})")
_BITS = {path: 1 << position for position, path in enumerate(PATHS)}


class ReadMask:
    """A checked mask: keeps some fields of a stored UserScores; never the features, those as of the event included.

    Args:
        paths: of PATHS.
        scores: names of single scores.
    """

    def __init__(self, paths: frozenset[str], scores: frozenset[str]) -> None:
        parts = {path.partition(".")[0] for path in paths} | ({"scores"} if scores else set())
        self._dropped = tuple(field.name for field in UserScores.DESCRIPTOR.fields if field.name not in parts)
        some_of_session = "session" in parts and "session" not in paths
        self._dropped_of_session = (
            tuple(name for name in _SESSION_FIELDS if f"session.{name}" not in paths) if some_of_session else ()
        )
        self._scores = scores if scores and "scores" not in paths else None
        self._as_of_event = "as_of_event" in parts

    def apply(self, message: bytes) -> bytes:
        """A serialized UserScores with the fields of the mask only; of a map's missing key, nothing."""
        kept = UserScores.FromString(split_features(message)[1] if self._as_of_event else served(message))
        kept.DiscardUnknownFields()  # type: ignore[attr-defined]  # its stub lacks it
        for name in self._dropped:
            kept.ClearField(name)
        if self._as_of_event and kept.HasField("as_of_event"):
            kept.as_of_event.ClearField("feature_values")
        if self._dropped_of_session and kept.HasField("session"):
            for name in self._dropped_of_session:
                kept.session.ClearField(name)
        if self._scores is not None:
            for name in [name for name in kept.scores if name not in self._scores]:
                del kept.scores[name]
        return kept.SerializeToString()


def read_mask(request: Any) -> ReadMask | None:
    """The mask of a request; None for every field. Raises Refused for an unknown path, naming the accepted ones."""
    if not request.HasField("read_mask"):
        return None
    paths = request.read_mask.paths
    if len(paths) > MASK_PATHS_MAX:
        message = f"read_mask: at most {MASK_PATHS_MAX} paths, not {len(paths):,}"
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
    bits = 0
    names: set[str] = set()
    for path in paths:
        if (bit := _BITS.get(path)) is not None:
            bits |= bit
        elif (score := _SCORE.fullmatch(path)) is not None:
            names.add(score[1])
        else:
            message = f"read_mask: unknown path {path[:100]!r}; known are: {', '.join(PATHS)}, scores.NAME"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
    return _resolved(bits, frozenset(names)) if paths else None


@functools.lru_cache(maxsize=256)
def _resolved(bits: int, scores: frozenset[str]) -> ReadMask:
    """What the cache holds of requests is bounded: MASK_PATHS_MAX names of at most 64 letters an entry."""
    return ReadMask(frozenset(path for path, bit in _BITS.items() if bits & bit), scores)
