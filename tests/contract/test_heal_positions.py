"""Where healing begins, in a real Redis."""

from __future__ import annotations

from contextlib import closing

import pytest
import redis

from driftline.errors import ServiceUnavailable, SettingError
from sink_connectors.heal_positions import HealPositions
from sink_connectors.namespaces import RedisNamespaces
from sink_connectors.score_store import Progress, RedisScoreStore, ShardReport
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis


def test_positions_are_those_of_the_topic_until_the_namespace_is_dropped(own_redis: RedisServer) -> None:
    with (
        closing(HealPositions.connect(own_redis.url, namespace="media")) as positions,
        closing(RedisScoreStore.connect(own_redis.url, namespace="media")) as scores,
        closing(RedisNamespaces.connect(own_redis.url)) as namespaces,
        closing(redis.Redis.from_url(own_redis.url)) as client,
    ):
        assert positions.get("events.late") == {}
        positions.put("events.late", {0: 7, 1: 9})
        assert positions.get("events.late") == {0: 7, 1: 9}
        assert positions.get("another") == {}
        positions.put("events.late", {0: 8})
        assert positions.get("events.late") == {0: 8}
        scores.write([], (0, ShardReport(Progress(1))))
        list(namespaces.drop("media", force=False, now_ms=7))
        assert client.keys() == []


def test_trouble_is_named() -> None:
    with pytest.raises(SettingError, match="a namespace must have"):
        HealPositions.connect("redis://127.0.0.1:1/0", namespace="a:b")
    with (
        closing(HealPositions.connect("redis://127.0.0.1:1/0", namespace="media", retry_s=0.0)) as nowhere,
        pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"),
    ):
        nowhere.get("events.late")
