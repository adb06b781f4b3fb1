"""ListSegments, ListSegmentMembers and memberships in GetScores, by a server over a real Redis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.scores_pb2 import SegmentMembership, UserScores
from serving.audit import UserIds, audit
from serving.requests import requested_namespace
from sink_connectors.score_store import Claim, Progress, RedisScoreStore
from sink_connectors.score_value import encode_value, user_key
from sink_connectors.segment_lists import Rows, SegmentWrite
from tests.audit_lines import audit_lines, logged
from tests.grpc_server import CALL_S, Client, running_server
from tests.redis_server import RedisServer, wait_until

pytestmark = pytest.mark.redis

SEGMENTS = ["fans", "likely"]
SHARDS = (3, 5)
T0 = 1_767_225_600_000
NAMESPACES = (f"segments-{number}" for number in itertools.count())


@contextmanager
def filled(server: RedisServer, users: dict[str, list[int]]) -> Iterator[str]:
    """A namespace with these users: since when each is a member of both segments."""
    namespace = next(NAMESPACES)
    with closing(RedisScoreStore.connect(server.url, namespace=namespace, retry_s=5)) as store:
        store.claim(Claim(2, dict.fromkeys(SHARDS, 1), dict.fromkeys(SHARDS, Progress()), "ab" * 16))
        epoch = store.declare_segments({"fans": "f1", "likely": "l1"})
        rows = Rows(1, SEGMENTS, epoch)
        for number, shard in enumerate(SHARDS):
            part = dict(list(users.items())[number::2])
            values = [(user_id, encode_value(1, 1, _scores(user_id, since_ms))) for user_id, since_ms in part.items()]
            encoded = [rows.encode(since_ms) for since_ms in part.values()]
            store.write(values, None, members=SegmentWrite(shard, SEGMENTS, encoded))
        yield namespace


def _scores(user_id: str, since_ms: list[int]) -> bytes:
    segments = [
        SegmentMembership(name=name, since_ms=ms) for name, ms in zip(SEGMENTS, since_ms, strict=True) if ms >= 0
    ]
    return UserScores(user_id=user_id, scores={"engagement": 0.5}, segments=segments).SerializeToString()


@pytest.fixture(scope="module")
def client(redis_server: RedisServer) -> Iterator[Client]:
    with running_server(redis_server.url) as client:
        yield client


def in_namespace(namespace: str) -> dict[str, Any]:
    return {"metadata": [("driftline-namespace", namespace)], "timeout": CALL_S}


def pages(client: Client, namespace: str, **fields: Any) -> list[pb.ListSegmentMembersResponse]:
    return list(client.scores.ListSegmentMembers(pb.ListSegmentMembersRequest(**fields), **in_namespace(namespace)))


def members(found: list[pb.ListSegmentMembersResponse]) -> list[tuple[str, int]]:
    return [(one.user_id, one.since_ms) for page in found for one in page.members]


class TestListSegments:
    def test_counts_by_name(self, client: Client, redis_server: RedisServer) -> None:
        with filled(redis_server, {"u1": [T0, -1], "u2": [T0, T0], "u3": [T0, -1]}) as namespace:
            response = client.scores.ListSegments(pb.ListSegmentsRequest(), **in_namespace(namespace))
        assert [(one.name, one.members, one.definition) for one in response.segments] == [
            ("fans", 3, "f1"),
            ("likely", 1, "l1"),
        ]

    def test_a_namespace_without_segments(self, client: Client) -> None:
        assert not client.scores.ListSegments(pb.ListSegmentsRequest(), **in_namespace("nothing")).segments


class TestListSegmentMembers:
    def test_all_in_pages(self, client: Client, redis_server: RedisServer) -> None:
        users = {f"ü{number}": [T0 + number, -1] for number in range(25)} | {"other": [-1, T0]}
        with filled(redis_server, users) as namespace:
            found = pages(client, namespace, segment="fans", page_size=10)
            assert [len(page.members) for page in found] == [10, 10, 5]
            assert dict(members(found)) == {user_id: since[0] for user_id, since in users.items() if since[0] >= 0}
            assert [bool(page.next_page_token) for page in found] == [True, True, False]
            rest = pages(client, namespace, segment="fans", page_token=found[0].next_page_token)
            assert members(rest) == members(found)[10:]
            assert members(pages(client, namespace, segment="likely")) == [("other", T0)]

    def test_a_limit_ends_it_with_a_token_to_go_on(self, client: Client, redis_server: RedisServer) -> None:
        with filled(redis_server, {f"u{number}": [T0, -1] for number in range(9)}) as namespace:
            (first,) = pages(client, namespace, segment="fans", limit=4)
            later = pages(client, namespace, segment="fans", page_token=first.next_page_token)
            assert len({*members([first]), *members(later)}) == 9

    def test_nobody_whose_scores_have_expired(self, client: Client, redis_server: RedisServer) -> None:
        with filled(redis_server, {"u1": [T0, -1], "u2": [T0, -1]}) as namespace, redis_server.client() as redis:
            redis.delete(user_key(namespace, "u1"))
            assert members(pages(client, namespace, segment="fans")) == [("u2", T0)]

    def test_an_empty_segment_is_one_empty_page(self, client: Client, redis_server: RedisServer) -> None:
        with filled(redis_server, {"u1": [T0, -1]}) as namespace:
            assert pages(client, namespace, segment="likely") == [pb.ListSegmentMembersResponse()]

    def test_a_sample(self, client: Client, redis_server: RedisServer) -> None:
        with filled(redis_server, {f"u{number}": [T0 + number, -1] for number in range(50)}) as namespace:
            (page,) = pages(client, namespace, segment="fans", sample=7)
            assert len(set(members([page]))) == 7
            assert not page.next_page_token

    @pytest.mark.parametrize(
        ("fields", "code", "details"),
        [
            ({"segment": "nobody"}, "NOT_FOUND", "the segment nobody is not declared"),
            ({"segment": ""}, "INVALID_ARGUMENT", "a segment's name must have"),
            ({"segment": "Fans"}, "INVALID_ARGUMENT", "a segment's name must have"),
            ({"segment": "fans", "limit": -1}, "INVALID_ARGUMENT", "limit must be at least 0"),
            ({"segment": "fans", "page_size": 1_001}, "INVALID_ARGUMENT", "page_size must be within 0 and 1,000"),
            ({"segment": "fans", "sample": 1_001}, "INVALID_ARGUMENT", "sample must be within 0 and 1,000"),
            ({"segment": "fans", "sample": 1, "limit": 1}, "INVALID_ARGUMENT", "a sample has neither"),
            ({"segment": "fans", "page_token": "x"}, "INVALID_ARGUMENT", "page token is none"),
        ],
    )
    def test_what_cannot_be_listed(
        self, client: Client, redis_server: RedisServer, fields: dict[str, Any], code: str, details: str
    ) -> None:
        with filled(redis_server, {"u1": [T0, -1]}) as namespace, pytest.raises(grpc.RpcError) as caught:
            pages(client, namespace, **fields)
        assert caught.value.code().name == code
        assert details in caught.value.details()

    def test_more_listings_than_a_client_may_have(self, redis_server: RedisServer) -> None:
        with (
            filled(redis_server, {f"u{number}": [T0, -1] for number in range(1_000)}) as namespace,
            running_server(redis_server.url, client_listings_max=1, connection_streams_max=50) as client,
        ):
            request = pb.ListSegmentMembersRequest(segment="fans", page_size=1)
            first = client.scores.ListSegmentMembers(request, **in_namespace(namespace))
            next(first)  # the rest waits, because nobody reads it
            with pytest.raises(grpc.RpcError) as caught:
                for _ in range(50):
                    pages(client, namespace, segment="fans")
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "client_listings_max" in caught.value.details()
            first.cancel()

    def test_an_outage(self, own_redis: RedisServer) -> None:
        with filled(own_redis, {"u1": [T0, -1]}) as namespace, running_server(own_redis.url) as client:
            own_redis.stop()
            with pytest.raises(grpc.RpcError) as caught:
                pages(client, namespace, segment="fans")
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE

    def test_it_is_audited_with_the_segment(self, redis_server: RedisServer) -> None:
        middlewares = [audit(UserIds(), requested_namespace)]
        with (
            filled(redis_server, {"u1": [T0, -1]}) as namespace,
            running_server(redis_server.url, middlewares=middlewares) as client,
            logged() as text,
        ):
            pages(client, namespace, segment="fans")
            wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)
        found = [line[name] for name in ("event", "method", "code", "segment", "user")]
        assert found == ["listed", "ListSegmentMembers", "OK", "fans", ""]


def test_scores_hold_the_memberships(client: Client, redis_server: RedisServer) -> None:
    with filled(redis_server, {"u1": [T0, T0 + 1]}) as namespace:
        response = client.scores.GetScores(pb.GetScoresRequest(user_id="u1"), **in_namespace(namespace))
        assert [(one.name, one.since_ms) for one in response.scores.segments] == [("fans", T0), ("likely", T0 + 1)]
        mask = FieldMask(paths=["segments"])
        masked = client.scores.GetScores(pb.GetScoresRequest(user_id="u1", read_mask=mask), **in_namespace(namespace))
        assert masked.scores == UserScores(segments=response.scores.segments)
