"""Where the server reads from: URLs, Sentinel, Cluster, and a link that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis

from driftline.errors import SettingError
from serving.source import KEYS_MAX, open_source
from sink_connectors.score_value import HEAD_BYTES, user_key
from tests.grpc_server import running_server
from tests.redis_server import RedisServer, free_port, redis_process, wait_until


def values(url: str, *keys: str, replicas: bool = False) -> list[bytes | None]:
    async def read() -> list[bytes | None]:
        source = open_source(url, timeout_s=2, read_from_replicas=replicas)
        try:
            heads = await source.heads(keys)
            found = await source.values(keys)
            assert heads == [(value or b"")[:HEAD_BYTES] for value in found]
            return found
        finally:
            await source.close()

    return asyncio.run(read())


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "redis+sentinel://localhost:1", "redis+cluster://", "redis+sentinel://:1/name", "redis://h:x"],
)
def test_bad_url_is_a_setting_error_without_the_password(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        open_source(url.replace("//", "//me:secret@", 1), timeout_s=1)
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("redis_url ") and "redis+cluster://host:6379" in str(caught.value)


def test_replicas_need_someone_who_names_them() -> None:
    with pytest.raises(SettingError, match="READ_FROM_REPLICAS"):
        open_source("redis://localhost", timeout_s=1, read_from_replicas=True)


@pytest.mark.redis
class TestOneRedis:
    def test_more_keys_than_fit_into_one_read(self, redis_server: RedisServer) -> None:
        keys = [f"k{number}" for number in range(2 * KEYS_MAX + 1)]
        with redis_server.client() as client:
            client.mset({key: key for key in keys[1:]})
        assert values(redis_server.url, *keys) == [None, *(key.encode() for key in keys[1:])]

    def test_database_and_password(self) -> None:
        with redis_process("--requirepass", "sesame") as port:
            with redis.Redis.from_url(f"redis://:sesame@127.0.0.1:{port}/3") as client:
                client.set("k", "v")
            assert values(f"redis://:sesame@127.0.0.1:{port}/3", "k") == [b"v"]
            for wrong in (f"redis://127.0.0.1:{port}/3", f"redis://:wrong@127.0.0.1:{port}/3"):
                with pytest.raises(redis.AuthenticationError):
                    values(wrong, "k")

    def test_connection_that_redis_closes_is_replaced_within_the_call(self, redis_server: RedisServer) -> None:
        async def read() -> list[list[bytes | None]]:
            source = open_source(redis_server.url, timeout_s=2)
            found = [await source.values(["closed"])]
            with redis_server.client() as client:
                client.set("closed", "v")
                client.client_kill_filter(_type="normal", skipme=True)
            found.append(await source.values(["closed"]))
            await source.close()
            return found

        assert asyncio.run(read()) == [[None], [b"v"]]


@pytest.fixture(scope="module")
def cluster_port() -> Iterator[int]:
    # The bus would listen on the port + 10,000, which may be none.
    with redis_process("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as port:
        with redis.Redis(port=port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(lambda: client.cluster("INFO")["cluster_state"] == "ok")
            for user_id in ("a", "b", "c"):
                client.set(user_key("main", user_id), bytes(16) + b"\x0a\x01" + user_id.encode())
        yield port


@pytest.mark.redis
class TestCluster:
    @pytest.mark.parametrize("replicas", [False, True])
    def test_users_of_several_slots(self, cluster_port: int, replicas: bool) -> None:
        keys = [user_key("main", user_id) for user_id in ("a", "nobody", "b", "c")]
        found = values(f"redis+cluster://127.0.0.1:{cluster_port}", *keys, replicas=replicas)
        assert found == [bytes(16) + b"\x0a\x01a", None, bytes(16) + b"\x0a\x01b", bytes(16) + b"\x0a\x01c"]

    def test_server_reads_from_it(self, cluster_port: int) -> None:
        with running_server(f"redis+cluster://127.0.0.1:{cluster_port}", redis_timeout_ms=2_000) as client:
            assert client.get("a").scores.user_id == "a"
            assert [result.scores.user_id for result in client.batch(["c", "nobody", "b"])] == ["c", "", "b"]
            assert client.health() == "SERVING"


@pytest.mark.redis
@pytest.mark.parametrize("replicas", [False, True])
def test_sentinel_names_the_redis(redis_server: RedisServer, replicas: bool) -> None:
    config = f"sentinel monitor scores 127.0.0.1 {redis_server.port} 1\n"
    with redis_server.client() as client:
        client.set("k", "v")
    with redis_process("--sentinel", config=config) as port:
        url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{port}/scores/0"
        assert values(url, "k", replicas=replicas) == [b"v"]
        with pytest.raises(redis.ConnectionError):
            values(url.replace("/scores/", "/other/"), "k")
