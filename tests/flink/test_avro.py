"""Values of Avro in Flink's thread mode, where native libraries run on threads that the JVM has started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from sink_connectors.score_store import Progress, RedisScoreStore
from tests.builders import T0, message
from tests.redis_server import RedisServer
from tests.schema_registry import answer, running
from tests.topic_values import AVRO_EVENT, framed_avro
from udfs.shards import shard_keys

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 500


def test_the_registry_is_asked_and_its_schema_used_by_a_task(own_redis: RedisServer, tmp_path: Path) -> None:
    key = shard_keys(8)[0]
    with running() as registry:
        registry.answers["/schemas/ids/7"] = answer(AVRO_EVENT)
        settings = {
            "redis_url": own_redis.url,
            "models_dir": str(tmp_path),
            "namespace": "avro",
            "events_format": "avro",
            "events_framing": "confluent",
            "schema_registry_url": registry.url,
        }
        records = [record(framed_avro(message("u1", number))) for number in range(EVENTS)]
        run([[key, [*records, record(framed_avro(message("u1", EVENTS), 99))]]], settings)
        assert registry.asked == ["/schemas/ids/7", "/schemas/ids/99"]
    store = RedisScoreStore.connect(own_redis.url, namespace="avro", retry_s=5)
    totals = Progress.total(store.read_progress().values())
    store.close()
    assert (totals.accepted, totals.dead_letter) == (EVENTS, 1)


def record(value: bytes) -> dict[str, Any]:
    return {"key": b"u1".hex(), "value": value.hex(), "timestamp_ms": T0}


def run(blocks: list[Any], settings: dict[str, Any]) -> None:
    asked = {"settings": settings, "generation": 1, "savepoint": "", "parallelism": 1, "blocks": blocks}
    done = subprocess.run(
        [sys.executable, "-m", "tests.flink.score_blocks", json.dumps(asked)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib"), *sys.path])},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
