"""Both clients against a server whose behaviour the test chooses."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from driftline import client as c
from driftline.client import AsyncScoresClient, ScoresClient
from driftline.errors import ServiceUnavailable
from tests.client_faces import FACES, Ask, Watching
from tests.fake_scores import FakeScores, fake_server, user
from tests.redis_server import free_port, wait_until

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def fake() -> FakeScores:
    return FakeScores()


@pytest.fixture
def target(fake: FakeScores) -> Iterator[str]:
    with fake_server(fake) as address:
        yield address


@pytest.fixture(params=FACES)
def ask(request: pytest.FixtureRequest) -> Ask:
    return FACES[request.param]


def test_both_faces_take_the_same() -> None:
    def methods(face: type) -> dict[str, list[tuple[str, object, object]]]:
        public = {name: method for name, method in vars(face).items() if inspect.isfunction(method) and name[0] != "_"}
        signatures = {name: inspect.signature(method).parameters.values() for name, method in public.items()}
        return {name: [(one.name, one.kind, one.default) for one in taken] for name, taken in signatures.items()}

    assert methods(ScoresClient) == methods(AsyncScoresClient)
    segments = {"list_segments", "list_segment_members", "segment_page", "sample_segment"}
    assert set(methods(ScoresClient)) == {"get", "batch", "explain", "watch", "close"} | segments


class TestCalls:
    def test_get(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("u1", engagement=0.25))
        fake.stale = True
        scores = ask(target, "get", "u1")
        assert (scores.user_id, scores.scores, scores.version, scores.stale) == (
            "u1",
            {"engagement": 0.25},
            (1, 1, 0),
            True,
        )

    def test_mask(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("u1"))
        assert ask(target, "get", "u1", fields=["feature_set"]) == c.Scores("u1", feature_set="v1")

    def test_batch_of_any_size_keeps_order_and_repeats(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("a"), user("b"))
        asked = ["b", *(f"nobody{number}" for number in range(2_000)), "a", "b"]
        results = ask(target, "batch", asked, timeout_s=5)
        assert [result.user_id for result in results] == asked
        assert [result.status for result in results] == ["OK", *["NOT_FOUND"] * 2_000, "OK", "OK"]
        assert [len(request.user_ids) for _, request, _ in fake.calls] == [1_000, 1_000, 3]

    def test_batch_of_nobody_may_still_be_refused(self, fake: FakeScores, target: str, ask: Ask) -> None:
        assert ask(target, "batch", []) == []
        fake.failures = [grpc.StatusCode.PERMISSION_DENIED]
        with pytest.raises(c.PermissionDeniedError):
            ask(target, "batch", [])

    def test_explain(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("u1"))
        explanation = ask(target, "explain", "u1")
        assert explanation.scores.user_id == "u1"
        assert explanation.features[0] == c.FeatureValue("session_events", 3, 1, "events", "events in it")

    def test_metadata(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("u1"))
        options = {"namespace": "main", "token": lambda: "t0k"}
        ask(target, "get", "u1", client=options, namespace="rebuilt", metadata=(("traceparent", "00-1"),))
        sent = fake.calls[0][2]
        assert sent["driftline-namespace"] == "rebuilt"
        assert sent["authorization"] == "Bearer t0k"
        assert sent["traceparent"] == "00-1"

    @pytest.mark.parametrize("options", [{"namespace": "a\nb"}, {"namespace": "é"}, {"fields": ["\ud800"]}])
    def test_what_cannot_be_sent(self, fake: FakeScores, target: str, ask: Ask, options: dict[str, Any]) -> None:
        with pytest.raises(c.InvalidRequestError):
            ask(target, "get", "u1", **options)
        with pytest.raises(c.InvalidRequestError, match="Unicode"):
            ask(target, "batch", ["\ud800"])
        assert fake.calls == []


class TestErrors:
    @pytest.mark.parametrize("kind", c.ScoresError.__subclasses__())
    def test_each_status_is_an_exception(
        self, fake: FakeScores, target: str, ask: Ask, kind: type[c.ScoresError]
    ) -> None:
        fake.failures = [grpc.StatusCode[kind.status]] * 9
        with pytest.raises(kind) as caught:
            ask(target, "get", "u1")
        assert caught.value.code == kind.status
        assert target in str(caught.value)

    def test_status_without_an_exception_of_its_own(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.failures = [grpc.StatusCode.DATA_LOSS]
        with pytest.raises(c.ScoresError) as caught:
            ask(target, "explain", "u1")
        assert (type(caught.value), caught.value.code) == (c.ScoresError, "DATA_LOSS")

    def test_deadline_by_default(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("u1"))
        fake.delay_s = 0.3
        assert ask(target, "get", "u1", client={"timeout_s": 0.1}, timeout_s=5).user_id == "u1"
        with pytest.raises(c.DeadlineExceededError):
            ask(target, "get", "u1", client={"timeout_s": 0.1})
        fake.delay_s = 1.0
        with pytest.raises(c.DeadlineExceededError):
            ask(target, "get", "u1")

    def test_server_that_never_answers(self, ask: Ask) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            pytest.raises(c.DeadlineExceededError),
        ):
            ask(f"127.0.0.1:{silent.getsockname()[1]}", "batch", ["u1"], timeout_s=0.2)

    def test_nobody_listens(self, ask: Ask) -> None:
        with pytest.raises(ServiceUnavailable) as caught:
            ask(f"127.0.0.1:{free_port()}", "get", "u1", timeout_s=5)
        assert isinstance(caught.value, c.UnavailableError)


class TestRetries:
    def test_unavailable_is_tried_again(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.put(user("u1"))
        fake.failures = [UNAVAILABLE] * 3
        assert ask(target, "get", "u1", timeout_s=5).user_id == "u1"
        assert len(fake.calls) == 4

    @pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL])
    def test_nothing_else_is(self, fake: FakeScores, target: str, ask: Ask, code: grpc.StatusCode) -> None:
        fake.failures = [code]
        with pytest.raises(c.ScoresError):
            ask(target, "get", "u1")
        assert len(fake.calls) == 1

    def test_budget_bounds_what_an_outage_adds(self, fake: FakeScores, target: str) -> None:
        fake.failures = [UNAVAILABLE] * 1_000
        with ScoresClient(target) as client:
            for _ in range(50):
                with pytest.raises(c.UnavailableError):
                    client.get("u1", timeout_s=5)
        assert 50 < len(fake.calls) <= 50 + 5

    def test_budget_comes_back_with_good_calls(self, fake: FakeScores, target: str) -> None:
        fake.put(user("u1"))
        with ScoresClient(target) as client:
            fake.failures = [UNAVAILABLE] * 20
            while fake.failures:
                with pytest.raises(c.UnavailableError):
                    client.get("u1", timeout_s=5)
            for _ in range(100):
                client.get("u1", timeout_s=5)
            fake.failures = [UNAVAILABLE]
            assert client.get("u1", timeout_s=5).user_id == "u1"


@pytest.mark.parametrize("face", ["sync", "async"])
class TestWatch:
    def test_follows_a_user_until_closed(self, face: str, fake: FakeScores, target: str) -> None:
        watching = Watching(face, target, ["u1"])
        wait_until(lambda: watching.versions() == [0])
        fake.put(user("u1", accepted=1))
        wait_until(lambda: watching.versions() == [0, 1])
        fake.forget("u1")
        wait_until(lambda: watching.versions() == [0, 1, 0])
        watching.join()
        assert watching.error is None

    def test_server_restarts(self, face: str, fake: FakeScores) -> None:
        port = free_port()
        fake.put(user("u1", accepted=5))
        with fake_server(fake, port) as target:
            watching = Watching(face, target, ["u1"])
            wait_until(lambda: watching.versions() == [5])
        fake.put(user("u1", accepted=4))  # lags behind
        with fake_server(fake, port):
            wait_until(lambda: sum(method == "WatchScores" for method, *_ in fake.calls) == 2)
            fake.put(user("u1", accepted=6))
            wait_until(lambda: len(watching.seen) == 2)
            watching.join()
        assert watching.versions() == [5, 6]

    def test_server_that_stays_away(self, face: str, fake: FakeScores) -> None:
        fake.put(user("u1"))
        with fake_server(fake) as target:
            watching = Watching(face, target, ["u1"], reconnect_s=0.3)
            wait_until(lambda: len(watching.seen) == 1)
        wait_until(watching.ended)
        assert isinstance(watching.error, c.UnavailableError)

    def test_first_connection_fails_at_once(self, face: str) -> None:
        watching = Watching(face, f"127.0.0.1:{free_port()}", ["u1"])
        wait_until(watching.ended)
        assert isinstance(watching.error, c.UnavailableError)

    def test_refusal(self, face: str, fake: FakeScores, target: str) -> None:
        fake.failures = [grpc.StatusCode.PERMISSION_DENIED]
        watching = Watching(face, target, ["u1"])
        wait_until(watching.ended)
        assert isinstance(watching.error, c.PermissionDeniedError)


def test_abandoned_watch_ends_at_the_server(fake: FakeScores, target: str) -> None:
    fake.put(user("u1"))
    with ScoresClient(target) as client:
        watch = client.watch(["u1"])
        assert next(watch).status == "OK"
        watch.close()  # type: ignore[attr-defined]  # a generator
        assert client.get("u1").user_id == "u1"


def test_cancelled_task_ends_its_watch(fake: FakeScores, target: str) -> None:
    async def run() -> None:
        async with AsyncScoresClient(target) as client:
            watch = client.watch(["u1"])
            assert (await anext(watch)).status == "NOT_FOUND"
            task = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


def listed(face: str, target: str, segment: str, *, client: Any = None, **options: Any) -> list[c.SegmentMember]:
    """All that list_segment_members gives, by either face."""
    if face == "sync":
        with ScoresClient(target, **(client or {})) as made:
            return list(made.list_segment_members(segment, **options))

    async def run() -> list[c.SegmentMember]:
        async with AsyncScoresClient(target, **(client or {})) as made:
            return [member async for member in made.list_segment_members(segment, **options)]

    return asyncio.run(run())


MEMBERS = {f"u{number}": 1_000 + number for number in range(25)}
ALL = [c.SegmentMember(user_id, since_ms) for user_id, since_ms in MEMBERS.items()]


class TestSegments:
    def test_counts(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.segments = {"likely": {}, "fans": MEMBERS}
        assert ask(target, "list_segments", namespace="rebuilt") == [
            c.SegmentCount("fans", 25, "hash of fans"),
            c.SegmentCount("likely", 0, "hash of likely"),
        ]
        assert fake.calls[0][2]["driftline-namespace"] == "rebuilt"

    def test_pages(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.segments = {"fans": MEMBERS}
        token, found = "", list[c.SegmentMember]()
        while True:
            page = ask(target, "segment_page", "fans", page_size=10, page_token=token)
            found += page.members
            token = page.next_page_token
            if not token:
                break
        assert found == ALL
        assert len(fake.calls) == 3

    def test_a_sample(self, fake: FakeScores, target: str, ask: Ask) -> None:
        fake.segments = {"fans": MEMBERS}
        assert ask(target, "sample_segment", "fans", 3) == ALL[:3]

    def test_no_such_segment(self, target: str, ask: Ask) -> None:
        for method, arguments in (("segment_page", ("nobody",)), ("sample_segment", ("nobody", 1))):
            with pytest.raises(c.NotFoundError, match="nobody is not declared"):
                ask(target, method, *arguments)

    @pytest.mark.parametrize("arguments", [{"page_size": 2**40}, {"page_size": "x"}, {"page_token": "\ud800"}])
    def test_what_no_request_could_say(self, target: str, ask: Ask, arguments: Any) -> None:
        with pytest.raises((c.InvalidRequestError, TypeError)):
            ask(target, "segment_page", "fans", **arguments)

    @pytest.mark.parametrize("face", FACES)
    def test_all_members_and_the_first_ones(self, fake: FakeScores, target: str, face: str) -> None:
        fake.segments = {"fans": MEMBERS, "empty": {}}
        assert listed(face, target, "fans", page_size=7) == ALL
        assert listed(face, target, "fans", limit=12, page_size=7) == ALL[:12]
        assert listed(face, target, "empty") == []

    @pytest.mark.parametrize("face", FACES)
    def test_a_listing_that_is_cut_off_goes_on_where_it_was(self, fake: FakeScores, target: str, face: str) -> None:
        fake.segments = {"fans": MEMBERS}
        fake.cuts = [UNAVAILABLE, grpc.StatusCode.UNKNOWN]
        assert listed(face, target, "fans", page_size=7) == ALL
        assert len(fake.calls) == 3
        fake.cuts = [UNAVAILABLE]
        assert listed(face, target, "fans", limit=9, page_size=7) == ALL[:9]

    @pytest.mark.parametrize("face", FACES)
    def test_a_listing_that_fails(self, fake: FakeScores, target: str, face: str) -> None:
        with pytest.raises(c.NotFoundError):
            listed(face, target, "nobody")
        fake.segments = {"fans": MEMBERS}
        fake.cuts = [UNAVAILABLE] * 3
        with pytest.raises(c.UnavailableError):
            listed(face, target, "fans", page_size=7, client={"reconnect_s": 0.0})
        fake.cuts = [grpc.StatusCode.PERMISSION_DENIED]
        with pytest.raises(c.PermissionDeniedError):
            listed(face, target, "fans", page_size=7)
