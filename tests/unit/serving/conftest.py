from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from serving.metrics_server import metrics_endpoint
from serving.telemetry import Telemetry
from sink_connectors.score_store import RedisScoreStore
from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis for tests that leave it running."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_store(own_redis: RedisServer) -> Iterator[RedisScoreStore]:
    """A store in the test's own Redis, namespace main."""
    store = RedisScoreStore.connect(own_redis.url)
    yield store
    store.close()


@pytest.fixture
def telemetry_samples() -> Iterator[tuple[Any, Callable[[str], float]]]:
    """The metrics of a worker, and how many calls it has rejected for a reason, as Prometheus sees it."""
    before = values.ValueClass
    try:
        with metrics_endpoint("127.0.0.1", 0) as address:

            def rejected(reason: str) -> float:
                with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                    families = list(text_string_to_metric_families(answer.read().decode()))
                name, labels = "driftline_serving_rejected_calls_total", {"reason": reason}
                samples = [sample for family in families for sample in family.samples]
                return sum(sample.value for sample in samples if sample.name == name and sample.labels == labels)

            yield Telemetry(0), rejected
    finally:
        values.ValueClass = before
