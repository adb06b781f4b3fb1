"""ScoreService: what a request means. The server around it is in server.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc

from driftline.limits import BATCH_IDS_MAX, LISTED_MEMBERS_MAX
from driftline.score_message import served
from driftline.serving.v1 import score_service_pb2 as pb
from serving.arrivals import Arrivals
from serving.catalogues import Catalogues
from serving.explain import explanation, stored
from serving.guard import StoreUnavailable
from serving.masks import ReadMask, read_mask
from serving.middleware import Context, Handler, Middleware, StreamHandler, UnaryHandler, wrapped
from serving.reader import Found, ScoreReader
from serving.requests import (
    Refused,
    check_ids_max,
    check_listing,
    check_well_formed,
    checked_namespace,
    checked_user_id,
    decoder,
    is_user_id,
)
from serving.segments import SegmentReader, members_response
from serving.settings import ServeSettings
from serving.shares import Shares, client_of
from serving.watch import WatchHub
from serving.wire import batch_get_scores_response, get_scores_response, user_result, watch_scores_response

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ScoreService"].full_name
STORE_UNAVAILABLE = "the score store does not answer"
NO_SCORES = "the user has no scores"
_ATTEMPTS_MAX = 4  # a read may wait for a connection and an answer, and for those of the live namespace before it


class ScoreService:
    """Answers with serialized responses, so that stored scores pass through as they are."""

    def __init__(self, reader: ScoreReader, hub: WatchHub, settings: ServeSettings) -> None:
        self._reader = reader
        self._hub = hub
        self._catalogues = Catalogues(reader.read_catalogue)
        self._in_flight = 0
        self._in_flight_max = settings.in_flight_max
        self._shares = Shares("calls in flight", settings.client_in_flight_max, "client_in_flight_max")
        self._segments = SegmentReader(reader)
        self._listings = 0
        self._listings_max = settings.listings_max
        self._listing_shares = Shares("listings", settings.client_listings_max, "client_listings_max")
        self._request_bytes_max = settings.request_bytes_max
        self._read_s_max = _ATTEMPTS_MAX * settings.redis_timeout_ms / 1000

    @property
    def in_flight(self) -> int:
        """Calls that are being answered; streams are counted by the hub."""
        return self._in_flight

    async def get_scores(self, request: pb.GetScoresRequest, context: Context) -> bytes:
        """GetScores."""
        user_id = checked_user_id(request.user_id)
        mask = read_mask(request)
        found = await self._reader.read_one(user_id, checked_namespace(context))
        return get_scores_response(_shown(_scores_of(found), mask), stale=found.stale)

    async def batch_get_scores(self, request: pb.BatchGetScoresRequest, context: Context) -> bytes:
        """BatchGetScores: one result a requested id, in request order; fails as a whole only as GetScores does."""
        check_ids_max(len(request.user_ids))
        user_ids = list(request.user_ids)
        mask = read_mask(request)
        good = list(dict.fromkeys(filter(is_user_id, user_ids)))
        answers = await self._reader.read(good, checked_namespace(context))
        results = {user_id: _result(user_id, found, mask) for user_id, found in zip(good, answers, strict=True)}
        return batch_get_scores_response([results.get(user_id) or _bad_result(user_id) for user_id in user_ids])

    async def explain_scores(self, request: pb.ExplainScoresRequest, context: Context) -> bytes:
        """ExplainScores."""
        user_id = checked_user_id(request.user_id)
        namespace = await self._reader.resolved(checked_namespace(context))
        found = await self._reader.read_one(user_id, namespace)
        taken = stored(_scores_of(found))
        async with asyncio.timeout(context.time_remaining()):  # a second read, which _ATTEMPTS_MAX does not count
            known = await self._catalogues.find(namespace, taken.scores.feature_set, taken.scores.declaration)
        return explanation(taken, known, stale=found.stale).SerializeToString()

    async def watch_scores(self, request: pb.WatchScoresRequest, context: Context) -> AsyncIterator[bytes]:
        """WatchScores: first what is known of each user, then what is new."""
        user_ids = _watched_ids(request.user_ids)
        mask = read_mask(request)
        namespace = checked_namespace(context)
        with self._hub.watching(user_ids, namespace, client_of(context)) as watch:
            for user_id, found in zip(user_ids, await self._reader.read(user_ids, namespace), strict=True):
                watch.offer(user_id, found)
            async for user_id, found in watch.changes():
                yield watch_scores_response(_result(user_id, found, mask))

    async def list_segments(self, request: pb.ListSegmentsRequest, context: Context) -> bytes:
        """ListSegments."""
        counts = await self._segments.counts(checked_namespace(context))
        found = [pb.SegmentCount(name=one.name, members=one.members, definition=one.definition) for one in counts]
        return pb.ListSegmentsResponse(segments=found).SerializeToString()

    async def list_segment_members(
        self, request: pb.ListSegmentMembersRequest, context: Context
    ) -> AsyncIterator[bytes]:
        """ListSegmentMembers: pages, or one with a sample."""
        check_listing(request)
        namespace = checked_namespace(context)
        with self._listing(client_of(context)):
            if request.sample:
                yield members_response(await self._segments.sample(namespace, request.segment, request.sample))
                return
            size = request.page_size or LISTED_MEMBERS_MAX
            pages = self._segments.pages(
                namespace, request.segment, request.page_token, page_size=size, limit=request.limit
            )
            async for page in pages:
                yield members_response(page)

    def handler(self, arrivals: Arrivals, middlewares: Sequence[Middleware] = ()) -> grpc.GenericRpcHandler:
        """What a server registers. Not the generated registration, which would serialize messages."""
        methods: list[tuple[str, Any, Handler]] = [
            ("GetScores", pb.GetScoresRequest, self._answering(self.get_scores)),
            ("BatchGetScores", pb.BatchGetScoresRequest, self._answering(self.batch_get_scores)),
            ("ExplainScores", pb.ExplainScoresRequest, self._answering(self.explain_scores)),
            ("WatchScores", pb.WatchScoresRequest, self._streaming(self.watch_scores)),
            ("ListSegments", pb.ListSegmentsRequest, self._answering(self.list_segments)),
            ("ListSegmentMembers", pb.ListSegmentMembersRequest, self._streaming(self.list_segment_members)),
        ]
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                name: arrivals.method(wrapped(name, handler, middlewares), decoder(message, self._request_bytes_max))
                for name, message, handler in methods
            },
        )

    @contextmanager
    def _listing(self, client: str) -> Iterator[None]:
        """Count a listing while it runs. Raises Refused beyond the bounds of the worker and of the client."""
        if self._listings >= self._listings_max:
            message = f"{self._listings:,} listings run already (listings_max)"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._listing_shares.take(client)
        self._listings += 1
        try:
            yield
        finally:
            self._listings -= 1
            self._listing_shares.give_back(client)

    def _answering(self, method: UnaryHandler) -> UnaryHandler:
        """The method, bounded in number and time, with a status for everything that can go wrong."""

        async def answer(request: Any, context: Context) -> bytes:
            if self._in_flight >= self._in_flight_max:
                await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._in_flight:,} calls wait already")
            client = client_of(context)
            try:
                self._shares.take(client)
            except Refused as error:
                await _abort(context, *_status(error))
            self._in_flight += 1
            try:
                check_well_formed(request, self._request_bytes_max)
                remaining_s = context.time_remaining()
                if remaining_s is None or remaining_s > self._read_s_max:
                    return await method(request, context)  # ends before; a timer a call would cost more than the read
                async with asyncio.timeout(remaining_s):
                    return await method(request, context)
            except (Refused, StoreUnavailable, TimeoutError) as error:
                await _abort(context, *_status(error))
            finally:
                self._in_flight -= 1
                self._shares.give_back(client)

        return answer

    def _streaming(self, method: StreamHandler) -> StreamHandler:
        async def stream(request: Any, context: Context) -> AsyncIterator[bytes]:
            try:
                check_well_formed(request, self._request_bytes_max)
                async for response in method(request, context):
                    yield response
            except (Refused, StoreUnavailable) as error:
                await _abort(context, *_status(error))

        return stream


def _status(error: Exception) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, Refused):
        return error.code, error.details
    if isinstance(error, StoreUnavailable):
        return grpc.StatusCode.UNAVAILABLE, STORE_UNAVAILABLE
    return grpc.StatusCode.DEADLINE_EXCEEDED, "the score store did not answer in time"


def _watched_ids(user_ids: Sequence[str]) -> list[str]:
    if not user_ids:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"name 1 to {BATCH_IDS_MAX:,} user ids")
    check_ids_max(len(user_ids))
    return list(dict.fromkeys(map(checked_user_id, user_ids)))


def _scores_of(found: Found) -> bytes:
    if not found.message:
        raise Refused(grpc.StatusCode.NOT_FOUND, NO_SCORES)
    return found.message


def _shown(message: bytes, mask: ReadMask | None) -> bytes:
    """What leaves: never the features, and what was as of the newest event only where a mask asks for it."""
    return mask.apply(message) if mask else served(message)


def _result(user_id: str, found: Found, mask: ReadMask | None) -> bytes:
    if not found.message:
        return user_result(user_id, pb.RESULT_STATUS_NOT_FOUND, stale=found.stale)
    return user_result(user_id, pb.RESULT_STATUS_OK, _shown(found.message, mask), stale=found.stale)


def _bad_result(user_id: str) -> bytes:
    return user_result(user_id, pb.RESULT_STATUS_INVALID_ARGUMENT)


async def _abort(context: Context, code: grpc.StatusCode, details: str) -> NoReturn:
    await context.abort(code, details)
    raise AssertionError  # abort() has raised; its types do not say so
