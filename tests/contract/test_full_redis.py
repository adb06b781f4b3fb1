"""A Redis that evicts, is nearly full, or does not tell: what the store, the server and the commands say of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.local import Stack, memory_warning
from console.settings import StackSettings
from serving.observer import Observer
from sink_connectors.redis_memory import RedisMemory
from sink_connectors.score_store import RedisScoreStore
from tests.grpc_server import running_server
from tests.redis_server import RedisServer, wait_until

pytestmark = pytest.mark.redis

LIMIT = 64 << 20


@pytest.fixture
def evicting() -> Iterator[RedisServer]:
    with RedisServer("--maxmemory", str(LIMIT), "--maxmemory-policy", "allkeys-lru") as server:
        yield server


def seen(url: str) -> RedisMemory | None:
    store = RedisScoreStore.connect(url, retry_s=60)
    try:
        return store.memory()
    finally:
        store.close()


def test_the_store_says_what_info_says(evicting: RedisServer) -> None:
    found = seen(evicting.url)
    assert found is not None
    assert (found.limit_bytes, found.policy, found.evicted_keys) == (LIMIT, "allkeys-lru", 0)
    assert 0 < found.used_bytes < LIMIT
    with evicting.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
    full = seen(evicting.url)
    assert full is not None and full.used_percent >= 100 and "writes are refused" in full.warning


def test_evicted_keys_are_counted(evicting: RedisServer) -> None:
    with evicting.client() as client:
        client.config_set("maxmemory", str(client.info("memory")["used_memory"] + (1 << 20)))
        for number in range(400):
            client.set(f"k{number}", "v" * 10_000)
    found = seen(evicting.url)
    assert found is not None and found.evicted_keys > 0
    assert "evicted" in found.warning


def test_a_redis_without_config_still_says_it() -> None:
    forbidden = 'rename-command CONFIG ""\n'
    with RedisServer("--maxmemory", str(LIMIT), "--maxmemory-policy", "volatile-lru", config=forbidden) as server:
        found = seen(server.url)
        assert found is not None and found.policy == "volatile-lru"


def test_a_redis_that_does_not_say_is_no_failure(evicting: RedisServer) -> None:
    with evicting.client() as client:
        client.acl_setuser("me", enabled=True, passwords=["+right"], keys=["*"], commands=["+@all", "-info"])
    url = evicting.url.replace("//", "//me:right@")
    assert seen(url) is None
    with running_server(url) as client:
        assert client.health() == "SERVING"
    evicting.stop()
    assert seen(evicting.url) is None
    assert memory_warning(StackSettings.load(redis_url=evicting.url)) == ""


class Heard(Observer):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def memory_seen(self, *, used_percent: int, evicted_keys: int) -> None:
        self.seen.append((used_percent, evicted_keys))


def test_the_server_logs_it_at_its_start_and_counts_it(evicting: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    heard = Heard()
    with running_server(evicting.url, observer=heard) as client:
        wait_until(lambda: client.health() == "SERVING")
        lines = [record for record in caplog.records if record.getMessage() == "redis memory"]
        assert len(lines) == 1
        assert "allkeys-lru" in str(lines[0].__dict__)
    assert len(heard.seen) == 1


def test_status_shows_it(evicting: RedisServer, tmp_path: Path) -> None:
    settings = StackSettings.load(redis_url=evicting.url, home=tmp_path)
    (redis,) = [service for service in Stack(settings).status() if service.name == "redis"]
    assert redis.state == "external"
    assert "allkeys-lru" in redis.warning and "noeviction" in redis.warning
    assert json.dumps(redis.warning)
