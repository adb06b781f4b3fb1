from __future__ import annotations

from collections.abc import Iterator

import pytest

from sink_connectors.score_store import RedisScoreStore
from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for tests that leave it running."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that the test may stop, restart or pause."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_store(own_redis: RedisServer) -> Iterator[RedisScoreStore]:
    """A store in the test's own Redis, namespace main."""
    store = RedisScoreStore.connect(own_redis.url)
    yield store
    store.close()
