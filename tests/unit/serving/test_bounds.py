"""One client cannot have all of a worker, nor hold for ever what it does not use; others are served meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from driftline.client import ScoresClient
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.calls import CLIENT
from serving.middleware import Context, Handler, UnaryHandler
from serving.telemetry import NEVER_SENT
from sink_connectors.score_store import RedisScoreStore
from tests.forwarder import Forwarder
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, wait_until
from tests.stored import stored_user

pytestmark = pytest.mark.redis

SERVICE = "/driftline.serving.v1.ScoreService"
WAIT_MS = 300


@pytest.fixture
def redis(own_redis: RedisServer, own_store: RedisScoreStore) -> RedisServer:
    own_store.write([stored_user("u")], None)
    return own_redis


@contextmanager
def another_address(client: Client) -> Iterator[Client]:
    """A client of the same server that comes from elsewhere."""
    with Forwarder(int(client.address.rpartition(":")[2]), source="127.0.0.2") as way:
        other = Client(f"127.0.0.1:{way.port}")
        try:
            yield other
        finally:
            other.channel.close()


class Silent:
    """A stream that has begun and sends nothing."""

    def __init__(self, client: Client, method: str, *, answers_once: bool = True) -> None:
        self._end = threading.Event()
        make = client.channel.stream_unary if answers_once else client.channel.stream_stream
        call = make(method, lambda data: data, None)
        self._call: Any = call.future(self._nothing()) if answers_once else call(self._nothing())

    def _nothing(self) -> Iterator[bytes]:
        self._end.wait()
        yield from ()

    @property
    def code(self) -> grpc.StatusCode | None:
        return self._call.code() if self._call.done() else None

    @property
    def details(self) -> str:
        return str(self._call.details())

    def stop(self) -> None:
        self._end.set()
        self._call.cancel()


@contextmanager
def silent_streams(number: int, make: Callable[[], Silent]) -> Iterator[list[Silent]]:
    streams = [make() for _ in range(number)]
    try:
        yield streams
    finally:
        for stream in streams:
            stream.stop()


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


class TestStreamsThatSendNothing:
    @pytest.mark.parametrize(
        ("method", "answers_once"),
        [
            (f"{SERVICE}/GetScores", True),
            (f"{SERVICE}/WatchScores", False),
            ("/grpc.health.v1.Health/Check", True),
            ("/grpc.health.v1.Health/Watch", False),
            ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", False),
        ],
    )
    def test_are_ended(self, redis: RedisServer, method: str, answers_once: bool) -> None:
        with (
            running_server(redis.url, request_wait_ms=WAIT_MS) as client,
            silent_streams(20, lambda: Silent(client, method, answers_once=answers_once)) as streams,
        ):
            wait_until(lambda: {stream.code for stream in streams} == {grpc.StatusCode.DEADLINE_EXCEEDED})
            assert streams[0].details == "no message came within 0.3 s"
            assert client.get("u").scores.user_id == "u"

    def test_are_counted(self, redis: RedisServer, telemetry_samples: Any) -> None:
        telemetry, rejected = telemetry_samples
        with (
            running_server(redis.url, request_wait_ms=WAIT_MS, middlewares=[telemetry.middleware]) as client,
            silent_streams(5, lambda: Silent(client, f"{SERVICE}/GetScores")),
        ):
            wait_until(lambda: rejected(NEVER_SENT) == 5)

    def test_are_few_a_client_and_keep_nobody_else_out(self, redis: RedisServer) -> None:
        with (
            running_server(redis.url, in_flight_max=8, client_in_flight_max=6) as client,
            another_address(client) as greedy,
            silent_streams(20, lambda: Silent(greedy, f"{SERVICE}/GetScores")) as streams,
        ):
            wait_until(lambda: [stream.code for stream in streams].count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 14)
            assert client.get("u").scores.user_id == "u"

    def test_half_closed_without_a_message_is_no_request(self, redis: RedisServer) -> None:
        with running_server(redis.url) as client:
            call = client.channel.stream_unary(f"{SERVICE}/GetScores")
            assert code_of(lambda: call(iter(()), timeout=5)) is grpc.StatusCode.INVALID_ARGUMENT

    def test_given_up_by_their_caller_leave_nothing(self, redis: RedisServer) -> None:
        with running_server(redis.url, in_flight_max=4, client_in_flight_max=4) as client:
            for _ in range(5):
                with silent_streams(4, lambda: Silent(client, f"{SERVICE}/GetScores")) as streams:
                    assert {stream.code for stream in streams} == {None}
                wait_until(lambda: code_of(lambda: client.get("u")) is grpc.StatusCode.OK)


class TestCallsInFlight:
    def test_of_one_address_are_not_all(self, redis: RedisServer) -> None:
        settings: dict[str, Any] = {"in_flight_max": 5, "client_in_flight_max": 3, "redis_timeout_ms": 10_000}
        with running_server(redis.url, **settings) as client, another_address(client) as greedy:
            assert greedy.get("u").scores.user_id == client.get("u").scores.user_id == "u"
            redis.pause()
            with ThreadPoolExecutor(20) as pool:
                calls = [pool.submit(code_of, lambda: greedy.get("u")) for _ in range(12)]
                wait_until(lambda: sum(call.done() for call in calls) == 9)
                with pytest.raises(grpc.RpcError, match="client_in_flight_max") as caught:
                    greedy.get("u")
                assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                others = [pool.submit(code_of, lambda: client.get("u")) for _ in range(2)]
                wait_until(lambda: not any(call.done() for call in others))
                redis.resume()
                assert [call.result() for call in others] == [grpc.StatusCode.OK] * 2
            codes = [call.result() for call in calls]
            assert (codes.count(grpc.StatusCode.OK), codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)) == (3, 9)
            assert code_of(lambda: greedy.get("u")) is grpc.StatusCode.OK  # its share is its own again

    def test_are_counted_by_name_where_clients_have_one(self, redis: RedisServer) -> None:
        """As behind a proxy, from which all come."""

        def named(_method: str, handler: Handler) -> Handler:
            async def unary(request: Any, context: Context) -> bytes:
                CLIENT.set(str(dict(context.invocation_metadata() or ())["name"]))
                return await cast("UnaryHandler", handler)(request, context)

            return unary if _method == "GetScores" else handler

        settings: dict[str, Any] = {"client_in_flight_max": 2, "redis_timeout_ms": 10_000, "middlewares": [named]}
        with running_server(redis.url, **settings) as client:
            stub = ScoreServiceStub(client.channel)

            def call(name: str) -> grpc.StatusCode:
                request = pb.GetScoresRequest(user_id="u")
                return code_of(lambda: stub.GetScores(request, metadata=[("name", name)], timeout=8))

            redis.pause()
            with ThreadPoolExecutor(8) as pool:
                greedy = [pool.submit(call, "greedy") for _ in range(3)]
                wait_until(lambda: sum(call.done() for call in greedy) == 1)
                other = pool.submit(call, "other")
                redis.resume()
                assert other.result() is grpc.StatusCode.OK

    def test_health_and_reflection_have_their_share(self, redis: RedisServer) -> None:
        with running_server(redis.url, client_in_flight_max=3) as client, ExitStack() as stack:
            watch = health_pb2_grpc.HealthStub(client.channel).Watch
            for _ in range(3):
                stream = watch(health_pb2.HealthCheckRequest())
                stack.callback(stream.cancel)
                assert next(stream).status == health_pb2.HealthCheckResponse.SERVING
            assert code_of(client.health) is grpc.StatusCode.RESOURCE_EXHAUSTED
            reflect = reflection_pb2_grpc.ServerReflectionStub(client.channel).ServerReflectionInfo
            assert code_of(lambda: list(reflect(iter(())))) is grpc.StatusCode.RESOURCE_EXHAUSTED
            with another_address(client) as other:
                assert other.health() == "SERVING"
            assert client.get("u").scores.user_id == "u"


class TestWatches:
    def watch(self, client: Client, *user_ids: str) -> Any:
        stream = ScoreServiceStub(client.channel).WatchScores(pb.WatchScoresRequest(user_ids=user_ids))
        next(stream)
        return stream

    def test_of_one_address_are_not_all(self, redis: RedisServer) -> None:
        settings: dict[str, Any] = {"watched_users_max": 5, "client_watched_users_max": 3}
        with (
            running_server(redis.url, **settings) as client,
            another_address(client) as greedy,
            ExitStack() as stack,
        ):
            stack.callback(self.watch(greedy, "a", "b", "c").cancel)
            with pytest.raises(grpc.RpcError, match="client_watched_users_max") as caught:
                self.watch(greedy, "d")
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            stack.callback(self.watch(client, "d", "e").cancel)
            assert code_of(lambda: self.watch(client, "f")) is grpc.StatusCode.RESOURCE_EXHAUSTED  # the worker's bound
            stack.pop_all().close()
            wait_until(lambda: code_of(lambda: self.watch(greedy, "d").cancel()) is grpc.StatusCode.OK)

    def test_cost_redis_no_more_than_their_budget(self, redis: RedisServer) -> None:
        """300 users every 5 ms would be 60,000 commands a second."""
        budget = 1_500
        with running_server(redis.url, watch_poll_ms=5, watch_reads_s_max=budget) as client, redis.client() as admin:
            stream = self.watch(client, *(f"w{number}" for number in range(300)))

            def commands() -> int:
                return int(admin.info("commandstats").get("cmdstat_getrange", {"calls": 0})["calls"])

            wait_until(lambda: commands() > 0)
            begin, before = time.monotonic(), commands()
            wait_until(lambda: commands() >= before + 3 * 300)
            assert (commands() - before - 300) / (time.monotonic() - begin) < budget * 1.1
            stream.cancel()


class TestConnections:
    def test_are_bounded(self, redis: RedisServer) -> None:
        with running_server(redis.url, connections_max=3) as client, ExitStack() as stack:
            assert client.health() == "SERVING"  # the first
            host, port = client.address.split(":")

            def connected() -> socket.socket:
                made = stack.enter_context(socket.create_connection((host, int(port)), timeout=2))
                return made

            def is_closed(connection: socket.socket) -> bool:
                with suppress(TimeoutError):
                    while data := connection.recv(1_000):
                        assert data  # settings of HTTP/2
                    return True
                return False

            closed = [is_closed(connected()) for _ in range(4)]
            assert closed.count(True) >= 2
            assert client.get("u").scores.user_id == "u"

    def test_that_say_nothing_are_closed(self, redis: RedisServer) -> None:
        with running_server(redis.url, request_wait_ms=WAIT_MS) as client:
            host, port = client.address.split(":")
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                while connection.recv(1_000):
                    pass

    def test_streams_of_one_wait_at_the_client(self, redis: RedisServer) -> None:
        with running_server(redis.url, connection_streams_max=2) as client, ExitStack() as stack:
            for _ in range(2):
                stream = ScoreServiceStub(client.channel).WatchScores(pb.WatchScoresRequest(user_ids=["u"]))
                next(stream)
                stack.callback(stream.cancel)
            assert code_of(lambda: client.get("u", 0.3)) is grpc.StatusCode.DEADLINE_EXCEEDED
            with another_address(client) as other:
                assert other.get("u").scores.user_id == "u"

    def test_of_age_end_and_a_watch_of_our_client_goes_on(self, redis: RedisServer, own_store: RedisScoreStore) -> None:
        ended = threading.Event()

        def noticing(_method: str, handler: Handler) -> Handler:
            async def stream(request: Any, context: Context) -> Any:
                try:
                    async for response in cast("Any", handler)(request, context):
                        yield response
                finally:
                    ended.set()

            return stream if _method == "WatchScores" else handler

        settings: dict[str, Any] = {"connection_age_s_max": 1, "connection_age_grace_s": 0.1}
        with (
            running_server(redis.url, middlewares=[noticing], **settings) as client,
            ScoresClient(client.address) as scores,
        ):
            watch = scores.watch(["u"])
            assert next(watch).scores is not None
            assert ended.wait(10)
            own_store.write([stored_user("u", accepted=43)], None)
            news = next(watch).scores
            assert news is not None and news.accepted_events == 43
