"""Load, bounds and a Redis that hangs, dies and comes back."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import grpc
import pytest

from driftline.score_message import with_features
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import UserScores
from serving.middleware import Context, Handler, UnaryHandler
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.grpc_server import CALL_S, Client, running_server
from tests.redis_server import RedisServer, wait_until

pytestmark = pytest.mark.redis

USERS = [f"u{number}" for number in range(20)]
RETURN_S = 1.0  # from Redis's return to the first good answer
LOADED_MACHINE_S = 1.0


def put(store: RedisScoreStore, *user_ids: str, generation: int = 1) -> None:
    for user_id in user_ids:
        scores = UserScores(user_id=user_id, accepted_events=generation).SerializeToString()
        assert store.write([(user_id, encode_value(generation, 1, with_features(b"1234", scores)))], None).accepted == 1


def status(client: Client, user_id: str, timeout_s: float = 2.0) -> grpc.StatusCode:
    try:
        client.get(user_id, timeout_s)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


class Load:
    """Threads that ask for scores without a pause, and what came of it."""

    def __init__(self, client: Client) -> None:
        self.statuses: Counter[grpc.StatusCode] = Counter()
        self.slowest_s = 0.0
        self._client = client
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            for user_id in USERS:
                begin = time.monotonic()
                self.statuses[status(self._client, user_id)] += 1
                self.slowest_s = max(self.slowest_s, time.monotonic() - begin)

    def stop(self) -> None:
        self._stopped.set()


@contextmanager
def load(client: Client, threads: int = 4) -> Iterator[Load]:
    running = Load(client)
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(running.run) for _ in range(threads)]
        try:
            yield running
        finally:
            running.stop()
            for future in futures:
                future.result(10)


@pytest.mark.parametrize("trouble", ["paused", "killed"])
def test_redis_goes_and_comes_back_under_load(own_redis: RedisServer, own_store: RedisScoreStore, trouble: str) -> None:
    put(own_store, *USERS)
    with running_server(own_redis.url) as client, load(client) as running:
        wait_until(lambda: running.statuses[grpc.StatusCode.OK] > 100)
        own_redis.pause() if trouble == "paused" else own_redis.stop()
        wait_until(lambda: running.statuses[grpc.StatusCode.UNAVAILABLE] > 100)
        begin = time.monotonic()
        assert status(client, "u0") == grpc.StatusCode.UNAVAILABLE  # at once: Redis is known to be unavailable
        own_redis.resume() if trouble == "paused" else own_redis.start()
        if trouble == "killed":
            put(own_store, *USERS)
        begin = time.monotonic()
        wait_until(lambda: status(client, "u0") == grpc.StatusCode.OK, timeout_s=5)
        assert time.monotonic() - begin < RETURN_S
        before = running.statuses[grpc.StatusCode.OK]
        wait_until(lambda: running.statuses[grpc.StatusCode.OK] > before + 100)
        assert set(running.statuses) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND}
        assert running.slowest_s < 0.3 + LOADED_MACHINE_S  # redis_timeout_ms


def test_calls_at_the_same_time_are_few_reads(own_redis: RedisServer, own_store: RedisScoreStore) -> None:
    """While one read hangs, the others gather behind it, whatever their number, and are one."""
    put(own_store, *USERS)
    with running_server(own_redis.url, redis_timeout_ms=10_000) as client, ThreadPoolExecutor(40) as pool:
        assert client.get("u0").scores.user_id == "u0"
        own_redis.pause()
        calls = [pool.submit(client.get, user_id) for user_id in USERS * 2]
        time.sleep(0.5)  # no condition to wait on: nothing shows from outside that a call waits
        own_redis.resume()
        assert [call.result().scores.user_id for call in calls] == USERS * 2
        with own_redis.client() as redis:
            reads = redis.info("commandstats")["cmdstat_mget"]["calls"]
        polls_max = 4  # of the live namespace, an MGET too
        assert reads <= 1 + 2 + polls_max


def test_one_call_more_than_the_bound_is_refused_at_once(own_redis: RedisServer, own_store: RedisScoreStore) -> None:
    put(own_store, "u0")
    arrived: list[str] = []

    def arriving(method: str, handler: Handler) -> Handler:
        async def unary(request: Any, context: Context) -> bytes:
            arrived.append(method)
            return await cast("UnaryHandler", handler)(request, context)

        return unary if method == "GetScores" else handler

    with running_server(own_redis.url, redis_timeout_ms=10_000, in_flight_max=2, middlewares=[arriving]) as client:
        assert client.get("u0").scores.user_id == "u0"
        own_redis.pause()
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(status, client, "u0", 8.0) for _ in range(2)]
            wait_until(lambda: len(arrived) == 1 + 2)
            begin = time.monotonic()
            assert status(client, "u0", 5.0) == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert time.monotonic() - begin < LOADED_MACHINE_S
            own_redis.resume()
            assert [call.result() for call in calls] == [grpc.StatusCode.OK] * 2
        assert status(client, "u0") == grpc.StatusCode.OK


class TestStale:
    def test_last_scores_seen_are_served_and_marked(self, own_redis: RedisServer, own_store: RedisScoreStore) -> None:
        put(own_store, "u0", "u1", "u2")
        with running_server(own_redis.url, serve_stale=True) as client:
            fresh = client.get("u0")
            assert not fresh.stale
            assert not any(result.stale for result in client.batch(["u1", "nobody"]))
            own_redis.stop()
            assert client.get("u0") == pb.GetScoresResponse(scores=fresh.scores, stale=True)
            results = client.batch(["nobody", "u1", "", "u0"])
            assert [(result.status, result.stale, result.scores.user_id) for result in results] == [
                (pb.RESULT_STATUS_NOT_FOUND, True, ""),
                (pb.RESULT_STATUS_OK, True, "u1"),
                (pb.RESULT_STATUS_INVALID_ARGUMENT, False, ""),
                (pb.RESULT_STATUS_OK, True, "u0"),
            ]
            assert status(client, "u2") == grpc.StatusCode.UNAVAILABLE  # never seen
            wait_until(lambda: client.health("driftline.fresh") == "NOT_SERVING")
            assert client.health() == client.health("driftline.serving.v1.ScoreService") == "SERVING"
            own_redis.start()
            put(own_store, "u0", generation=2)
            wait_until(lambda: not client.get("u0").stale, timeout_s=RETURN_S + LOADED_MACHINE_S)
            assert client.get("u0").scores.accepted_events == 2

    def test_forgotten_user_is_not_remembered(self, own_redis: RedisServer, own_store: RedisScoreStore) -> None:
        put(own_store, "u0")
        with running_server(own_redis.url, serve_stale=True) as client:
            assert status(client, "u0") == grpc.StatusCode.OK
            own_store.write([("u0", encode_value(2, 1, b""))], None)
            assert status(client, "u0") == grpc.StatusCode.NOT_FOUND
            own_redis.stop()
            assert status(client, "u0") == grpc.StatusCode.NOT_FOUND

    def test_memory_is_bounded_in_number_and_age(self, own_redis: RedisServer, own_store: RedisScoreStore) -> None:
        put(own_store, "u0", "u1")
        with running_server(own_redis.url, serve_stale=True, stale_entries_max=1, stale_age_s_max=1.5) as client:
            assert [status(client, user_id) for user_id in ("u0", "u1")] == [grpc.StatusCode.OK] * 2
            own_redis.stop()
            assert [status(client, user_id) for user_id in ("u0", "u1")] == [
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.OK,
            ]
            wait_until(lambda: status(client, "u1") == grpc.StatusCode.UNAVAILABLE, timeout_s=5)
            wait_until(lambda: client.health() == "NOT_SERVING", timeout_s=5)  # nobody is remembered

    def test_without_memory_an_outage_is_no_service(self, own_redis: RedisServer, own_store: RedisScoreStore) -> None:
        """As where nothing was asked for yet, or stale answers are not wanted."""
        put(own_store, "u0")
        with running_server(own_redis.url) as plain, running_server(own_redis.url, serve_stale=True) as unasked:
            assert status(plain, "u0") == grpc.StatusCode.OK
            own_redis.stop()
            for client in (plain, unasked):
                wait_until(lambda: client.health() == "NOT_SERVING")  # noqa: B023  (awaited here)
                assert client.health("driftline.fresh") == "NOT_SERVING"


class TestNamespaceOfACall:
    def test_metadata_picks_another_namespace_than_the_live_one(self, own_redis: RedisServer) -> None:
        other = RedisScoreStore.connect(own_redis.url, namespace="other")
        put(other, "u0")
        other.close()
        with running_server(own_redis.url) as client:
            assert status(client, "u0") == grpc.StatusCode.NOT_FOUND
            get = client.channel.unary_unary(
                "/driftline.serving.v1.ScoreService/GetScores", response_deserializer=pb.GetScoresResponse.FromString
            )
            request = pb.GetScoresRequest(user_id="u0").SerializeToString()
            answer = get(request, metadata=[("driftline-namespace", "other")], timeout=5)
            assert answer.scores.user_id == "u0"
            for bad in ("", "a*", "x" * 65):
                with pytest.raises(grpc.RpcError, match="driftline-namespace") as caught:
                    get(request, metadata=[("driftline-namespace", bad)], timeout=5)
                assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("user_id", "metadata", "code"),
    [
        ("u0", (), grpc.StatusCode.UNAVAILABLE),
        ("", (), grpc.StatusCode.INVALID_ARGUMENT),
        ("u0", (("driftline-namespace", "b@d"),), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_calls_that_fail_leave_no_stream_open_until_the_garbage_collector_comes(
    own_redis: RedisServer, user_id: str, metadata: Any, code: grpc.StatusCode
) -> None:
    with running_server(own_redis.url, connection_streams_max=3) as client:
        own_redis.stop()
        gc.disable()
        try:
            for method, request in (
                (client.scores.GetScores, pb.GetScoresRequest(user_id=user_id)),
                (client.scores.BatchGetScores, pb.BatchGetScoresRequest(user_ids=["u0"])),
                (client.scores.ExplainScores, pb.ExplainScoresRequest(user_id=user_id)),
            ):
                for _ in range(20):
                    with pytest.raises(grpc.RpcError) as failed:
                        method(request, timeout=CALL_S, metadata=metadata)
                    assert "RST_STREAM" not in failed.value.details()
            assert failed.value.code() is code
        finally:
            gc.enable()
