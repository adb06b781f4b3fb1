"""ScoreService in process, against a real Redis."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import CategoryAffinity, UserScores
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, wait_until

pytestmark = pytest.mark.redis

SERVICE = "driftline.serving.v1.ScoreService"
LOADED_MACHINE_S = 1
GENERATIONS = itertools.count(1)


def user_scores(user_id: str, *, accepted_events: int = 3) -> UserScores:
    return UserScores(
        user_id=user_id,
        scores={"engagement": 0.25, "churn_risk": 0.0},
        affinities=[CategoryAffinity(category="shoes", share=0.5)],
        accepted_events=accepted_events,
    )


def answers(client: Client, user_id: str) -> bool:
    try:
        return bool(client.get(user_id).scores.user_id)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        return False


def put(store: RedisScoreStore, *messages: UserScores) -> None:
    generation = next(GENERATIONS)
    values = [
        (scores.user_id, encode_value(generation, scores.accepted_events, scores.SerializeToString()))
        for scores in messages
    ]
    assert store.write(values, None).accepted == len(messages)


@pytest.fixture(scope="module")
def client(redis_server: RedisServer) -> Iterator[Client]:
    with running_server(redis_server.url) as client:
        yield client


@pytest.fixture(scope="module")
def store(redis_server: RedisServer) -> Iterator[RedisScoreStore]:
    store = RedisScoreStore.connect(redis_server.url)
    yield store
    store.close()


class TestGetScores:
    def test_gives_what_was_stored(self, client: Client, store: RedisScoreStore) -> None:
        put(store, user_scores("u1"))
        assert client.get("u1") == pb.GetScoresResponse(scores=user_scores("u1"))

    def test_user_without_scores(self, client: Client) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            client.get("nobody")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND

    def test_forgotten_user_has_no_scores(self, client: Client, store: RedisScoreStore) -> None:
        store.write([("forgotten", encode_value(1, 9, b""))], None)
        with pytest.raises(grpc.RpcError) as caught:
            client.get("forgotten")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert [result.status for result in client.batch(["forgotten"])] == [pb.RESULT_STATUS_NOT_FOUND]

    @pytest.mark.parametrize("user_id", ["", "x" * 129, "é" * 65])
    def test_bad_id(self, client: Client, user_id: str) -> None:
        with pytest.raises(grpc.RpcError, match="1 to 128 bytes") as caught:
            client.get(user_id)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


class TestBatchGetScores:
    def test_status_of_each_in_request_order_with_duplicates(self, client: Client, store: RedisScoreStore) -> None:
        put(store, user_scores("a"), user_scores("日本 {*}"))
        asked = ["日本 {*}", "", "nobody", "a", "x" * 129, "a"]
        ok = pb.RESULT_STATUS_OK
        assert client.batch(asked) == [
            pb.UserResult(user_id="日本 {*}", status=ok, scores=user_scores("日本 {*}")),
            pb.UserResult(user_id="", status=pb.RESULT_STATUS_INVALID_ARGUMENT),
            pb.UserResult(user_id="nobody", status=pb.RESULT_STATUS_NOT_FOUND),
            pb.UserResult(user_id="a", status=ok, scores=user_scores("a")),
            pb.UserResult(user_id="x" * 129, status=pb.RESULT_STATUS_INVALID_ARGUMENT),
            pb.UserResult(user_id="a", status=ok, scores=user_scores("a")),
        ]

    def test_nothing_asked(self, client: Client) -> None:
        assert client.batch([]) == []

    def test_only_bad_ids(self, client: Client) -> None:
        assert [result.status for result in client.batch([""])] == [pb.RESULT_STATUS_INVALID_ARGUMENT]

    def test_a_thousand_ids_and_one_more(self, client: Client, store: RedisScoreStore) -> None:
        messages = [user_scores(f"u{number}") for number in range(1_000)]
        put(store, *messages)
        asked = [message.user_id for message in messages]
        assert [result.scores for result in client.batch(asked)] == messages
        with pytest.raises(grpc.RpcError, match="1,000 user ids") as caught:
            client.batch([*asked, "u0"])
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


class TestDeadline:
    def test_holds_while_redis_hangs(self, own_redis: RedisServer) -> None:
        with running_server(own_redis.url, redis_timeout_ms=5_000) as client:
            wait_until(lambda: client.health() == "SERVING")
            own_redis.pause()
            try:
                for call in (lambda: client.get("u", 0.2), lambda: client.batch(["u"], 0.2)):
                    begin = time.monotonic()
                    with pytest.raises(grpc.RpcError) as caught:
                        call()
                    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
                    assert time.monotonic() - begin < 0.9
            finally:
                own_redis.resume()
            wait_until(lambda: client.health() == "SERVING")
            with pytest.raises(grpc.RpcError) as caught:
                client.get("u")
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND

    def test_server_gives_up_before_a_long_one(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
            url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
            with running_server(url) as client:
                begin = time.monotonic()
                with pytest.raises(grpc.RpcError) as caught:
                    client.get("u", 30)
                assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
                assert time.monotonic() - begin < 5
                assert client.health() == "NOT_SERVING"


class TestOutage:
    def test_health_and_calls_follow_redis(self, own_redis: RedisServer) -> None:
        store = RedisScoreStore.connect(own_redis.url)
        with running_server(own_redis.url) as client:
            put(store, user_scores("u"))
            assert client.get("u").scores == user_scores("u")
            assert [client.health(name) for name in ("", SERVICE)] == ["SERVING", "SERVING"]

            own_redis.stop()
            for call in (lambda: client.get("u"), lambda: client.batch(["u"])):
                with pytest.raises(grpc.RpcError, match="score store") as caught:
                    call()
                assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            wait_until(lambda: client.health() == client.health(SERVICE) == "NOT_SERVING", timeout_s=2)

            own_redis.start()
            put(store, user_scores("u", accepted_events=4))
            wait_until(lambda: answers(client, "u"), timeout_s=1 + LOADED_MACHINE_S)
            assert client.get("u").scores.accepted_events == 4
            wait_until(lambda: client.health() == client.health(SERVICE) == "SERVING", timeout_s=2)
        store.close()

    def test_redis_that_was_unavailable_from_the_start(self, own_redis: RedisServer) -> None:
        own_redis.stop()
        with running_server(own_redis.url) as client:
            assert client.health() == "NOT_SERVING"
            own_redis.start()
            rebuilt = RedisScoreStore.connect(own_redis.url, namespace="rebuilt")
            put(rebuilt, user_scores("u"))
            rebuilt.promote("rebuilt")
            wait_until(lambda: client.health() == "SERVING", timeout_s=2)
            assert client.get("u").scores == user_scores("u")
            rebuilt.close()


class TestNamespace:
    def test_promoted_one_is_followed_within_a_second(self, own_redis: RedisServer) -> None:
        old, new = (RedisScoreStore.connect(own_redis.url, namespace=name) for name in ("main", "rebuild"))
        put(old, user_scores("u", accepted_events=1))
        put(new, user_scores("u", accepted_events=2))
        with running_server(own_redis.url) as client, running_server(own_redis.url, namespace="main") as pinned:
            assert client.get("u").scores.accepted_events == 1
            new.promote("rebuild")
            wait_until(lambda: client.get("u").scores.accepted_events == 2, timeout_s=1 + LOADED_MACHINE_S)
            assert pinned.get("u").scores.accepted_events == 1
        old.close()
        new.close()


def test_reflection_lists_the_services(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (reply,) = stub.ServerReflectionInfo(iter([request]))
    names = {service.name for service in reply.list_services_response.service}
    assert names == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


def test_health_of_an_unknown_service(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.health("driftline.Other")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
