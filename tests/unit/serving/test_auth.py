"""Access: every method, namespace and state of a token, over a real server."""

from __future__ import annotations

import datetime
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from typer.testing import CliRunner

from console.cli import app
from driftline.errors import SettingError
from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.auth import METHODS, Access, Client, new_token, read_clients, toml_of
from serving.requests import requested_namespace
from serving.tls import server_credentials
from tests.grpc_server import CALL_S, running_server
from tests.redis_server import RedisServer, wait_until
from tests.tls_files import TlsFiles

OK, DENIED, NOBODY = None, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
TOKENS = {name: new_token() for name in ("reader", "auditor", "rebuilder", "expired")}


def entry(name: str, methods: tuple[str, ...], *namespaces: str, expires: datetime.date | None = None) -> str:
    return toml_of(
        Client(
            name=name,
            tokens_sha256=(TOKENS[name][1],),
            methods=frozenset(methods),
            namespaces=frozenset(namespaces),
            expires=expires,
        )
    )


CLIENTS = "\n".join(
    (
        entry("reader", ("GetScores", "BatchGetScores"), "@default"),
        entry("auditor", ("*",), "*"),
        entry("rebuilder", ("GetScores", "WatchScores"), "rebuild"),
        entry("expired", ("*",), "*", expires=datetime.date(2020, 1, 1)),
    )
)


def call(channel: grpc.Channel, method: str, metadata: Any) -> grpc.StatusCode | None:
    """The code of a denial; OK where the service itself answered, whatever it said."""
    stub = ScoreServiceStub(channel)
    one, many = "nobody", ["nobody"]
    calls: dict[str, Callable[[], Any]] = {
        "GetScores": lambda: stub.GetScores(pb.GetScoresRequest(user_id=one), timeout=CALL_S, metadata=metadata),
        "BatchGetScores": lambda: stub.BatchGetScores(
            pb.BatchGetScoresRequest(user_ids=many), timeout=CALL_S, metadata=metadata
        ),
        "ExplainScores": lambda: stub.ExplainScores(
            pb.ExplainScoresRequest(user_id=one), timeout=CALL_S, metadata=metadata
        ),
        "ListSegments": lambda: stub.ListSegments(pb.ListSegmentsRequest(), timeout=CALL_S, metadata=metadata),
        "ListSegmentMembers": lambda: next(
            stub.ListSegmentMembers(pb.ListSegmentMembersRequest(segment="fans"), timeout=CALL_S, metadata=metadata)
        ),
        "WatchScores": lambda: next(
            stub.WatchScores(pb.WatchScoresRequest(user_ids=many), timeout=CALL_S, metadata=metadata)
        ),
    }
    try:
        calls[method]()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        assert code in {DENIED, NOBODY, grpc.StatusCode.NOT_FOUND}, error
        return None if code is grpc.StatusCode.NOT_FOUND else code
    return OK


def metadata_of(token: str | None, namespace: str | None) -> list[tuple[str, str]]:
    given = [("authorization", token)] if token is not None else []
    return given + ([("driftline-namespace", namespace)] if namespace is not None else [])


class Guarded(NamedTuple):
    channel: grpc.Channel
    file: Path


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    file = tmp_path_factory.mktemp("tokens") / "tokens.toml"
    file.write_text(CLIENTS)
    access = Access(file, requested_namespace, poll_s=0)
    with running_server(redis_server.url, middlewares=[access.middleware]) as client:
        yield Guarded(client.channel, file)


def test_every_method_of_the_service_is_in_the_matrix() -> None:
    segments = {"ListSegments", "ListSegmentMembers"}
    assert set(METHODS) == {"GetScores", "BatchGetScores", "ExplainScores", "WatchScores", *segments}


