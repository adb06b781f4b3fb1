"""What the calls through a channel cannot show."""

from __future__ import annotations

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from driftline.errors import SettingError
from driftline.serving.v1 import score_service_pb2 as pb
from serving.arrivals import Arrivals
from serving.reader import Found, ScoreReader
from serving.service import ScoreService
from serving.settings import ServeSettings
from serving.watch import WatchHub
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.redis_server import RedisServer


class AbortedError(Exception):
    pass


class CallerWithShortDeadline:
    """The part of a ServicerContext that the service uses; its channel would hide the server's own status."""

    def invocation_metadata(self) -> None:
        return None

    def time_remaining(self) -> float:
        return 0.05

    def peer(self) -> str:
        return "ipv4:127.0.0.1:40000"

    async def read(self) -> pb.GetScoresRequest:
        return pb.GetScoresRequest(user_id="u")

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise AbortedError(code)


def test_call_of_redis_ends_with_the_callers_deadline() -> None:
    async def call(url: str) -> None:
        settings = ServeSettings.load(redis_url=url, redis_timeout_ms=5_000)
        reader = ScoreReader.connect(settings)
        service = ScoreService(reader, WatchHub(reader, settings), settings)
        details: Any = SimpleNamespace(method="/driftline.serving.v1.ScoreService/GetScores")
        arrivals = Arrivals(wait_s=10, calls_max=1, peer_calls_max=1)
        handler: Any = service.handler(arrivals).service(details)
        context: Any = CallerWithShortDeadline()
        try:
            await handler.stream_unary(None, context)
        finally:
            await reader.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        begin = time.monotonic()
        with pytest.raises(AbortedError) as caught:
            asyncio.run(call(f"redis://127.0.0.1:{silent.getsockname()[1]}"))
        assert caught.value.args == (grpc.StatusCode.DEADLINE_EXCEEDED,)
        assert time.monotonic() - begin < 4


@pytest.mark.redis
def test_first_read_is_of_the_live_namespace(own_redis: RedisServer) -> None:
    """Before the first poll, too: if Redis was unavailable at its start, a server must not read an older namespace."""
    store = RedisScoreStore.connect(own_redis.url, namespace="rebuilt")
    store.write([("u", encode_value(1, 1, b"scores"))], None)
    store.promote("rebuilt")
    store.close()

    async def read() -> list[Found]:
        reader = ScoreReader.connect(ServeSettings.load(redis_url=own_redis.url))
        found = await reader.read(["u", "nobody"])
        await reader.close()
        return found

    assert asyncio.run(read()) == [Found(encode_value(1, 1, b""), b"scores"), Found(b"", b"")]


def test_bad_url() -> None:
    with pytest.raises(SettingError, match="localhost"):
        ScoreReader.connect(ServeSettings.load(redis_url="http://me:secret@localhost"))
