"""No connection to Redis is left behind, however it fails. Counted where it hurts: at the other end."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import redis
import uvloop
from redis.asyncio.cluster import ClusterNode

from serving.link import Endpoint, LoginRefusedError, RedisLink, pack
from serving.source import ClusterSource, open_source
from tests.counting_redis import WAIT_S, CountingRedis, Talk, answering, counting_redis, hangs_up, silent
from tests.grpc_server import running_server
from tests.redis_server import RedisServer, redis_process, wait_until
from tests.tls_files import TlsFiles

FAILURES = 20
OK, MASTER = b"+OK\r\n", b"$11\r\nrole:master\r\n"
PING = pack("PING")
LOGIN: dict[str, Any] = {"password": "secret"}
ROTATED = "another secret"

LOOPS: list[Any] = [asyncio.new_event_loop, uvloop.new_event_loop]


def run(loop: Any, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


def link_to(fake: CountingRedis, *, timeout_s: float = 0.05, **endpoint: Any) -> RedisLink:
    async def locate() -> Endpoint:
        return Endpoint(port=fake.port, **endpoint)

    return RedisLink(locate, timeout_s=timeout_s)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("talk", "raised"),
    [
        (answering(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n"), LoginRefusedError),
        (answering(OK + b"-ERR DB index is out of range\r\n"), LoginRefusedError),
        (answering(OK + b"-NOPERM this user has no permissions to run the 'select' command\r\n"), LoginRefusedError),
        (answering(b"-LOADING Redis is loading the dataset in memory\r\n-LOADING again\r\n"), redis.ResponseError),
        (answering(OK), redis.TimeoutError),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), redis.ConnectionError),
        (answering(OK * 3), redis.ConnectionError),
        (silent, redis.TimeoutError),
        (hangs_up, redis.ConnectionError),
    ],
)
def test_greeting_that_fails_leaves_no_connection(loop: Any, talk: Talk, raised: type[Exception]) -> None:
    async def main() -> None:
        async with counting_redis(talk) as fake:
            link = link_to(fake, timeout_s=0.05 if raised is redis.TimeoutError else 10, db=3, **LOGIN)
            for _ in range(FAILURES):
                with pytest.raises(raised):
                    await link.call(PING, 1)
            assert fake.made >= FAILURES
            await fake.until(lambda: fake.open == 0)
            await link.close()

    run(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("trusted", [True, False])
def test_tls_that_fails_leaves_no_connection(loop: Any, trusted: bool, tmp_path: Path) -> None:
    """A handshake that is never answered, and a certificate of nobody that we know."""
    files = TlsFiles(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.cert, files.key)
    client = ssl.create_default_context()
    if trusted:
        client.load_verify_locations(files.client_ca)

    async def main() -> None:
        async with counting_redis(silent, None if trusted else server) as fake:
            link = link_to(fake, tls=client)
            for _ in range(FAILURES):
                with pytest.raises((redis.TimeoutError, redis.ConnectionError)):
                    await link.call(PING, 1)
            await fake.until(lambda: fake.open == 0)

    run(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_link_that_is_closed_while_it_connects_stays_closed(loop: Any) -> None:
    async def main() -> None:
        async with counting_redis(silent) as fake:
            for connections in (0, 1):  # closed before the other end has heard of it, and while it keeps us waiting
                link = link_to(fake, timeout_s=10, **LOGIN)
                call = asyncio.ensure_future(link.call(PING, 1))
                await asyncio.sleep(0)
                await fake.until(functools.partial(fake.has, connections))
                await link.close()
                with pytest.raises(redis.ConnectionError, match="closed"):
                    await call
                with pytest.raises(redis.ConnectionError, match="closed"):
                    await link.call(PING, 1)
            await fake.until(lambda: fake.open == 0)

    run(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_connection_that_is_made_after_it_was_given_up_is_closed(loop: Any) -> None:
    async def main() -> None:
        async with counting_redis(silent) as fake:
            running = asyncio.get_running_loop()
            create = running.create_connection
            late: list[asyncio.Task[Any]] = []

            async def beyond_the_time_out(*arguments: Any, **named: Any) -> Any:
                late.append(asyncio.ensure_future(create(*arguments, **named)))
                await asyncio.Event().wait()

            link = link_to(fake, timeout_s=0.02)
            with pytest.MonkeyPatch.context() as patch:
                # A loop's own method cannot be replaced where it is written in C.
                patch.setattr("serving.link.asyncio.get_running_loop", lambda: _Loop(running, beyond_the_time_out))
                with pytest.raises(redis.TimeoutError):
                    await link.call(PING, 1)
            await asyncio.gather(*late, return_exceptions=True)
            await fake.until(lambda: fake.made == 1)
            await fake.until(lambda: fake.open == 0)

    run(loop, main())


class _Loop:
    def __init__(self, loop: asyncio.AbstractEventLoop, create: Callable[..., Awaitable[Any]]) -> None:
        self.create_connection = create
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def test_node_that_has_left_the_cluster_keeps_no_connection() -> None:
    async def main() -> None:
        moved = answering(b"$1\r\nv\r\n", b"-MOVED 1 127.0.0.1:1\r\n")
        async with counting_redis(moved) as left, counting_redis(answering(b"$1\r\nw\r\n")) as right:
            cluster: Any = FakeCluster(left.port)
            source = ClusterSource(cluster, Endpoint(), timeout_s=5, read_from_replicas=False)
            assert await source.values(["k"]) == [b"v"]
            cluster.next_port = right.port
            assert await source.values(["k"]) == [b"w"]
            await left.until(lambda: left.open == 0)
            await source.close()
            await right.until(lambda: right.open == 0)

    asyncio.run(main())


class FakeCluster:
    """A map of one node; asked anew, it names the next one."""

    def __init__(self, port: int) -> None:
        self.next_port = port
        self._port = 0

    async def initialize(self) -> None:
        self._port = self._port or self.next_port

    async def aclose(self) -> None:
        self._port = 0

    def get_nodes(self) -> list[ClusterNode]:
        return [ClusterNode("127.0.0.1", self._port)]

    def get_node_from_key(self, _key: str, replica: bool = False) -> ClusterNode:
        return self.get_nodes()[0]


def test_source_that_is_closed_leaves_no_connection() -> None:
    """Also of the clients that look for the Redis: of Sentinel, and of the map of a Cluster."""

    async def main() -> None:
        refused = answering(*[b"-NOAUTH Authentication required.\r\n" * 4] * 8)
        for talk in (refused, silent, hangs_up):
            async with counting_redis(talk) as fake:
                for url in (f"redis+sentinel://127.0.0.1:{fake.port}/scores", f"redis+cluster://127.0.0.1:{fake.port}"):
                    source = open_source(url, timeout_s=0.05)
                    for _ in range(5):
                        with pytest.raises(redis.RedisError):
                            await source.values(["k"])
                    await source.close()
                await fake.until(lambda: fake.open == 0)
                assert fake.made

    asyncio.run(main())


@pytest.mark.redis
def test_source_that_sentinel_names_leaves_no_connection_at_sentinel(redis_server: RedisServer) -> None:
    config = f"sentinel monitor scores 127.0.0.1 {redis_server.port} 1\n"

    async def main(port: int, connections: Callable[[], int]) -> None:
        for replicas in (False, True):
            source = open_source(f"redis+sentinel://127.0.0.1:{port}/scores", timeout_s=5, read_from_replicas=replicas)
            await source.values(["k"])
            await source.close()
            async with asyncio.timeout(WAIT_S):
                while connections() > 0:
                    await asyncio.sleep(0.01)

    with redis_process("--sentinel", config=config) as port, redis.Redis(port=port) as admin:
        before = len(admin.client_list(_type="normal"))
        asyncio.run(main(port, lambda: len(admin.client_list(_type="normal")) - before))


@pytest.mark.redis
class TestPasswordOfARunningServer:
    """The password of Redis is changed while a server reads from it."""

    def connections(self, own_redis: RedisServer, password: str) -> int:
        with redis.Redis(port=own_redis.port, password=password) as client:
            return len(client.client_list()) - 1

    def test_refused_logins_are_few_leave_nothing_behind_and_are_said_once(
        self, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        with running_server(own_redis.url, login_retry_ms=300) as client:
            assert client.health() == "SERVING"
            with own_redis.client() as admin:
                admin.config_set("requirepass", ROTATED)
            with redis.Redis(port=own_redis.port, password=ROTATED) as admin:
                admin.client_kill_filter(_type="normal", skipme=True)
                wait_until(lambda: client.health() == "NOT_SERVING")

                def refused() -> int:
                    return int(admin.info("stats")["total_connections_received"])

                before = refused()
                wait_until(lambda: refused() >= before + 5, timeout_s=20)
                assert self.connections(own_redis, ROTATED) <= 1 + 1  # this client, and one that is being refused
                admin.config_set("requirepass", "")
                wait_until(lambda: client.health() == "SERVING")
        said = [record.getMessage() for record in caplog.records if "login" in record.getMessage()]
        assert said == ["redis login refused", "redis login accepted"]
