"""The gRPC server: ScoreService, health and reflection, on one event loop. `serve` puts it all together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from driftline.errors import StackError
from driftline.redis_url import without_password
from serving.arrivals import Arrivals, UnlimitedCalls
from serving.edge import Edge, edge_of, prepared
from serving.guard import StoreUnavailable
from serving.health import FRESH_NAME, Health
from serving.logs import configure, log_event
from serving.middleware import Middleware, wrapped
from serving.reader import ScoreReader
from serving.requests import decoder
from serving.service import SERVICE_NAME, ScoreService
from serving.settings import ServeSettings
from serving.watch import WatchHub
from serving.workers import free_address, parent_gone, run_workers
from sink_connectors.redis_memory import LOOK_S

POLL_S = 0.5  # a promoted namespace is followed, and an outage shown, within a second
PING_GAP_MS_MIN = 20_000  # our client pings every 30 s; gRPC's own 5 min would end a silent watch at the third ping
# A request above request_bytes_max is refused by the service, which counts it; above this multiple, by gRPC, uncounted.
TRANSPORT_FACTOR = 4
HEALTH_BYTES_MAX = 1_024  # of a request of the health service, which holds a name

log = logging.getLogger(__name__)


class ScoreServer:
    """A server of one Redis. Its health is SERVING while Redis answers, or scores from memory are served instead."""

    def __init__(
        self,
        reader: ScoreReader,
        settings: ServeSettings,
        *,
        credentials: grpc.ServerCredentials | None = None,
        interceptors: Sequence[Any] = (),
        middlewares: Sequence[Middleware] = (),
        share_port: bool = False,
    ) -> None:
        """Interceptors see every service, middlewares ScoreService and reflection; the first is outermost.

        Without `share_port` a port that is taken is an error: two servers on one port would answer by turns.
        """
        self._reader = reader
        self._credentials = credentials
        self._share_port = share_port
        self.hub = WatchHub(reader, settings)
        self.service = ScoreService(reader, self.hub, settings)
        self._arrivals = Arrivals(
            wait_s=settings.request_wait_ms / 1000,
            calls_max=settings.in_flight_max,
            peer_calls_max=settings.client_in_flight_max,
        )
        self._health_and_reflection = UnlimitedCalls(
            wait_s=settings.request_wait_ms / 1000, peer_calls_max=settings.client_in_flight_max
        )
        options = [("grpc.so_reuseport", int(share_port)), *channel_bounds(settings)]
        self._server = grpc.aio.server(interceptors=interceptors, options=options)
        self._health = health.aio.HealthServicer()
        self._reported: Health | None = None
        self._memory_look_s = float("-inf")
        self._memory_dangers: frozenset[str] = frozenset()
        self._add_services(middlewares)

    def _add_services(self, middlewares: Sequence[Middleware]) -> None:
        health_methods = grpc.method_handlers_generic_handler(
            health.SERVICE_NAME,
            {
                name: self._arrivals.method(
                    self._health_and_reflection.one_message(handler),
                    decoder(health_pb2.HealthCheckRequest, HEALTH_BYTES_MAX),
                    health_pb2.HealthCheckResponse.SerializeToString,
                    writes=name == "Watch",
                )
                for name, handler in (("Check", self._health.Check), ("Watch", self._health.Watch))
            },
        )
        self._server.add_generic_rpc_handlers((self.service.handler(self._arrivals, middlewares), health_methods))
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflecting: Any = reflection.aio.ReflectionServicer(names)
        method = "ServerReflectionInfo"
        reflecting.ServerReflectionInfo = wrapped(
            method, self._health_and_reflection.many_messages(reflecting.ServerReflectionInfo), middlewares
        )
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflecting, self._server)

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address; port 0 takes a free one. Raises StackError where that is not possible."""
        if not self._share_port:
            free_address(host.strip("[]"), port)  # says why not; gRPC would log it in its own way
        shown_host = f"[{host}]" if ":" in host else host
        address = f"{shown_host}:{port}"
        try:
            if self._credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, self._credentials)
        except RuntimeError:
            message = f"cannot listen on {address}; DRIFTLINE_GRPC_PORT sets another port"
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

    async def stop(self, grace_s: float) -> None:
        """Tell health checks first, end the watches, then let running calls finish for up to `grace_s`."""
        await self._health.enter_graceful_shutdown()
        await self.hub.close()
        await self._server.stop(grace_s)
        await self._reader.close()

    async def _look_at_redis(self) -> None:
        namespace = self._reader.namespace
        try:
            await self._reader.poll()
        except StoreUnavailable as error:
            await self._report(self._reader.health, reason=str(error))
            return
        await self._report(Health.FRESH)
        await self._look_at_memory(asyncio.get_running_loop().time())
        if namespace != self._reader.namespace:
            log_event(log, "namespace", previous=namespace, namespace=self._reader.namespace)

    async def _look_at_memory(self, now_s: float) -> None:
        """Every LOOK_S, beginning with the first answer of Redis: a line in the log when what it warns of changes."""
        if now_s < self._memory_look_s + LOOK_S:
            return
        self._memory_look_s = now_s
        found = await self._reader.look_at_memory()
        dangers = frozenset().union(*(memory.dangers for memory in found))
        if found and dangers != self._memory_dangers:
            self._memory_dangers = dangers
            level = logging.WARNING if dangers else logging.INFO
            log_event(log, "redis memory", level=level, warnings=[memory.warning for memory in found if memory.warning])

    async def _report(self, health: Health, reason: str = "") -> None:
        if health is self._reported:
            return
        self._reported = health
        for name in ("", SERVICE_NAME):
            await self._health.set(name, _status(health is not Health.DOWN))
        await self._health.set(FRESH_NAME, _status(health is Health.FRESH))
        self._reader.observer.health_changed(health)
        log_event(log, "health", serving=health is not Health.DOWN, fresh=health is Health.FRESH, reason=reason)


