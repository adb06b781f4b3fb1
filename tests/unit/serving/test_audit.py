"""Audit lines, and that no log names a user."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.audit import UserIds, audit
from serving.auth import METHODS, Access, Client, new_token, toml_of
from serving.logs import JsonLines
from serving.requests import requested_namespace
from serving.service import SERVICE_NAME
from tests.audit_lines import audit_lines, logged
from tests.grpc_server import CALL_S, running_server
from tests.redis_server import RedisServer, wait_until

TOKEN, HASH = new_token()
METADATA = (("authorization", f"Bearer {TOKEN}"),)
USER_IDS = UserIds(secret="of this deployment")  # noqa: S106


@pytest.fixture
def stub(redis_server: RedisServer, tmp_path: Path) -> Iterator[ScoreServiceStub]:
    file = tmp_path / "tokens.toml"
    client = Client(name="pricing", tokens_sha256=(HASH,), methods=frozenset({"GetScores", "ExplainScores"}))
    file.write_text(toml_of(client))
    access = Access(file, requested_namespace)
    middlewares = [audit(USER_IDS, requested_namespace), access.middleware]
    with running_server(redis_server.url, middlewares=middlewares) as running:
        yield ScoreServiceStub(running.channel)


@pytest.mark.redis
class TestAuditLines:
    def test_denied_call_without_a_token(self, stub: ScoreServiceStub) -> None:
        with logged() as text:
            with pytest.raises(grpc.RpcError):
                stub.GetScores(pb.GetScoresRequest(user_id="jane"), timeout=CALL_S)
            wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)
        assert line.pop("peer").startswith("ipv4:127.0.0.1:")
        assert line.pop("time").endswith("Z")
        assert line == {
            "level": "INFO",
            "logger": "driftline.audit",
            "event": "denied",
            "client": "",
            "method": "GetScores",
            "namespace": "",
            "code": "UNAUTHENTICATED",
            "user": USER_IDS.shown("jane"),
        }

    def test_denied_call_of_a_known_client(self, stub: ScoreServiceStub) -> None:
        with logged() as text:
            metadata = (*METADATA, ("driftline-namespace", "other"))
            with pytest.raises(grpc.RpcError):
                stub.BatchGetScores(pb.BatchGetScoresRequest(user_ids=["jane"]), timeout=CALL_S, metadata=metadata)
            wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)
        assert {name: line[name] for name in ("event", "client", "method", "namespace", "code", "user")} == {
            "event": "denied",
            "client": "pricing",
            "method": "BatchGetScores",
            "namespace": "other",
            "code": "PERMISSION_DENIED",
            "user": "",
        }

    def test_denied_stream(self, stub: ScoreServiceStub) -> None:
        with logged() as text:
            with pytest.raises(grpc.RpcError):
                next(stub.WatchScores(pb.WatchScoresRequest(user_ids=["jane"]), timeout=CALL_S))
            wait_until(lambda: [line["method"] for line in audit_lines(text)] == ["WatchScores"])

    @pytest.mark.parametrize("method", METHODS)
    def test_request_that_is_too_large(self, redis_server: RedisServer, method: str) -> None:
        middlewares = [audit(USER_IDS, requested_namespace)]
        with running_server(redis_server.url, middlewares=middlewares, request_bytes_max=2_000) as client:
            make = client.channel.unary_stream if method == "WatchScores" else client.channel.unary_unary
            with logged() as text:
                for size, refused_by in ((2_001, "request_bytes_max is 2,000"), (8_001, "larger than max")):
                    with pytest.raises(grpc.RpcError) as caught:
                        answer = make(f"/{SERVICE_NAME}/{method}")(b"\x0a" * size, timeout=CALL_S)
                        next(answer)
                    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                    assert refused_by in caught.value.details()
                wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)  # what gRPC itself refuses leaves none
        assert [line[name] for name in ("event", "method", "code", "user")] == [
            "too large", method, "RESOURCE_EXHAUSTED", "",
        ]  # fmt: skip

    def test_nothing_is_explained_where_nothing_was_asked(self, redis_server: RedisServer) -> None:
        with running_server(redis_server.url, middlewares=[audit(USER_IDS, requested_namespace)]) as client:
            with logged() as text, pytest.raises(grpc.RpcError) as caught:
                client.channel.unary_unary(f"/{SERVICE_NAME}/ExplainScores")(b"\xff", timeout=CALL_S)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert not audit_lines(text)

    @pytest.mark.parametrize("method", METHODS)
    def test_access_comes_before_size(self, redis_server: RedisServer, tmp_path: Path, method: str) -> None:
        (tmp_path / "tokens.toml").write_text("clients = []")
        access = Access(tmp_path / "tokens.toml", requested_namespace)
        middlewares = [audit(USER_IDS, requested_namespace), access.middleware]
        with running_server(redis_server.url, middlewares=middlewares, request_bytes_max=2_000) as client:
            make = client.channel.unary_stream if method == "WatchScores" else client.channel.unary_unary
            with logged() as text:
                with pytest.raises(grpc.RpcError) as caught:
                    next(make(f"/{SERVICE_NAME}/{method}")(b"\x0a" * 2_001, timeout=CALL_S))
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
                wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)
        assert (line["event"], line["code"]) == ("denied", "UNAUTHENTICATED")

    def test_every_explain_and_no_get(self, stub: ScoreServiceStub) -> None:
        with logged() as text:
            for method, request in (
                (stub.GetScores, pb.GetScoresRequest(user_id="jane")),
                (stub.ExplainScores, pb.ExplainScoresRequest(user_id="jane")),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    method(request, timeout=CALL_S, metadata=METADATA)
                assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)
        found = [line[name] for name in ("event", "client", "method", "code", "user")]
        assert found == ["explained", "pricing", "ExplainScores", "NOT_FOUND", USER_IDS.shown("jane")]


@pytest.mark.redis
@given(user_id=st.text(st.characters(codec="utf-8", categories=["L", "N", "S"]), max_size=200))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_log_of_any_library_names_a_user(stub: ScoreServiceStub, user_id: str) -> None:
    user_id = f"user-{user_id}"  # else one of a few digits could be in a time or a port
    calls: list[Callable[[Any], Any]] = [
        lambda sent: stub.GetScores(pb.GetScoresRequest(user_id=user_id), timeout=CALL_S, metadata=sent),
        lambda sent: stub.ExplainScores(pb.ExplainScoresRequest(user_id=user_id), timeout=CALL_S, metadata=sent),
        lambda sent: stub.BatchGetScores(pb.BatchGetScoresRequest(user_ids=[user_id]), timeout=CALL_S, metadata=sent),
    ]
    with logged(logging.DEBUG) as text:
        for metadata in ((), METADATA, (*METADATA, ("driftline-namespace", "b@d"))):
            for call in calls:
                with suppress(grpc.RpcError):
                    call(metadata)
        wait_until(lambda: len(audit_lines(text)) >= 5)  # three without a token, one batch, one explained
    logs = text.getvalue()
    assert user_id not in logs and json.dumps(user_id)[1:-1] not in logs
    assert TOKEN not in logs


class TestUserIds:
    def test_hash_depends_on_the_secret_and_the_user_alone(self) -> None:
        again = UserIds(secret="of this deployment")  # noqa: S106
        assert again.shown("jane") == USER_IDS.shown("jane") != USER_IDS.shown("john")
        assert UserIds(secret="another").shown("jane") != USER_IDS.shown("jane")  # noqa: S106
        assert len(UserIds(secret="x" * 100).shown("é\udc80")) == 16

    def test_without_a_secret_no_two_processes_agree(self) -> None:
        assert UserIds().shown("jane") != UserIds().shown("jane")

    def test_the_id_itself_only_where_asked_for(self) -> None:
        assert UserIds(plain=True).shown("jane") == "jane"


class TestJsonLines:
    def line(self, *, exc_info: Any = None, **extra: Any) -> dict[str, Any]:
        record = logging.LogRecord("a.b", logging.WARNING, "", 1, "%s left", ("one",), exc_info)
        record.created = 0.5
        record.__dict__.update(extra)
        text = JsonLines().format(record)
        assert "\n" not in text
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def test_every_line_has_four_fields(self) -> None:
        four = {"level": "WARNING", "time": "1970-01-01T00:00:00.500Z", "logger": "a.b", "event": "one left"}
        assert self.line() == four
        assert self.line(fields={"x": 1, "path": Path("/a"), "event": "never"}) == {**four, "x": 1, "path": "/a"}

    def test_exception_is_a_field(self) -> None:
        try:
            raise ValueError("why")  # noqa: EM101
        except ValueError as error:
            line = self.line(exc_info=(type(error), error, error.__traceback__))
        assert line["exception"].endswith("ValueError: why")
