"""ScoreService: what a request means. The server around it is in server.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc
import redis
from grpc.aio import ServicerContext

from driftline.serving.v1 import score_service_pb2 as pb
from serving.reader import ScoreReader
from serving.wire import batch_get_scores_response, get_scores_response, user_result
from sink_connectors.redis_errors import is_outage
from sink_connectors.score_value import check_user_id

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ScoreService"].full_name
BATCH_IDS_MAX = 1_000
STORE_UNAVAILABLE = "the score store does not answer"


class ScoreService:
    """Answers with serialized responses, so that stored scores pass through as they are."""

    def __init__(self, reader: ScoreReader) -> None:
        self._reader = reader

    async def get_scores(self, request: pb.GetScoresRequest, context: ServicerContext[Any, Any]) -> bytes:
        """GetScores: INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE or DEADLINE_EXCEEDED where there is no answer."""
        try:
            check_user_id(request.user_id)
        except ValueError as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        async with _store_call(context):
            (scores,) = await self._reader.read([request.user_id])
        if scores is None:
            await _abort(context, grpc.StatusCode.NOT_FOUND, "the user has no scores")
        return get_scores_response(scores)

    async def batch_get_scores(self, request: pb.BatchGetScoresRequest, context: ServicerContext[Any, Any]) -> bytes:
        """BatchGetScores: one result a requested id, in request order; fails as a whole only as GetScores does."""
        user_ids = request.user_ids
        if len(user_ids) > BATCH_IDS_MAX:
            message = f"at most {BATCH_IDS_MAX:,} user ids a batch, not {len(user_ids):,}"
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, message)
        good = {user_id: None for user_id in user_ids if _is_user_id(user_id)}
        async with _store_call(context):
            found = dict(zip(good, await self._reader.read(list(good)), strict=True))
        return batch_get_scores_response([_result(user_id, found) for user_id in user_ids])

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server registers. Not the generated registration, which would serialize messages."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "GetScores": grpc.unary_unary_rpc_method_handler(
                    self.get_scores, request_deserializer=pb.GetScoresRequest.FromString
                ),
                "BatchGetScores": grpc.unary_unary_rpc_method_handler(
                    self.batch_get_scores, request_deserializer=pb.BatchGetScoresRequest.FromString
                ),
            },
        )


def _result(user_id: str, found: dict[str, bytes | None]) -> bytes:
    if user_id not in found:
        return user_result(user_id, pb.RESULT_STATUS_INVALID_ARGUMENT)
    scores = found[user_id]
    if scores is None:
        return user_result(user_id, pb.RESULT_STATUS_NOT_FOUND)
    return user_result(user_id, pb.RESULT_STATUS_OK, scores)


def _is_user_id(user_id: str) -> bool:
    try:
        check_user_id(user_id)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def _store_call(context: ServicerContext[Any, Any]) -> AsyncIterator[None]:
    """Bound a call of the store by the caller's deadline, and say with a status what went wrong."""
    try:
        async with asyncio.timeout(context.time_remaining()):
            yield
    except TimeoutError:
        await _abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the score store did not answer in time")
    except redis.RedisError as error:
        if not is_outage(error):
            raise
        await _abort(context, grpc.StatusCode.UNAVAILABLE, STORE_UNAVAILABLE)


async def _abort(context: ServicerContext[Any, Any], code: grpc.StatusCode, details: str) -> NoReturn:
    await context.abort(code, details)
    raise AssertionError  # abort() has raised; its types do not say so
