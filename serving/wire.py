"""Protobuf responses around scores that are passed on as they were stored, without decoding them."""

from __future__ import annotations

from driftline.serving.v1 import score_service_pb2 as pb

_LENGTH_DELIMITED = 2
_SCORES_FIELD = 3  # UserResult.scores
_STALE = bytes([2 << 3, 1])  # GetScoresResponse.stale, true
_STALE_RESULT = bytes([4 << 3, 1])  # UserResult.stale, true


def length_delimited(field_number: int, payload: bytes) -> bytes:
    """One field of the protobuf wire format: tag, length, payload. Field numbers up to 15 have a tag of one byte."""
    size = len(payload)
    prefix = bytearray([field_number << 3 | _LENGTH_DELIMITED])
    while size > 0x7F:  # noqa: PLR2004  (varint: seven bits a byte, the lowest first)
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + payload


def get_scores_response(scores: bytes, *, stale: bool = False) -> bytes:
    """A serialized GetScoresResponse."""
    return length_delimited(1, scores) + _STALE if stale else length_delimited(1, scores)


def user_result(
    user_id: str, status: pb.ResultStatus.ValueType, scores: bytes | None = None, *, stale: bool = False
) -> bytes:
    """A serialized UserResult."""
    result = pb.UserResult(user_id=user_id, status=status).SerializeToString()
    if scores is not None:
        result += length_delimited(_SCORES_FIELD, scores)
    return result + _STALE_RESULT if stale else result


def batch_get_scores_response(results: list[bytes]) -> bytes:
    """A serialized BatchGetScoresResponse."""
    return b"".join([length_delimited(1, result) for result in results])


def watch_scores_response(result: bytes) -> bytes:
    """A serialized WatchScoresResponse."""
    return length_delimited(1, result)
