"""What the calls through a channel cannot show."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import grpc
import pytest

from driftline.errors import SettingError
from driftline.serving.v1 import score_service_pb2 as pb
from serving.reader import TIMEOUT_S, ScoreReader
from serving.service import ScoreService
from sink_connectors.score_store import RedisScoreStore
from sink_connectors.score_value import encode_value
from tests.redis_server import RedisServer


class AbortedError(Exception):
    pass


class CallerWithoutPatience:
    """The part of a ServicerContext that the service uses; its channel would hide the server's own status."""

    def time_remaining(self) -> float:
        return 0.05

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise AbortedError(code)


def test_call_of_redis_ends_with_the_callers_deadline() -> None:
    async def call(url: str) -> None:
        reader = ScoreReader.connect(url)
        context: Any = CallerWithoutPatience()
        try:
            await ScoreService(reader).get_scores(pb.GetScoresRequest(user_id="u"), context)
        finally:
            await reader.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        begin = time.monotonic()
        with pytest.raises(AbortedError) as caught:
            asyncio.run(call(f"redis://127.0.0.1:{silent.getsockname()[1]}"))
        assert caught.value.args == (grpc.StatusCode.DEADLINE_EXCEEDED,)
        assert time.monotonic() - begin < TIMEOUT_S


@pytest.mark.redis
def test_first_read_is_of_the_live_namespace(own_redis: RedisServer) -> None:
    """Even before the first poll: a server that started while Redis was away must not read an older namespace."""
    store = RedisScoreStore.connect(own_redis.url, namespace="rebuilt")
    store.write([("u", encode_value(1, 1, b"scores"))], None)
    store.promote("rebuilt")
    store.close()

    async def read() -> list[bytes | None]:
        reader = ScoreReader.connect(own_redis.url)
        found = await reader.read(["u", "nobody"])
        await reader.close()
        return found

    assert asyncio.run(read()) == [b"scores", None]


def test_bad_url() -> None:
    with pytest.raises(SettingError, match="localhost"):
        ScoreReader.connect("http://me:secret@localhost")