def channel_bounds(settings: ServeSettings) -> list[tuple[str, int]]:
    """The bounds that gRPC itself enforces, as arguments of the server."""
    return [
        ("grpc.max_receive_message_length", TRANSPORT_FACTOR * settings.request_bytes_max),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_GAP_MS_MIN),
        ("grpc.max_allowed_incoming_connections", settings.connections_max),
        ("grpc.max_concurrent_streams", settings.connection_streams_max),
        ("grpc.max_connection_idle_ms", int(settings.connection_idle_s_max * 1000)),
        ("grpc.max_connection_age_ms", int(settings.connection_age_s_max * 1000)),
        ("grpc.max_connection_age_grace_ms", int(settings.connection_age_grace_s * 1000)),
        ("grpc.server_handshake_timeout_ms", settings.request_wait_ms),
    ]


def _status(serving: bool) -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
    return health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT. Called by the command line, in the main thread, with resolved settings."""
    configure()
    with prepared(settings):
        if settings.workers == 1:
            run_worker(settings, 0)
        else:
            run_workers(settings, run_worker)


def run_worker(settings: ServeSettings, number: int) -> None:
    """Serve in this process, the only one or worker `number` of several, until SIGTERM, SIGINT or the parent's end."""
    configure()
    with edge_of(settings, number) as edge, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, number, edge))


async def _serve(settings: ServeSettings, number: int, edge: Edge) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    parent_gone(loop, stopped.set)
    server = ScoreServer(
        edge.reader.connect(settings, edge.observer),
        settings,
        credentials=edge.credentials,
        middlewares=edge.middlewares,
        share_port=settings.workers > 1,
    )
    try:
        address = await server.start(settings.host, settings.port or 0)
        gc.collect()
        gc.freeze()  # what is there now stays; to look through it again would hold up calls for 20 ms and more
        log_event(
            log,
            "listening",
            address=address,
            redis=without_password(settings.redis_url.get_secret_value()),
            namespace=settings.namespace or "(live)",
            worker=number,
        )
        await server.watch_until(stopped)
    finally:
        await server.stop(settings.grace_s)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  (not made for every platform)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
