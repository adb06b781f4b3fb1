"""The operator between Flink's calls and the pure core, with Flink's side in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from driftline.errors import ServiceUnavailable
from driftline.event.v1.event_pb2 import UserEvent
from tests.builders import HOUR, MINUTE, SECOND, T0, block, message
from tests.fake_flink import Task
from udfs.operator import _score_store
from udfs.shards import shard_keys

NOW = T0 + 10 * HOUR
KEY = shard_keys(8)[3]


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    return Task(monkeypatch, NOW)


def columns(*messages: UserEvent) -> tuple[Sequence[object], ...]:
    """A block as it crosses from the JVM."""
    made = block(*messages)
    return made.keys, made.values, made.partitions, made.offsets, made.timestamps_ms


def test_a_block_is_scored_and_written_before_the_call_returns(task: Task) -> None:
    outputs = task.block(KEY, columns(message("u1"), message("u2"), message("u1", at_ms=5)))
    (row,) = outputs
    assert set(row[0]) == {"u1", "u2"}
    assert [stored.accepted_events for stored in task.store.read(["u1", "u2"]) if stored] == [2, 1]
    assert set(task.backend.maps["users"][KEY]) == {"u1", "u2"}
    assert task.counts["events_accepted"] == 3


def test_a_quiet_user_s_session_is_published_by_a_timer(task: Task) -> None:
    task.block(KEY, columns(message("u1")))
    assert task.advance(NOW + 30 * MINUTE - 1) == []
    (row,) = task.advance(NOW + 30 * MINUTE + 10 * SECOND)
    assert list(row[1]) == [f"u1:{T0}"]
    assert task.counts["sessions_closed"] == 1


def test_state_of_a_crashed_operator_is_read_by_the_next(task: Task) -> None:
    task.block(KEY, columns(message("u1")))
    task.open()
    task.block(KEY, columns(message("u1"), message("u1", at_ms=1)))
    assert (task.counts["events_duplicate"], task.counts["events_accepted"]) == (1, 1)
    (stored,) = task.store.read(["u1"])
    assert stored is not None and stored.accepted_events == 2


def test_a_store_that_failed_is_replaced() -> None:
    arguments = "redis://127.0.0.1:1/0", "main", 100.0, 0.0
    store = _score_store(*arguments)
    assert _score_store(*arguments) is store
    with pytest.raises(ServiceUnavailable):
        store.ping()
    assert _score_store(*arguments) is not store
