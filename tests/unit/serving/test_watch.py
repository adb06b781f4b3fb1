"""WatchScores and ExplainScores, and requests that are none."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import Queue
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from driftline.catalogue import V1
from driftline.catalogue_message import catalogue_of
from driftline.score_message import with_features
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from serving import server
from serving.reader import Found
from serving.watch import is_news
from sink_connectors.catalogue_store import CatalogueStore
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value, version_of
from tests.grpc_server import Client, running_server
from tests.redis_server import RedisServer, wait_until
from tests.stored import with_age_in_front

SERVICE = "/driftline.serving.v1.ScoreService"
PUSH_S = 0.2
LOADED_MACHINE_S = 1.0


def value(
    user_id: str, *, generation: int = 1, features: bytes = b"", feature_set: str = "v1", declaration: str = ""
) -> tuple[str, bytes]:
    scores = UserScores(
        user_id=user_id, accepted_events=generation, feature_set=feature_set, declaration=declaration
    ).SerializeToString()
    return user_id, encode_value(generation, 1, with_features(features, scores) if features else scores)


def aged_value(user_id: str, age_s: int, generation: int = 1, features: bytes = b"1234") -> tuple[str, bytes]:
    """A value as `value` makes it, as of an age."""
    message = UserScores(user_id=user_id, accepted_events=generation, age_s=age_s, feature_set="v1")
    message.as_of_event.CopyFrom(AsOfEvent(scores={"engagement": 0.75}, feature_values=[1.0]))
    return user_id, encode_value(generation, 1, with_age_in_front(message, features))


class Watching:
    """A stream read by a thread of its own."""

    def __init__(self, client: Client, *user_ids: str) -> None:
        self.results: Queue[pb.UserResult] = Queue()
        self.code: grpc.StatusCode | None = None
        self._call: Any = ScoreServiceStub(client.channel).WatchScores(pb.WatchScoresRequest(user_ids=user_ids))
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for response in self._call:
                self.results.put(response.result)
        except grpc.RpcError as error:
            self.code = error.code()

    def next(self) -> pb.UserResult:
        return self.results.get(timeout=5)

    def stop(self) -> None:
        self._call.cancel()
        self._thread.join(5)
        assert not self._thread.is_alive()


def end_of_silent_watch(stack: ExitStack, address: str, seconds: float) -> Callable[[], grpc.StatusCode]:
    """Starts a watch whose client pings as often as gRPC lets it; the result waits for its end."""
    pings = [("grpc.keepalive_time_ms", 100), ("grpc.http2.max_pings_without_data", 0)]
    channel = stack.enter_context(grpc.insecure_channel(address, pings))
    stream = ScoreServiceStub(channel).WatchScores(pb.WatchScoresRequest(user_ids=["u1"]), timeout=seconds)
    assert next(stream).result.status == pb.RESULT_STATUS_NOT_FOUND

    def end() -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
        code: grpc.StatusCode = caught.value.code()
        return code

    return end


FOUND = Found(b"2", b"x")
YOUNG, OLD = (Found(version_of(stored), b"x") for _, stored in (aged_value("u", 255), aged_value("u", 256)))


@pytest.mark.parametrize(
    ("sent", "found", "news"),
    [
        (None, FOUND, True),
        (None, Found(b"", b""), True),
        (FOUND, FOUND, False),
        (FOUND, Found(b"1", b"y"), False),
        (YOUNG, OLD, True),
        (OLD, YOUNG, False),
        (OLD, OLD, False),
        (FOUND, Found(b"3", b"x"), True),
        (FOUND, Found(b"3", b""), True),
        (FOUND, Found(b"", b""), True),
        (Found(b"3", b""), Found(b"4", b""), False),
        (Found(b"3", b""), FOUND, False),
        (Found(b"", b""), FOUND, True),
    ],
)
def test_only_newer_scores_and_their_end_are_news(sent: Found | None, found: Found, news: bool) -> None:
    assert is_news(sent, found) is news


@pytest.mark.redis
class TestWatch:
    @pytest.fixture
    def client(self, own_redis: RedisServer) -> Iterator[Client]:
        with running_server(own_redis.url, watched_users_max=3) as client:
            yield client

    def test_first_what_is_stored_then_every_newer_one(self, client: Client, own_store: RedisScoreStore) -> None:
        own_store.write([value("u1")], None)
        watching = Watching(client, "u1", "u2", "u1")
        first = [watching.next(), watching.next()]
        assert [(result.user_id, result.status) for result in first] == [
            ("u1", pb.RESULT_STATUS_OK),
            ("u2", pb.RESULT_STATUS_NOT_FOUND),
        ]
        took_s = []
        for generation in range(2, 8):
            own_store.write([value("u2", generation=generation, features=b"1234")], None)
            begin = time.monotonic()
            pushed = watching.next()
            took_s.append(time.monotonic() - begin)
            assert (pushed.user_id, pushed.scores.accepted_events) == ("u2", generation)
            assert not pushed.scores.feature_values
        assert sorted(took_s)[len(took_s) // 2] < PUSH_S
        own_store.write([("u2", encode_value(9, 1, b""))], None)
        assert watching.next() == pb.UserResult(user_id="u2", status=pb.RESULT_STATUS_NOT_FOUND)
        watching.stop()
        assert watching.results.empty()

    def test_every_age_is_news_and_an_older_one_is_not(self, client: Client, own_store: RedisScoreStore) -> None:
        own_store.write([value("u1", features=b"1234")], None)
        watching = Watching(client, "u1")
        assert watching.next().scores.age_s == 0
        for age_s in (3_600, 86_400):
            own_store.write([aged_value("u1", age_s)], None)
            pushed = watching.next().scores
            assert (pushed.age_s, pushed.accepted_events) == (age_s, 1)
            assert not (pushed.HasField("as_of_event") or pushed.feature_values)
        own_store.write([aged_value("u1", 3_600), value("u1")], None)
        own_store.write([value("u1", generation=2)], None)
        newest = watching.next().scores
        assert (newest.age_s, newest.accepted_events) == (0, 2)
        watching.stop()
        assert watching.results.empty()

    def test_silent_watch_may_ping_as_often_as_the_server_says(
        self, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """gRPC pings once a second at most, and the third ping that comes too soon ends the connection."""
        with ExitStack() as stack:
            ends = []
            for ping_gap_ms_min in (20, 10_000):
                monkeypatch.setattr(server, "PING_GAP_MS_MIN", ping_gap_ms_min)
                client = stack.enter_context(running_server(own_redis.url))
                ends.append(end_of_silent_watch(stack, client.address, seconds=4.5))
            assert [end() for end in ends] == [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE]

    def test_outlives_an_outage(self, client: Client, own_redis: RedisServer, own_store: RedisScoreStore) -> None:
        own_store.write([value("u1")], None)
        watching = Watching(client, "u1")
        assert watching.next().status == pb.RESULT_STATUS_OK
        own_redis.pause()
        wait_until(lambda: client.health() == "NOT_SERVING")
        own_redis.resume()
        own_store.write([value("u1", generation=2)], None)
        assert watching.next().scores.accepted_events == 2
        assert watching.code is None
        watching.stop()

    def test_promoted_namespace_is_followed(
        self, client: Client, own_redis: RedisServer, own_store: RedisScoreStore
    ) -> None:
        own_store.write([value("u1", generation=5)], None)
        watching = Watching(client, "u1")
        assert watching.next().scores.accepted_events == 5
        older = RedisScoreStore.connect(own_redis.url, namespace="older")
        older.write([value("u1", generation=4)], None)
        older.promote("older")
        older.close()
        assert watching.next().scores.accepted_events == 4
        watching.stop()

    def test_bounds(self, client: Client) -> None:
        watching = Watching(client, "u1", "u2", "u3")
        watching.next()
        refused = Watching(client, "u4")
        wait_until(lambda: refused.code == grpc.StatusCode.RESOURCE_EXHAUSTED)
        watching.stop()
        refused.stop()

        def watch_again() -> bool:
            again = Watching(client, "u4")
            try:
                wait_until(lambda: again.code is not None or not again.results.empty())
                return again.code is None
            finally:
                again.stop()

        wait_until(watch_again)

    @pytest.mark.parametrize("user_ids", [[], [""], ["x" * 129], [f"u{number}" for number in range(1_001)]])
    def test_bad_ids(self, client: Client, user_ids: list[str]) -> None:
        watching = Watching(client, *user_ids)
        wait_until(lambda: watching.code == grpc.StatusCode.INVALID_ARGUMENT)
        watching.stop()


@pytest.mark.redis
def test_stopping_server_ends_a_watch(own_redis: RedisServer) -> None:
    with running_server(own_redis.url) as client:
        watching = Watching(client, "u1")
        watching.next()
        client_to_close, client.channel = client.channel, grpc.insecure_channel(client.address)
    wait_until(lambda: watching.code == grpc.StatusCode.UNAVAILABLE)
    watching.stop()
    client_to_close.close()


@pytest.mark.redis
class TestExplain:
    @pytest.fixture
    def client(self, own_redis: RedisServer) -> Iterator[Client]:
        with running_server(own_redis.url) as client:
            yield client

    def explain(self, client: Client, user_id: str) -> pb.ExplainScoresResponse:
        response: pb.ExplainScoresResponse = ScoreServiceStub(client.channel).ExplainScores(
            pb.ExplainScoresRequest(user_id=user_id), timeout=5
        )
        return response

    def test_names_every_feature(self, client: Client, own_store: RedisScoreStore) -> None:
        values = [float(number) for number in range(len(V1))]
        own_store.write([value("u1", features=struct.pack(f"<{len(values)}f", *values))], None)
        explained = self.explain(client, "u1")
        assert explained.scores.user_id == "u1"
        assert not explained.scores.feature_values
        assert [feature.value for feature in explained.features] == values
        assert [(shown.name, shown.unit, shown.default_value, shown.formula) for shown in explained.features] == [
            (feature.name, feature.unit, feature.default, feature.formula) for feature in V1
        ]
        assert not client.get("u1").scores.feature_values
        assert not client.batch(["u1"])[0].scores.feature_values

    def test_explains_what_is_served(self, client: Client, own_store: RedisScoreStore) -> None:
        values = [float(number) for number in range(len(V1))]
        own_store.write([aged_value("u1", 3_600, features=struct.pack(f"<{len(values)}f", *values))], None)
        explained = self.explain(client, "u1")
        assert [feature.value for feature in explained.features] == values
        expected = UserScores(user_id="u1", accepted_events=1, age_s=3_600, feature_set="v1")
        assert explained.scores == client.get("u1").scores == client.batch(["u1"])[0].scores == expected

    def test_names_the_features_that_users_have_declared(
        self, client: Client, own_redis: RedisServer, own_store: RedisScoreStore
    ) -> None:
        features = [{"name": name, "unit": "plays", "default": 2, "formula": name * 2, "vector": True} for name in "ab"]
        plan = {"name": "media", "hash": "d1", "features": features, "scores": []}
        fields: dict[str, Any] = {"features": struct.pack("<2f", 7, 8), "feature_set": "media", "declaration": "d1"}
        own_store.write([value("u1", **fields)], None)
        with pytest.raises(grpc.RpcError, match="no job has told of it"):
            self.explain(client, "u1")
        catalogues = CatalogueStore.connect(own_redis.url)
        catalogues.put(catalogue_of(plan, {"b": 1_767_225_600_000}))
        explained = self.explain(client, "u1")
        assert [(shown.name, shown.value, shown.complete_since_ms) for shown in explained.features] == [
            ("a", 7, 0),
            ("b", 8, 1_767_225_600_000),
        ]
        moved = {**plan, "hash": "d2", "features": features[::-1]}
        catalogues.put(catalogue_of(moved, {}))
        own_store.write([value("u2", **fields | {"declaration": "d2"})], None)
        assert [shown.name for shown in self.explain(client, "u2").features] == ["b", "a"]
        assert [shown.name for shown in self.explain(client, "u1").features] == ["a", "b"]
        catalogues.close()

    @pytest.mark.parametrize(
        ("stored", "code"),
        [
            (value("u1"), "FAILED_PRECONDITION"),
            (value("u1", features=b"1234"), "FAILED_PRECONDITION"),
            (value("u1", features=bytes(4 * len(V1)), feature_set="v999"), "FAILED_PRECONDITION"),
            (value("other"), "NOT_FOUND"),
        ],
    )
    def test_what_cannot_be_explained(
        self, client: Client, own_store: RedisScoreStore, stored: tuple[str, bytes], code: str
    ) -> None:
        own_store.write([stored], None)
        with pytest.raises(grpc.RpcError) as caught:
            self.explain(client, "u1")
        assert caught.value.code().name == code


@pytest.fixture(scope="module")
def small(redis_server: RedisServer) -> Iterator[Client]:
    """A client of a server that takes small requests only."""
    with running_server(redis_server.url, request_bytes_max=10_000) as client:
        yield client


@pytest.mark.redis
class TestRawBytes:
    def call(self, small: Client, method: str, data: bytes) -> grpc.StatusCode:
        try:
            if method == "WatchScores":
                stream = small.channel.unary_stream(f"{SERVICE}/{method}")(data, timeout=5)
                next(stream)
                stream.cancel()
            else:
                small.channel.unary_unary(f"{SERVICE}/{method}")(data, timeout=5)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    @hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
    @given(
        method=st.sampled_from(["GetScores", "BatchGetScores", "ExplainScores", "WatchScores"]),
        data=st.one_of(
            st.binary(max_size=300),
            st.builds(lambda text: b"\x0a" + bytes([len(text)]) + text, st.binary(max_size=127)),
        ),
    )
    def test_any_bytes_get_a_status_of_the_contract(self, small: Client, method: str, data: bytes) -> None:
        assert self.call(small, method, data).name in {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}

    @pytest.mark.parametrize("method", ["GetScores", "BatchGetScores", "ExplainScores", "WatchScores"])
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"\xff\xff\xff", "INVALID_ARGUMENT"),
            (b"\x0a\x01\xff", "INVALID_ARGUMENT"),
            (b"\x0a" * 10_001, "RESOURCE_EXHAUSTED"),
            (b"\x0a" * 40_001, "RESOURCE_EXHAUSTED"),
        ],
    )
    def test_malformed_and_oversized(self, small: Client, method: str, data: bytes, code: str) -> None:
        assert self.call(small, method, data).name == code
        assert self.call(small, "GetScores", b"\x0a\x01u").name == "NOT_FOUND"
