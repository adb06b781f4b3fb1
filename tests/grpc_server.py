"""A ScoreServer in a thread of the test's process, and a client of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from driftline.serving.v1 import score_service_pb2 as pb
from driftline.serving.v1.score_service_pb2_grpc import ScoreServiceStub
from serving.observer import Observer
from serving.reader import ScoreReader
from serving.server import ScoreServer
from serving.settings import ServeSettings

CALL_S = 10.0


class Client:
    """Blocking calls; an RpcError is raised as it is."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = grpc.insecure_channel(address)
        self.scores = ScoreServiceStub(self.channel)
        self._health = health_pb2_grpc.HealthStub(self.channel)

    def get(self, user_id: str, timeout_s: float = CALL_S) -> pb.GetScoresResponse:
        response: pb.GetScoresResponse = self.scores.GetScores(pb.GetScoresRequest(user_id=user_id), timeout=timeout_s)
        return response

    def batch(self, user_ids: list[str], timeout_s: float = CALL_S) -> list[pb.UserResult]:
        request = pb.BatchGetScoresRequest(user_ids=user_ids)
        return list(self.scores.BatchGetScores(request, timeout=timeout_s).results)

    def health(self, service: str = "") -> str:
        reply: Any = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=CALL_S)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


@contextmanager
def running_server(
    redis_url: str,
    *,
    credentials: Any = None,
    interceptors: Any = (),
    middlewares: Any = (),
    observer: Observer | None = None,
    reader_class: type[ScoreReader] = ScoreReader,
    **settings: Any,
) -> Iterator[Client]:
    """A server with these settings of ServeSettings, and a client of it."""
    chosen = ServeSettings.load(redis_url=redis_url, **settings)
    address: list[str] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def run() -> None:
        server = ScoreServer(
            reader_class.connect(chosen, observer),
            chosen,
            credentials=credentials,
            interceptors=interceptors,
            middlewares=middlewares,
        )
        try:
            address.append(await server.start("127.0.0.1", 0))
            started.set()
            await server.watch_until(stopped)
        finally:
            await server.stop(grace_s=0)

    def run_loop() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=run_loop)
    thread.start()
    assert started.wait(CALL_S)
    client = Client(address[0])
    try:
        yield client
    finally:
        client.channel.close()
        loop.call_soon_threadsafe(stopped.set)
        thread.join(CALL_S)
        assert not thread.is_alive()
