"""The operator over the savepoint of the first release that anybody has, on Flink itself.

tests/golden/savepoint_v1 was taken with parallelism 1 and eight shards, before states kept what they were made with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from driftline.jsonlines import parse_event
from sink_connectors.score_store import RedisScoreStore
from tests.redis_server import RedisServer
from udfs.shards import shard_keys

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "savepoint_v1"
MADE_WITH: dict[str, Any] = {"disorder_ms": 60_000}  # the default of the release that made it
MADE_MS = 1_795_600_000_000  # about when; a submission is later


def run(server: RedisServer, generation: int, blocks: list[Any], parallelism: int = 2, **settings: Any) -> str:
    """Restore the savepoint, process the blocks, and return what went wrong."""
    asked = {
        "settings": {"redis_url": server.url, "models_dir": str(GOLDEN), "namespace": "golden"} | MADE_WITH | settings,
        "generation": generation,
        "savepoint": (GOLDEN / "savepoint").as_uri(),
        "parallelism": parallelism,
        "blocks": blocks,
    }
    paths = [str(ROOT), sysconfig.get_path("purelib")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.flink.score_blocks", json.dumps(asked)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture
def store(own_redis: RedisServer) -> RedisScoreStore:
    return RedisScoreStore.connect(own_redis.url, namespace="golden", retry_s=5)


def test_every_shard_is_found_wherever_it_runs_and_goes_on(own_redis: RedisServer, store: RedisScoreStore) -> None:
    counters = json.loads((GOLDEN / "counters.json").read_text())["before"]
    expected = {
        line["userId"]: line for line in map(json.loads, (GOLDEN / "before.scores.jsonl").read_text().splitlines())
    }
    (user_id, key) = "golden-0", shard_of("golden-0")
    repeat = next(line for line in (GOLDEN / "before.jsonl").read_bytes().splitlines() if b'"golden-0-tail"' in line)
    event, fresh = parse_event(repeat), parse_event(repeat)
    fresh.event_id = "not seen before"
    assert run(own_redis, MADE_MS, [[key, [event.SerializeToString().hex(), fresh.SerializeToString().hex()]]]) == ""
    recorded = store.recorded()
    assert recorded.shards == 8
    assert recorded.generation < MADE_MS  # that of the savepoint
    totals = store.read_progress()
    assert set(totals) == set(shard_keys(8))
    assert sum(total.accepted for total in totals.values()) == counters["accepted"] + 1
    assert sum(total.duplicate for total in totals.values()) == counters["duplicate"] + 1
    (stored,) = store.read([user_id])
    assert stored is not None
    assert (stored.generation, stored.accepted_events) == (
        recorded.generation,
        int(expected[user_id]["acceptedEvents"]) + 1,
    )


def test_other_number_of_shards_is_refused_by_every_subtask_before_it_writes(
    own_redis: RedisServer, store: RedisScoreStore
) -> None:
    event = parse_event((GOLDEN / "before.jsonl").read_bytes().splitlines()[0])
    new_keys = [key for key in shard_keys(16) if key not in shard_keys(8)]
    blocks = [[key, [event.SerializeToString().hex()]] for key in new_keys]
    failure = run(own_redis, MADE_MS, blocks, shards=16)
    assert "the restored state was made with shards=8; submit with --set shards=8" in failure
    assert list(store.user_ids()) == []
    assert store.recorded().shards == 0


def shard_of(user_id: str) -> int:
    """The shard that Flink's HASH_CODE puts a user into: that of Java's String.hashCode."""
    code = 0
    for unit in user_id.encode("utf-16-be")[1::2]:  # ASCII
        code = (31 * code + unit) & 0xFFFFFFFF
    signed = code - 2**32 if code >= 2**31 else code
    return shard_keys(8)[abs(signed) % 8]
