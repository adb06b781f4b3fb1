"""The REST gateway as a Starlette application. Each endpoint is one call of the gRPC server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from driftline.client import AsyncScoresClient, Result, ScoresError, SegmentPage
from driftline.client.messages import counts_message, explanation_message, page_message, result_message, scores_message
from driftline.limits import BATCH_IDS_MAX, LISTED_MEMBERS_MAX
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.units import MIB
from serving.health import FRESH_NAME
from serving.rest import openapi
from serving.rest.limits import Limits
from serving.rest.problems import (
    BadRequestError,
    on_bad_request,
    on_http_exception,
    on_scores_error,
    problem,
)
from serving.rest.requests import batch_of, fields_of, metadata_of, number_of, user_id_of

BODY_BYTES_MAX = MIB  # BATCH_IDS_MAX ids of ID_BYTES_MAX fit, even with every byte escaped (\u00XX)
PING_S = 15  # keeps a silent stream open through proxies, and notices a caller that has gone


def create_app(connect: Callable[[], AsyncScoresClient], *, first_s: float, limits: Limits | None = None) -> Starlette:
    """The application. `connect` is called in its event loop; a watch's first result must come within `first_s`."""
    gateway = Gateway(connect, first_s, limits or Limits())
    register_url_convertor("user_id", _UserId())  # Starlette knows convertors of the whole process only
    user = "/v1/users/{user_id:user_id}"
    app = Starlette(
        routes=[
            Route(f"{user}/scores", gateway.get),
            Route(f"{user}/scores:explain", gateway.explain),
            Route("/v1/scores:batchGet", gateway.batch, methods=["POST"]),
            Route("/v1/scores:watch", gateway.watch),
            Route("/v1/segments", gateway.segments),
            Route("/v1/segments/{segment}/members", gateway.members),
            Route("/healthz", gateway.health),
            Route("/readyz", gateway.health),
            Route("/freshz", gateway.freshness),
            Route("/openapi.json", gateway.openapi),
        ],
        exception_handlers={
            ScoresError: on_scores_error,
            BadRequestError: on_bad_request,
            HTTPException: on_http_exception,
        },
        lifespan=gateway.lifespan,
    )
    app.router.redirect_slashes = False  # a path that is none is 404, as the document says
    return app