@pytest.mark.redis
@pytest.mark.parametrize("namespace", [None, "rebuild", "other"])
@pytest.mark.parametrize("method", METHODS)
class TestMatrix:
    @pytest.mark.parametrize(
        "header",
        [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic " + TOKENS["auditor"][0], TOKENS["auditor"][0],
         "Bearer " + TOKENS["auditor"][1], "Bearer " + TOKENS["expired"][0]],
        ids=["none", "empty", "no token", "blank token", "wrong", "basic", "no scheme", "the hash", "expired"],
    )  # fmt: skip
    def test_no_usable_token(self, guarded: Guarded, method: str, namespace: str | None, header: str | None) -> None:
        assert call(guarded.channel, method, metadata_of(header, namespace)) is NOBODY

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    @pytest.mark.parametrize("name", ["reader", "auditor", "rebuilder"])
    def test_rights(self, guarded: Guarded, method: str, namespace: str | None, name: str, scheme: str) -> None:
        allowed = {
            "reader": method in {"GetScores", "BatchGetScores"} and namespace is None,
            "auditor": True,
            "rebuilder": method in {"GetScores", "WatchScores"} and namespace == "rebuild",
        }[name]
        got = call(guarded.channel, method, metadata_of(f"{scheme} {TOKENS[name][0]}", namespace))
        assert got is (OK if allowed else DENIED)


