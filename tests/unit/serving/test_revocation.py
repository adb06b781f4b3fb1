"""Streams that run while their client loses its rights, over a real server."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from driftline.serving.v1 import score_service_pb2 as pb
from serving.audit import UserIds, audit
from serving.auth import Access, Client, new_token, toml_of
from serving.requests import requested_namespace
from serving.streams import stream_while_allowed
from sink_connectors.score_store import RedisScoreStore
from tests import grpc_server
from tests.audit_lines import audit_lines, logged
from tests.client_faces import Watching
from tests.grpc_server import CALL_S, running_server
from tests.redis_server import RedisServer, wait_until
from tests.stored import stored_user

TOKEN, HASH = new_token()
OTHER_TOKEN, OTHER_HASH = new_token()
NEW_YEAR = datetime.date(2030, 1, 1)
NEW_YEAR_S = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC).timestamp()
LOADED_MACHINE_S = 1.0


def lines(*hashes: str, methods: tuple[str, ...] = ("WatchScores",), namespace: str = "@default", **more: Any) -> str:
    client = Client(
        name="shop",
        tokens_sha256=hashes,
        methods=frozenset(methods),
        namespaces=frozenset((namespace,)),
        **more,
    )
    return toml_of(client)


def put(redis: RedisServer, user_id: str) -> None:
    store = RedisScoreStore.connect(redis.url)
    store.write([stored_user(user_id)], None)
    store.close()


class Guarded:
    """A server that lets in whom its file names, at a time that the test chooses."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "tokens.toml"
        self.now_s = 0.0
        self.allow(lines(HASH, OTHER_HASH))
        self.access = Access(self.file, requested_namespace, poll_s=0, recheck_s=0.05, clock=lambda: self.now_s)
        self.client: grpc_server.Client

    def allow(self, text: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.file)

    def watch(self, **options: Any) -> Watching:
        return Watching("sync", self.client.address, ["revocation-1"], **({"token": TOKEN} | options))


@pytest.fixture
def guarded(redis_server: RedisServer, tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(tmp_path)
    middlewares = [audit(UserIds(), requested_namespace), made.access.middleware]
    with running_server(redis_server.url, middlewares=middlewares) as made.client:
        yield made


class Case(NamedTuple):
    change: Callable[[Guarded], None]
    code: str


def _expire(guarded: Guarded) -> None:
    guarded.now_s = NEW_YEAR_S


CASES = {
    "token gone": Case(lambda server: server.allow(lines(OTHER_HASH)), "UNAUTHENTICATED"),
    "client gone": Case(lambda server: server.allow("clients = []"), "UNAUTHENTICATED"),
    "method gone": Case(lambda server: server.allow(lines(HASH, methods=("GetScores",))), "PERMISSION_DENIED"),
    "namespace gone": Case(lambda server: server.allow(lines(HASH, namespace="rebuilt")), "PERMISSION_DENIED"),
    "expired": Case(_expire, "UNAUTHENTICATED"),
}


@pytest.mark.redis
class TestWatch:
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_ends_with_its_right_and_is_audited(self, guarded: Guarded, case: Case) -> None:
        guarded.allow(lines(HASH, expires=NEW_YEAR))
        with logged() as text:
            watching = guarded.watch()
            wait_until(lambda: len(watching.seen) == 1)
            case.change(guarded)
            wait_until(watching.ended, timeout_s=1 + LOADED_MACHINE_S)
            assert getattr(watching.error, "code", None) == case.code
            wait_until(lambda: bool(audit_lines(text)))
        (line,) = audit_lines(text)
        found = {name: line[name] for name in ("event", "client", "method", "code")}
        assert found == {"event": "denied", "client": "shop", "method": "WatchScores", "code": case.code}

    def test_goes_on_where_the_file_changes_but_not_its_right(
        self, guarded: Guarded, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO"):
            watching = guarded.watch()
            wait_until(lambda: len(watching.seen) == 1)
            guarded.allow(lines(HASH, methods=("*",)))
            wait_until(lambda: "reloaded" in caplog.messages)
            guarded.allow("this is no TOML")
            wait_until(lambda: "reload failed" in caplog.messages)
        put(redis_server, "revocation-1")
        wait_until(lambda: len(watching.seen) == 2)
        watching.join()
        assert watching.error is None

    @pytest.mark.parametrize("face", ["sync", "async"])
    def test_client_with_a_newer_token_connects_again(
        self, guarded: Guarded, redis_server: RedisServer, face: str
    ) -> None:
        tokens = [TOKEN]
        watching = Watching(face, guarded.client.address, [f"revocation-{face}"], token=lambda: tokens[-1])
        wait_until(lambda: len(watching.seen) == 1)
        with logged() as text:
            tokens.append(OTHER_TOKEN)
            guarded.allow(lines(OTHER_HASH))
            wait_until(lambda: bool(audit_lines(text)))
            put(redis_server, f"revocation-{face}")
            wait_until(lambda: len(watching.seen) == 2)
            guarded.allow(lines())  # and now it has no newer one
            wait_until(watching.ended)
            assert getattr(watching.error, "code", None) == "UNAUTHENTICATED"
            wait_until(lambda: len(audit_lines(text)) >= 2)


@pytest.mark.redis
def test_reflection_ends_too(guarded: Guarded) -> None:
    requests: Queue[Any] = Queue()
    requests.put(reflection_pb2.ServerReflectionRequest(list_services=""))
    stub = reflection_pb2_grpc.ServerReflectionStub(guarded.client.channel)
    metadata = [("authorization", f"Bearer {TOKEN}")]
    replies = stub.ServerReflectionInfo(iter(requests.get, None), timeout=CALL_S, metadata=metadata)
    assert next(replies).list_services_response.service
    requests.put(reflection_pb2.ServerReflectionRequest(list_services=""))
    assert next(replies).list_services_response.service
    guarded.allow("clients = []")
    with pytest.raises(grpc.RpcError) as caught:
        next(replies)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    requests.put(None)


class TestStreamWhileAllowed:
    """The generator itself: what it passes on, and that nothing is left running behind it."""

    def test_passes_all_on_and_checks_before_each(self) -> None:
        log: list[str] = []

        async def responses() -> AsyncGenerator[bytes, None]:
            for response in (b"a", b"b"):
                log.append("made")
                yield response

        async def check() -> None:
            log.append("checked")

        async def run() -> list[bytes]:
            return [response async for response in stream_while_allowed(responses(), check, every_s=CALL_S)]

        assert asyncio.run(run()) == [b"a", b"b"]
        assert log == ["made", "checked"] * 2

    @pytest.mark.parametrize("end", ["cancelled", "closed", "failed"])
    def test_closes_what_it_reads(self, end: str) -> None:
        closed: list[bool] = []

        async def responses() -> AsyncGenerator[bytes, None]:
            try:
                yield pb.RESULT_STATUS_OK.to_bytes()
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        async def check() -> None:
            if end == "failed" and seen:
                raise LookupError

        seen: list[bytes] = []

        async def run() -> None:
            stream = stream_while_allowed(responses(), check, every_s=0.01)
            seen.append(await anext(stream))
            if end == "closed":
                await stream.aclose()
                return
            task = asyncio.ensure_future(anext(stream))
            if end == "cancelled":
                await asyncio.sleep(0)
                task.cancel()
            with pytest.raises(asyncio.CancelledError if end == "cancelled" else LookupError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(run())
        assert closed == [True]