class _UserId(Convertor[str]):
    """Any text: an id may hold slashes, and line ends, which Starlette's own `path` does not match."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class Gateway:
    """The endpoints, over one client that lives as long as the application."""

    _client: AsyncScoresClient

    def __init__(self, connect: Callable[[], AsyncScoresClient], first_s: float, limits: Limits) -> None:
        self._connect = connect
        self._first_s = first_s
        self._limits = limits
        self._watches = 0
        self._document = openapi.document()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Hold the client open."""
        async with self._connect() as self._client:
            yield

    async def get(self, request: Request) -> Response:
        """GET /v1/users/{user_id}/scores."""
        fields = fields_of(request.query_params.getlist("fields"))
        scores = await self._client.get(user_id_of(request.scope["raw_path"]), fields=fields, **_options(request))
        return _json(pb.GetScoresResponse(scores=scores_message(scores), stale=scores.stale))

    async def explain(self, request: Request) -> Response:
        """GET /v1/users/{user_id}/scores:explain."""
        explanation = await self._client.explain(user_id_of(request.scope["raw_path"]), **_options(request))
        return _json(explanation_message(explanation))

    async def batch(self, request: Request) -> Response:
        """POST /v1/scores:batchGet."""
        user_ids, fields = batch_of(await self._body(request))
        results = await self._client.batch(user_ids, fields=fields, **_options(request))
        return _json(pb.BatchGetScoresResponse(results=map(result_message, results)))

    async def watch(self, request: Request) -> Response:
        """GET /v1/scores:watch. The first result is waited for, so that a refusal is an answer and not a stream."""
        user_ids = request.query_params.getlist("userId")
        if not 1 <= len(user_ids) <= BATCH_IDS_MAX:
            message = f"userId must be given 1 to {BATCH_IDS_MAX:,} times, not {len(user_ids):,}"
            raise BadRequestError(message)
        fields = fields_of(request.query_params.getlist("fields"))
        if self._watches >= self._limits.watches_max:
            message = f"this gateway has {self._watches:,} watches, and at most {self._limits.watches_max:,}"
            return problem(HTTPStatus.TOO_MANY_REQUESTS, message, "RESOURCE_EXHAUSTED")
        results = self._client.watch(user_ids, fields=fields, **_options(request))
        self._watches += 1
        try:
            first = await asyncio.wait_for(anext(results), self._first_s)
        except BaseException as error:
            self._watch_ended()
            if not isinstance(error, TimeoutError):
                raise
            return problem(HTTPStatus.GATEWAY_TIMEOUT, "the score server did not answer in time", "DEADLINE_EXCEEDED")
        return _Watch(first, results, ended=self._watch_ended, send_s=self._limits.send_s)

    async def segments(self, request: Request) -> Response:
        """GET /v1/segments."""
        return _json(counts_message(await self._client.list_segments(**_options(request))))

    async def members(self, request: Request) -> Response:
        """GET /v1/segments/{segment}/members: a page, or a sample."""
        segment, query = request.path_params["segment"], request.query_params
        sample = number_of(query, "sample", LISTED_MEMBERS_MAX)
        size = number_of(query, "pageSize", LISTED_MEMBERS_MAX)
        token = query.get("pageToken", "")
        if not sample:
            page = await self._client.segment_page(
                segment, page_size=size or LISTED_MEMBERS_MAX, page_token=token, **_options(request)
            )
            return _json(page_message(page))
        if size or token:
            message = "sample goes with neither pageSize nor pageToken"
            raise BadRequestError(message)
        members = await self._client.sample_segment(segment, sample, **_options(request))
        return _json(page_message(SegmentPage(tuple(members))))

    def _watch_ended(self) -> None:
        self._watches -= 1

    async def health(self, _request: Request) -> Response:
        """GET /healthz and /readyz: whether calls are answered, be it from memory."""
        return await self._health_of("", "the gRPC server is not serving")

    async def freshness(self, _request: Request) -> Response:
        """GET /freshz: whether they are answered from Redis."""
        return await self._health_of(FRESH_NAME, "the gRPC server's score store does not answer")

    async def _health_of(self, service: str, otherwise: str) -> Response:
        """200 where the gRPC server's health service says that `service` is serving, else 503."""
        stub = health_pb2_grpc.HealthStub(self._client.channel)
        try:
            reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=self._first_s)
        except grpc.RpcError as error:
            details = f"the gRPC server's health service says {error.code().name}"
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, details, "UNAVAILABLE")
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, otherwise, "UNAVAILABLE")
        return JSONResponse({"status": "SERVING"})

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_BYTES_MAX:,} bytes")
        except TimeoutError:
            message = f"the body did not come within {self._limits.body_s:g} s"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, message, {"Connection": "close"}) from None
        return bytes(body)

    async def openapi(self, _request: Request) -> Response:
        """GET /openapi.json."""
        return JSONResponse(self._document)


class _Watch(EventSourceResponse):
    """The stream of a watch. However it ends, the watch of the gRPC server ends with it."""

    def __init__(self, first: Result, results: Any, *, ended: Callable[[], None], send_s: float) -> None:
        super().__init__(_events(first, results), ping=PING_S, send_timeout=send_s)
        self._results = results
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            pass  # a watcher that no longer reads
        finally:
            self._ended()
            await self._results.aclose()


async def _events(first: Result, results: Any) -> AsyncIterator[ServerSentEvent]:
    yield _event(first)
    try:
        async for result in results:
            yield _event(result)
    except ScoresError as error:
        body = json.loads(bytes(on_scores_error(None, error).body))  # type: ignore[arg-type]  # has no request
        yield ServerSentEvent(json.dumps(body), event="problem")


def _event(result: Result) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(MessageToDict(result_message(result)), ensure_ascii=False), event="scores")


def _options(request: Request) -> dict[str, Any]:
    return {"namespace": request.query_params.get("namespace"), "metadata": metadata_of(request.headers)}


def _json(message: Message) -> Response:
    return JSONResponse(MessageToDict(message))
