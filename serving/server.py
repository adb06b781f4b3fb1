"""The gRPC server: ScoreService, health and reflection, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import Callable

import grpc
import redis
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from driftline.errors import StackError
from serving.reader import ScoreReader
from serving.service import SERVICE_NAME, ScoreService
from sink_connectors.redis_errors import without_password

POLL_S = 0.5  # a promoted namespace is followed, and an outage shown, within a second
GRACE_S = 5.0  # how long running requests may take at a shutdown
OPTIONS = (("grpc.so_reuseport", 0),)  # two servers on one port would answer by turns: fail instead

log = logging.getLogger(__name__)


class ScoreServer:
    """A server of one Redis. Its health is SERVING only while Redis answers."""

    def __init__(self, reader: ScoreReader) -> None:
        self._reader = reader
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((ScoreService(reader).handler(),))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._serving: bool | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address; port 0 takes a free one. Raises StackError where the port is taken."""
        shown_host = f"[{host}]" if ":" in host else host
        try:
            bound = self._server.add_insecure_port(f"{shown_host}:{port}")
        except RuntimeError:
            message = f"cannot listen on {shown_host}:{port}; is it taken? DRIFTLINE_GRPC_PORT sets another port"
            raise StackError(message) from None
        await self._look_at_redis()
        await self._server.start()
        return f"{shown_host}:{bound}"

    async def watch_until(self, stopped: asyncio.Event) -> None:
        """Keep the health and the live namespace up to date until `stopped` is set."""
        while not stopped.is_set():
            await self._look_at_redis()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), POLL_S)

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Tell health checks first, then let running requests finish for up to `grace_s`."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        await self._reader.close()

    async def _look_at_redis(self) -> None:
        namespace = self._reader.namespace
        try:
            await self._reader.poll()
        except redis.RedisError as error:
            await self._set_serving(False, reason=str(error))
            return
        await self._set_serving(True)
        if namespace != self._reader.namespace:
            log_event("namespace", previous=namespace, namespace=self._reader.namespace)

    async def _set_serving(self, serving: bool, reason: str = "") -> None:
        if serving == self._serving:
            return
        self._serving = serving
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE_NAME):
            await self._health.set(name, status)
        log_event("health", serving=serving, reason=reason)


def serve(*, host: str, port: int, redis_url: str, namespace: str = "") -> None:
    """Serve until SIGTERM or SIGINT. Called by the command line, in the main thread."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(host, port, redis_url, namespace))


async def _serve(host: str, port: int, redis_url: str, namespace: str) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = ScoreServer(ScoreReader.connect(redis_url, namespace=namespace))
    try:
        address = await server.start(host, port)
        log_event("listening", address=address, redis=without_password(redis_url), namespace=namespace or "(live)")
        await server.watch_until(stopped)
    finally:
        await server.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  (not made for every platform)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def log_event(event: str, **fields: object) -> None:
    """One line of JSON on the log."""
    log.info("%s", json.dumps({"event": event, **fields}))
