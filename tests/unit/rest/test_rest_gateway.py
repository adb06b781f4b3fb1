"""The REST gateway over HTTP, in front of a score server whose behaviour the test chooses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from driftline.client import AsyncScoresClient
from driftline.serving.v1.scores_pb2 import AsOfEvent, UserScores
from serving.rest import openapi
from serving.rest.app import create_app
from serving.rest.problems import HTTP_STATUS
from tests.fake_scores import FakeScores, fake_server, user
from tests.redis_server import free_port
from tests.rest_gateway import rest_gateway


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeScores, httpx.Client]]:
    fake = FakeScores()
    with fake_server(fake) as target, rest_gateway(target) as gateway:
        yield fake, gateway


@pytest.fixture
def fake(served: tuple[FakeScores, httpx.Client]) -> Iterator[FakeScores]:
    yield served[0]
    served[0].__init__()  # type: ignore[misc]  # as new for the next test


@pytest.fixture
def gateway(served: tuple[FakeScores, httpx.Client], fake: FakeScores) -> httpx.Client:
    return served[1]


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


class TestAnswers:
    def test_scores_in_the_proto3_mapping(self, fake: FakeScores, gateway: httpx.Client) -> None:
        fake.put(user("u1", accepted=7))
        assert gateway.get("/v1/users/u1/scores").json() == {
            "scores": {
                "userId": "u1",
                "scores": {"engagement": 0.5},
                "featureSet": "v1",
                "asOfEventTimeMs": "1760000000000",
                "acceptedEvents": "7",
                "generation": "1",
            }
        }

    def test_an_age_and_what_was_as_of_the_event(self, fake: FakeScores, gateway: httpx.Client) -> None:
        silent = user("u1")
        silent.MergeFrom(UserScores(age_s=3_600, as_of_event=AsOfEvent(scores={"engagement": 0.75})))
        fake.put(silent)
        answer = gateway.get("/v1/users/u1/scores", params={"fields": "ageS,asOfEvent,scores"}).json()
        assert answer["scores"]["ageS"] == 3_600
        assert answer["scores"]["asOfEvent"] == {"scores": {"engagement": 0.75}}
        assert fake.calls[-1][1].read_mask.paths == ["age_s", "as_of_event", "scores"]
        assert gateway.get("/v1/users/u1/scores:explain").json()["scores"]["ageS"] == 3_600
        schemas = gateway.get("/openapi.json").json()["components"]["schemas"]
        assert schemas["UserScores"]["properties"]["ageS"] == {"type": "integer", "minimum": 0}
        assert schemas["UserScores"]["properties"]["asOfEvent"] == {"$ref": "#/components/schemas/AsOfEvent"}

    def test_stale_mask_and_namespace(self, fake: FakeScores, gateway: httpx.Client) -> None:
        fake.put(user("u1"))
        fake.stale = True
        asked = {"fields": "asOfEventTimeMs", "namespace": "rebuilt"}
        answer = gateway.get("/v1/users/u1/scores", params=asked, headers={"Authorization": "Bearer t"}).json()
        assert answer == {"scores": {"userId": "u1", "asOfEventTimeMs": "1760000000000"}, "stale": True}
        sent = fake.calls[0][2]
        assert (sent["driftline-namespace"], sent["authorization"]) == ("rebuilt", "Bearer t")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(user_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=32))
    @example(user_id="\n")
    @example(user_id="a/scores:explain/scores\r\n")
    def test_any_user_id(self, fake: FakeScores, gateway: httpx.Client, user_id: str) -> None:
        fake.put(user(user_id))
        encoded = quote(user_id, safe="").replace(".", "%2E")
        # Two ids cannot be sent by clients that resolve dot segments before they send: RFC 3986, 6.2.2.3.
        if user_id not in {".", ".."}:
            for end, place in (("scores", "scores"), ("scores:explain", "scores")):
                answer = gateway.get(f"/v1/users/{encoded}/{end}")
                assert answer.json()[place]["userId"] == user_id

    def test_batch_and_explanation(self, fake: FakeScores, gateway: httpx.Client) -> None:
        fake.put(user("a/b"))
        results = gateway.post("/v1/scores:batchGet", json={"userIds": ["nobody", "a/b"]}).json()["results"]
        assert [(result["userId"], result["status"]) for result in results] == [
            ("nobody", "RESULT_STATUS_NOT_FOUND"),
            ("a/b", "RESULT_STATUS_OK"),
        ]
        features = gateway.get("/v1/users/a%2Fb/scores:explain").json()["features"]
        assert features[0] == {
            "name": "session_events",
            "value": 3.0,
            "defaultValue": 1.0,
            "unit": "events",
            "formula": "events in it",
        }

    def test_watch(self, fake: FakeScores, gateway: httpx.Client) -> None:
        fake.put(user("u1", accepted=1))
        with gateway.stream("GET", "/v1/scores:watch", params={"userId": ["u1", "u2"]}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            seen = events(response)
            assert [next(seen)[1].get("status") for _ in range(2)] == ["RESULT_STATUS_OK", "RESULT_STATUS_NOT_FOUND"]
            fake.put(user("u1", accepted=2))
            name, result = next(seen)
            assert (name, result["scores"]["acceptedEvents"]) == ("scores", "2")

    def test_segments(self, fake: FakeScores, gateway: httpx.Client) -> None:
        fake.segments = {"fans": {"u1": 5, "é/": 6, "u3": 7}, "empty": {}}
        assert gateway.get("/v1/segments", params={"namespace": "rebuilt"}).json() == {
            "segments": [
                {"name": "empty", "definition": "hash of empty"},
                {"name": "fans", "members": "3", "definition": "hash of fans"},
            ]
        }
        assert fake.calls[0][2]["driftline-namespace"] == "rebuilt"
        assert gateway.get("/v1/segments/empty/members").json() == {}
        sampled = gateway.get("/v1/segments/fans/members?sample=1").json()
        assert sampled == {"members": [{"userId": "u1", "sinceMs": "5"}]}

    def test_pages_of_members(self, fake: FakeScores, gateway: httpx.Client) -> None:
        fake.segments = {"fans": {f"u{number}": number for number in range(1, 8)}}
        asked: dict[str, Any] = {"pageSize": 3}
        pages = []
        while True:
            pages.append(gateway.get("/v1/segments/fans/members", params=asked).json())
            if "nextPageToken" not in pages[-1]:
                break
            asked["pageToken"] = pages[-1]["nextPageToken"]
        assert [len(page["members"]) for page in pages] == [3, 3, 1]
        assert [one["userId"] for page in pages for one in page["members"]] == [f"u{number}" for number in range(1, 8)]

    def test_health(self, gateway: httpx.Client) -> None:
        assert gateway.get("/healthz").json() == {"status": "SERVING"}


class TestProblems:
    @pytest.mark.parametrize("code", [*HTTP_STATUS, "INTERNAL"])
    @pytest.mark.parametrize(
        "path",
        [
            "/v1/users/u1/scores",
            "/v1/users/u1/scores:explain",
            "/v1/scores:watch?userId=u1",
            "/v1/segments",
            "/v1/segments/fans/members",
        ],
    )
    def test_status_of_grpc(self, fake: FakeScores, gateway: httpx.Client, code: str, path: str) -> None:
        fake.failures = [grpc.StatusCode[code]] * 9
        answer = gateway.get(path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == HTTP_STATUS.get(code, 500)
        body = answer.json()
        assert (body["status"], body["code"]) == (answer.status_code, code)
        assert body["detail"] == "as the test wishes"

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 404),
            ("GET", "/v1/users/u1", 404),
            ("POST", "/v1/users/u1/scores", 405),
            ("GET", "/v1/scores:batchGet", 405),
            ("GET", "/v1/scores:watch", 400),
            ("GET", "/v1/users/%FF/scores", 400),
            ("GET", "/v1/segments/nobody/members", 404),
            ("GET", "/v1/segments/%FF/members", 404),
            ("GET", "/v1/segments/fans/members?pageSize=0", 400),
            ("GET", "/v1/segments/fans/members?pageSize=1001", 400),
            ("GET", "/v1/segments/fans/members?sample=x", 400),
            ("GET", "/v1/segments/fans/members?sample=2&pageSize=2", 400),
            ("POST", "/v1/segments", 405),
            ("GET", "/v1/users/u1/scores?namespace=%0A", 400),
        ],
    )
    def test_requests_that_go_nowhere(self, gateway: httpx.Client, method: str, path: str, status: int) -> None:
        answer = gateway.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"

    def test_body_that_is_too_large(self, gateway: httpx.Client) -> None:
        answer = gateway.post("/v1/scores:batchGet", content=b" " * (1024 * 1024 + 1))
        assert (answer.status_code, answer.json()["title"]) == (413, "Request Entity Too Large")

    def test_largest_batch_fits(self, fake: FakeScores, gateway: httpx.Client) -> None:
        ids = ["\x01" * 128] * 1_000
        assert len(gateway.post("/v1/scores:batchGet", json={"userIds": ids}).json()["results"]) == 1_000

    def test_slow_server(self, fake: FakeScores) -> None:
        fake.delay_s = 1.0
        with fake_server(fake) as target, rest_gateway(target, timeout_s=0.1) as gateway:
            for path in ("/v1/users/u1/scores", "/v1/scores:watch?userId=u1", "/v1/segments/fans/members"):
                answer = gateway.get(path)
                assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")

    def test_no_server(self) -> None:
        with rest_gateway(f"127.0.0.1:{free_port()}") as gateway:
            for path in ("/v1/users/u1/scores", "/v1/scores:watch?userId=u1", "/healthz"):
                answer = gateway.get(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
                assert answer.headers["retry-after"] == "1"


def test_document_is_valid_and_served(gateway: httpx.Client) -> None:
    OpenAPIV31SpecValidator(openapi.document()).validate()
    assert gateway.get("/openapi.json").json() == openapi.document()


def test_document_has_every_route_and_no_other() -> None:
    app = create_app(lambda: AsyncScoresClient("127.0.0.1:1"), first_s=1.0)
    routes = {route.path_format: route.methods for route in app.routes if isinstance(route, Route) and route.methods}
    served = {(path, method.lower()) for path, methods in routes.items() for method in methods - {"HEAD"}}
    assert served == {(path, method) for path, item in openapi.document()["paths"].items() for method in item}
