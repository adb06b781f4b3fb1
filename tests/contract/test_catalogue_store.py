"""The catalogue of a namespace in a real Redis."""

from __future__ import annotations

from contextlib import closing

import pytest
import redis

from driftline.catalogue import FeatureSet
from driftline.catalogue_message import catalogue_of
from driftline.errors import ServiceUnavailable, SettingError
from sink_connectors.catalogue_store import CatalogueStore
from sink_connectors.namespaces import RedisNamespaces
from sink_connectors.score_store import Progress, RedisScoreStore, ShardReport
from sink_connectors.score_value import catalogue_key
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis
PLAN = {"name": "media", "hash": "d1", "features": [{"name": "plays", "vector": True}], "scores": []}


def test_what_is_put_is_there_until_the_namespace_is_dropped(own_redis: RedisServer) -> None:
    with (
        closing(CatalogueStore.connect(own_redis.url, namespace="media")) as catalogues,
        closing(RedisScoreStore.connect(own_redis.url, namespace="media")) as scores,
        closing(RedisNamespaces.connect(own_redis.url)) as namespaces,
        closing(redis.Redis.from_url(own_redis.url)) as client,
    ):
        assert catalogues.get().sets == ()
        scores.write([], (0, ShardReport(Progress(1))))
        catalogues.put(catalogue_of(PLAN, {}))
        assert [one.features for one in catalogues.get().sets] == [FeatureSet.of_plan(PLAN)]
        once = client.get(catalogue_key("media"))
        catalogues.put(catalogue_of(PLAN, {}))
        assert client.get(catalogue_key("media")) == once
        catalogues.put(catalogue_of({**PLAN, "hash": "d2"}, {}))
        assert [one.features.hash for one in catalogues.get().sets] == ["d2", "d1"]
        assert namespaces.survey(count=True, seen=lambda *_: None).names == ["media"]
        list(namespaces.drop("media", force=False, now_ms=7))
        assert client.keys() == []


def test_trouble_is_named() -> None:
    with pytest.raises(SettingError, match="a namespace must have"):
        CatalogueStore.connect("redis://127.0.0.1:1/0", namespace="a:b")
    with (
        closing(CatalogueStore.connect("redis://127.0.0.1:1/0", retry_s=0.0)) as nowhere,
        pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"),
    ):
        nowhere.get()
