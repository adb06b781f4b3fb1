"""What INFO says of Redis's memory, and what of it is worth a warning."""

from __future__ import annotations

from typing import Any

import pytest

from driftline.metrics import JobGauge
from sink_connectors.redis_memory import LOOK_S, MemoryWatch, RedisMemory, parse_info


def memory(used: int = 10, limit: int = 100, policy: str = "noeviction", evicted: int = 0) -> RedisMemory:
    return RedisMemory(used, limit, policy, evicted)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (memory(), ""),
        (memory(policy="volatile-ttl"), ""),
        (memory(limit=0, policy="allkeys-lru"), ""),  # it never evicts
        (memory(policy=""), ""),
        (
            memory(policy="allkeys-lru"),
            "maxmemory-policy is allkeys-lru, which drops scores, and which namespace is live,",
        ),
        (memory(policy="volatile-lru"), "maxmemory-policy is volatile-lru, which drops scores of any user"),
        (memory(84), ""),
        (memory(85), "85 % of maxmemory are used, and at 100 % writes are refused"),
        (memory(99, policy="volatile-ttl"), "at 100 % keys are evicted"),
        (memory(policy="volatile-ttl", evicted=1_234), "it has evicted 1,234 keys"),
    ],
)
def test_what_is_warned_of(seen: RedisMemory, said: str) -> None:
    assert said in seen.warning
    assert bool(seen.warning) == bool(said) == bool(seen.dangers)
    assert "\n" not in seen.warning


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({}, memory(0, 0, "")),
        (
            {"used_memory": 5, "maxmemory": 10, "maxmemory_policy": "noeviction", "evicted_keys": 3},
            memory(5, 10, evicted=3),
        ),
        ({"used_memory": "much", "maxmemory": None}, memory(0, 0, "")),
    ],
)
def test_what_a_managed_redis_leaves_out_counts_as_nothing(info: dict[str, Any], expected: RedisMemory) -> None:
    assert RedisMemory.of(info) == expected


def test_the_reply_of_info() -> None:
    text = (
        b"# Memory\r\nused_memory:5\r\nmaxmemory:10\r\nmaxmemory_policy:volatile-lru\r\n\n# Stats\r\nevicted_keys:7\r\n"
    )
    assert parse_info(text) == memory(5, 10, "volatile-lru", 7)
    assert parse_info(b"\xff") == memory(0, 0, "")


class TestWatch:
    def test_looks_now_and_then_and_shows_the_last_it_saw(self) -> None:
        seen: list[RedisMemory | None] = [memory(20), None, memory(40, evicted=2)]
        watch = MemoryWatch(lambda: seen.pop(0))
        percent, evicted = JobGauge.REDIS_MEMORY_PERCENT, JobGauge.REDIS_EVICTED_KEYS
        assert watch.gauges(0) == {percent: 20, evicted: 0}
        assert watch.gauges(LOOK_S - 1) == {percent: 20, evicted: 0}
        assert watch.gauges(LOOK_S) == {percent: 20, evicted: 0}  # it did not say
        assert watch.gauges(2 * LOOK_S) == {percent: 40, evicted: 2}
        assert seen == []

    def test_logs_what_changes_and_not_every_look(self, caplog: pytest.LogCaptureFixture) -> None:
        seen = [memory(), memory(90), memory(91), memory(92, evicted=1), memory(10)]
        watch = MemoryWatch(lambda: seen.pop(0))
        lines = []
        for number in range(5):
            watch.gauges(number * LOOK_S)
            lines.append([record.getMessage() for record in caplog.records])
            caplog.clear()
        assert [len(said) for said in lines] == [0, 1, 0, 1, 1]
        assert "90 %" in lines[1][0] and "evicted 1 keys" in lines[3][0] and "over" in lines[4][0]