@pytest.mark.redis
class TestOtherServices:
    def test_health_is_open(self, guarded: Guarded) -> None:
        reply = health_pb2_grpc.HealthStub(guarded.channel).Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING

    @pytest.mark.parametrize("name", [None, "expired", "reader"])
    def test_reflection_needs_a_token_and_no_right(self, guarded: Guarded, name: str | None) -> None:
        stub = reflection_pb2_grpc.ServerReflectionStub(guarded.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        metadata = metadata_of(f"Bearer {TOKENS[name][0]}" if name else None, None)
        replies = stub.ServerReflectionInfo(iter([request]), timeout=CALL_S, metadata=metadata)
        if name == "reader":
            assert len(next(replies).list_services_response.service) == 3
        else:
            with pytest.raises(grpc.RpcError) as caught:
                next(replies)
            assert caught.value.code() is NOBODY


@pytest.mark.redis
def test_file_is_followed_and_a_broken_one_keeps_the_rights(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    reader = metadata_of(f"Bearer {TOKENS['reader'][0]}", None)

    def replace(text: str) -> None:
        new = guarded.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, guarded.file)

    try:
        replace(entry("reader", ("ExplainScores",), "@default"))
        wait_until(lambda: call(guarded.channel, "ExplainScores", reader) is OK)
        assert call(guarded.channel, "GetScores", reader) is DENIED
        replace("clients = [ this is no TOML")
        wait_until(lambda: call(guarded.channel, "ExplainScores", reader) is OK and "reload failed" in caplog.messages)
        for _ in range(3):
            assert call(guarded.channel, "ExplainScores", reader) is OK
        assert caplog.messages.count("reload failed") == 1  # said once, not at every look
        guarded.file.unlink()
        wait_until(lambda: call(guarded.channel, "ExplainScores", reader) is OK)
        replace(CLIENTS)
        wait_until(lambda: call(guarded.channel, "ExplainScores", reader) is DENIED)
    finally:
        replace(CLIENTS)


@pytest.mark.redis
def test_certificate_stands_for_its_client_where_there_is_no_token(redis_server: RedisServer, tmp_path: Path) -> None:
    files = TlsFiles(tmp_path)
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(CLIENTS)
    for by_certificate, name, token, expected in (
        (True, "reader", None, OK),
        (True, "rebuilder", None, DENIED),
        (True, "expired", None, NOBODY),
        (True, "stranger", None, NOBODY),
        (True, "rebuilder", "reader", OK),  # a token says more than the certificate
        (False, "reader", None, NOBODY),
    ):
        access = Access(tokens, requested_namespace, by_certificate=by_certificate)
        credentials = server_credentials(files.cert, files.key, files.client_ca)
        with (
            running_server(redis_server.url, credentials=credentials, middlewares=[access.middleware]) as client,
            files.channel(client.address, name=name) as channel,
        ):
            header = f"Bearer {TOKENS[token][0]}" if token else None
            assert call(channel, "GetScores", metadata_of(header, None)) is expected


class TestFile:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "clients"),
            ("[[clients]]\nname = 'a'", "methods"),
            ("[[clients]]\nname = 'a'\nmethods = ['Get']", "unknown method 'Get'; known are: \\*, GetScores"),
            ("[[clients]]\nname = 'a'\nmethods = []\nnamespaces = ['@live']", "a namespace must have"),
            ("[[clients]]\nname = 'a'\nmethods = []\ntoken = 'secret'", "token"),
            ("[[clients]]\nname = 'a'\nmethods = []\ntokens_sha256 = ['secret']", "tokens_sha256.0"),
            ("[[clients]]\nname = 'a'\nmethods = []\n" * 2, "same name"),
            ("[[clients]]\nname = 'a'\nmethods = []\nexpires = 'soon'", "expires"),
        ],
    )
    def test_error_names_file_and_reason_but_no_secret(self, tmp_path: Path, text: str, reason: str) -> None:
        file = tmp_path / "tokens.toml"
        file.write_text(text)
        with pytest.raises(SettingError, match=reason) as caught:
            read_clients(file)
        assert str(file) in str(caught.value) and "secret" not in str(caught.value)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match=r"tokens_file .*missing\.toml"):
            read_clients(tmp_path / "missing.toml")

    def test_token_of_two_clients(self, tmp_path: Path) -> None:
        file = tmp_path / "tokens.toml"
        file.write_text("".join(entry("reader", ("*",), "*").replace('"reader"', f'"{name}"') for name in "ab"))
        with pytest.raises(SettingError, match="belongs to two"):
            read_clients(file)

    def test_two_tokens_of_a_client_while_one_replaces_the_other(self, tmp_path: Path) -> None:
        (old, old_hash), (new, new_hash) = new_token(), new_token()
        file = tmp_path / "tokens.toml"
        file.write_text(toml_of(Client(name="a", tokens_sha256=(old_hash, new_hash), methods=frozenset({"*"}))))
        clients = read_clients(file)
        assert [getattr(clients.with_token(token), "name", None) for token in (old, new, "", "x\udc80")] == [
            "a", "a", None, None,
        ]  # fmt: skip

    def test_expires_at_the_beginning_of_its_day(self) -> None:
        client = Client(name="a", methods=frozenset(), expires=datetime.date(2026, 3, 1))
        begin_s = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC).timestamp()
        assert [client.has_expired(begin_s + after_s) for after_s in (-0.001, 0)] == [False, True]


class TestTokenCommand:
    def test_prints_a_token_and_the_lines_that_let_it_in(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(app, ["token", 'pri"cing', "--method", "GetScores", "--expires", "2030-01-02"])
        assert done.exit_code == 0
        head, _, lines = done.stdout.partition("\n\nfor the tokens file:\n\n")
        token = head.removeprefix("token, shown only now: ")
        file = tmp_path / "tokens.toml"
        file.write_text(lines)
        client = read_clients(file).with_token(token)
        assert client is not None and client.name == 'pri"cing' and client.may("GetScores", None)
        assert not client.may("GetScores", "main") and not client.may("ExplainScores", None)
        assert tomllib.loads(lines)["clients"][0]["expires"] == datetime.date(2030, 1, 2)
        assert token not in lines

    def test_each_token_is_another(self) -> None:
        assert len({new_token() for _ in range(100)}) == 100

    @pytest.mark.parametrize("arguments", [["--method", "Nope"], ["--namespace", "a b"], ["--expires", "soon"]])
    def test_misuse(self, arguments: list[str]) -> None:
        done = CliRunner().invoke(app, ["token", "a", *arguments])
        assert done.exit_code != 0 and "token, shown" not in done.stdout
