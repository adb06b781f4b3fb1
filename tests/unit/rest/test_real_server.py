"""Both clients and the REST gateway in front of the real score server and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from driftline import client as c
from driftline.limits import BATCH_IDS_MAX
from serving.rest import openapi
from sink_connectors.score_store import RedisScoreStore
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, wait_until
from tests.rest_gateway import rest_gateway
from tests.stored import stored_user

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[RedisServer, RedisScoreStore]]:
    with RedisServer() as redis:
        opened = RedisScoreStore.connect(redis.url)
        opened.write([stored_user("u1"), stored_user("0"), stored_user("a/b é")], None)
        yield redis, opened
        opened.close()


@pytest.fixture(scope="module")
def server(store: tuple[RedisServer, RedisScoreStore]) -> Iterator[Client]:
    with running_server(store[0].url) as client:
        yield client


@pytest.fixture(scope="module")
def gateway(server: Client) -> Iterator[httpx.Client]:
    with rest_gateway(server.address) as client:
        yield client


# Its stream has no end; test_rest_gateway.py reads it.
schema = schemathesis.openapi.from_dict(openapi.document()).exclude(path="/v1/scores:watch")


@schema.parametrize()
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_gateway_keeps_its_document(case: schemathesis.Case[Any], gateway: httpx.Client) -> None:
    # Bytes of an id and paths of a mask have bounds that no JSON Schema can say, so 400 is an answer to good data too.
    case.call_and_validate(base_url=str(gateway.base_url), excluded_checks=[positive_data_acceptance])


def test_both_faces_give_the_same(server: Client) -> None:
    async def ask() -> tuple[object, ...]:
        async with c.AsyncScoresClient(server.address, timeout_s=5) as client:
            return await client.get("u1"), await client.batch(["0", "nobody", ""]), await client.explain("u1")

    with c.ScoresClient(server.address, timeout_s=5) as client:
        answers = client.get("u1"), client.batch(["0", "nobody", ""]), client.explain("u1")
    assert answers == asyncio.run(ask())
    assert answers[0].affinities[0] == c.Affinity("shoes", 0.75)
    assert [answer.status for answer in answers[1]] == ["OK", "NOT_FOUND", "INVALID_ARGUMENT"]
    assert answers[2].features[0].name == "session_events"


def test_masks_and_refusals(server: Client) -> None:
    with c.ScoresClient(server.address, timeout_s=5) as client:
        assert client.get("u1", fields=["scores.engagement"]) == c.Scores("u1", {"engagement": 0.74})
        for refused in ({"fields": ["nothing"]}, {"namespace": "a b"}):
            with pytest.raises(c.InvalidRequestError):
                client.get("u1", **refused)
        with pytest.raises(c.NotFoundError):
            client.get("u1", namespace="rebuilt")
        with pytest.raises(c.InvalidRequestError, match="1,000"):
            next(client.watch(["u"] * (BATCH_IDS_MAX + 1)))


def test_watch_follows_writes(server: Client, store: tuple[RedisServer, RedisScoreStore]) -> None:
    with c.ScoresClient(server.address) as client:
        watch = client.watch(["w1"], fields=["accepted_events"])
        assert next(watch).status == "NOT_FOUND"
        for accepted in (1, 2):
            store[1].write([stored_user("w1", accepted=accepted)], None)
            assert next(watch).scores == c.Scores("w1", accepted_events=accepted)


def test_rest_answers(gateway: httpx.Client) -> None:
    answer = gateway.get("/v1/users/a%2Fb%20%C3%A9/scores", params={"fields": "scores.engagement,session.startTimeMs"})
    assert answer.json()["scores"]["scores"] == {"engagement": 0.74}
    assert answer.json()["scores"]["session"] == {"startTimeMs": "1767225510000"}
    assert gateway.get("/v1/users/a%2Fb%20%C3%A9/scores:explain").json()["features"][0]["name"] == "session_events"
    assert gateway.get("/healthz").status_code == 200


@pytest.mark.parametrize("size", [2_001, 8_001])  # refused by the service, by gRPC
def test_request_that_is_too_large(store: tuple[RedisServer, RedisScoreStore], size: int) -> None:
    with running_server(store[0].url, request_bytes_max=2_000) as server, rest_gateway(server.address) as gateway:
        for answer in (
            gateway.post("/v1/scores:batchGet", json={"userIds": ["x" * size]}),
            gateway.get(f"/v1/users/{'x' * size}/scores"),
            gateway.get(f"/v1/users/{'x' * size}/scores:explain"),
            gateway.get("/v1/scores:watch", params={"userId": "x" * size}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (413, "RESOURCE_EXHAUSTED")
            assert "retry-after" not in answer.headers
        with c.ScoresClient(server.address, timeout_s=5) as client, pytest.raises(c.RequestTooLargeError):
            client.batch(["x" * size])


def test_balancers_keep_a_server_that_serves_from_memory() -> None:
    """Whatever takes servers out by their health would take out all at once, for they share the Redis."""
    with RedisServer() as redis:
        store = RedisScoreStore.connect(redis.url)
        store.write([stored_user("u1")], None)
        store.close()
        with running_server(redis.url, serve_stale=True) as server, rest_gateway(server.address) as gateway:

            def statuses() -> list[int]:
                return [gateway.get(path).status_code for path in ("/healthz", "/readyz", "/freshz")]

            assert gateway.get("/v1/users/u1/scores").json().get("stale") is None
            assert statuses() == [200, 200, 200]
            redis.stop()
            wait_until(lambda: statuses() == [200, 200, 503])
            assert gateway.get("/v1/users/u1/scores").json()["stale"] is True
            redis.start()
            wait_until(lambda: statuses() == [200, 200, 200])


def test_redis_unavailable() -> None:
    with RedisServer() as redis, running_server(redis.url) as server, rest_gateway(server.address) as gateway:
        redis.stop()
        answer = gateway.get("/v1/users/u1/scores")
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
