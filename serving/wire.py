"""Protobuf responses around scores that are passed on as they were stored, without decoding them.

Written byte by byte: building a generated message for each user took as long as everything else about a batch.
"""

from __future__ import annotations

from functools import lru_cache

from driftline import wire
from driftline.serving.v1 import score_service_pb2 as pb

_STATUS = {
    status: wire.tag(pb.UserResult.STATUS_FIELD_NUMBER, delimited=False) + wire.varint(status)
    for status in pb.ResultStatus.values()
}
_prefix = lru_cache(maxsize=4_096)(wire.prefix)  # scores are of few sizes
_STALE = wire.tag(pb.GetScoresResponse.STALE_FIELD_NUMBER, delimited=False) + wire.varint(1)
_STALE_RESULT = wire.tag(pb.UserResult.STALE_FIELD_NUMBER, delimited=False) + wire.varint(1)


def get_scores_response(scores: bytes, *, stale: bool = False) -> bytes:
    """A serialized GetScoresResponse."""
    response = _prefix(1, len(scores)) + scores
    return response + _STALE if stale else response


def user_result(
    user_id: str, status: pb.ResultStatus.ValueType, scores: bytes | None = None, *, stale: bool = False
) -> bytes:
    """A serialized UserResult. The status is not RESULT_STATUS_UNSPECIFIED, which would be left out."""
    name = user_id.encode()
    result = _prefix(1, len(name)) + name + _STATUS[status] if name else _STATUS[status]
    if scores is not None:
        result += _prefix(3, len(scores)) + scores
    return result + _STALE_RESULT if stale else result


def batch_get_scores_response(results: list[bytes]) -> bytes:
    """A serialized BatchGetScoresResponse."""
    return b"".join([part for result in results for part in (_prefix(1, len(result)), result)])


def watch_scores_response(result: bytes) -> bytes:
    """A serialized WatchScoresResponse."""
    return _prefix(1, len(result)) + result
