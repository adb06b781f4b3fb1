"""Which of the offsets that a lake lacks are records: a consumer that hands out some offsets tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError

from console.accounting import Extent
from console.lake import topic_gaps
from console.lake.topic_gaps import held_by
from driftline.errors import ServiceUnavailable
from history.lake.coverage import Coverage

WHERE = TopicPartition("events", 0)


class Consumer:
    """A partition with records at some offsets, which are handed out three at a time; markers are passed over."""

    def __init__(self, records: set[int], end: int) -> None:
        self.records = sorted(records)
        self.end = end
        self.seeks: list[int] = []
        self.silent = False
        self.error: Exception | None = None
        self._position = 0

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == [WHERE]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.seeks.append(offset)
        self._position = offset

    def position(self, _: TopicPartition) -> int:
        return self._position

    def poll(self, **_: Any) -> dict[TopicPartition, list[SimpleNamespace]]:
        if self.error:
            raise self.error
        if self.silent:
            return {}
        found = [offset for offset in self.records if offset >= self._position][:3]
        self._position = found[-1] + 1 if found else self.end
        return {WHERE: [SimpleNamespace(offset=offset) for offset in found]}


def seen(*offsets: int) -> dict[int, Coverage]:
    coverage = Coverage()
    coverage.add(np.array(offsets, np.int64))
    return {0: coverage}


def test_what_is_missing_is_read_and_records_are_found() -> None:
    consumer = Consumer({0, 1, 2, 3, 4, 6, 8, 9}, end=12)
    (held,) = held_by(consumer, "events", {0: Extent(0, 12)}, seen(0, 1, 4, 8)).values()
    assert list(held.found.spans()) == [(2, 4), (6, 7)]  # 5 and 7 are markers; 9 is behind the lake's end
    assert consumer.seeks == [2]  # gaps that are near each other are read in one go


def test_gaps_that_are_far_apart_are_read_each_on_its_own() -> None:
    consumer = Consumer({1, 50_000}, end=60_000)
    offsets = [0, *range(2, 50_000), 50_001]
    (held,) = held_by(consumer, "events", {0: Extent(0, 60_000)}, seen(*offsets)).values()
    assert list(held.found.spans()) == [(1, 2), (50_000, 50_001)]
    assert consumer.seeks == [1, 50_000]


def test_nothing_is_read_where_nothing_is_missing() -> None:
    consumer = Consumer({5, 6, 7}, end=8)
    (held,) = held_by(consumer, "events", {0: Extent(5, 8)}, seen(5, 6)).values()
    assert (held.begin, held.end, held.found.count, consumer.seeks) == (5, 8, 0, [])


def test_a_silent_broker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer({0, 1, 2}, end=3)
    consumer.silent = True
    monkeypatch.setattr(topic_gaps, "_SILENT_S_MAX", 0.0)
    with pytest.raises(ServiceUnavailable, match="hands out nothing"):
        held_by(consumer, "events", {0: Extent(0, 3)}, seen(0, 2))


def test_an_unreachable_broker_is_an_error() -> None:
    consumer = Consumer(set(), end=3)
    consumer.error = KafkaConnectionError("gone")
    with pytest.raises(ServiceUnavailable, match="gone"):
        held_by(consumer, "events", {0: Extent(0, 3)}, seen(0, 2))
