"""Reading by offsets, against a consumer that holds lists."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from kafka import TopicPartition

from console.dead_letters import topic as reading
from console.dead_letters.records import Place
from console.dead_letters.topic import LetterTopic, RecordLookup
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable

SETTINGS: StackSettings = StackSettings.load(kafka_bootstrap="127.0.0.1:1")


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes = b"k"
    value: bytes = b"v"
    headers: tuple[tuple[str, bytes], ...] = ()


class Consumer:
    """Partitions of one topic; an offset that is missing is no record. A poll returns a few records."""

    def __init__(self, **partitions: list[Record]) -> None:
        self.held = {TopicPartition("t", int(name[1:])): records for name, records in partitions.items()}
        self.ends = {one: records[-1].offset + 1 if records else 0 for one, records in self.held.items()}
        self.positions: dict[TopicPartition, int] = {}
        self.polls = 0
        self.silent = False
        self.closed = False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {one.partition for one in self.held} if topic == "t" else set()

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: self.held[one][0].offset if self.held[one] else 0 for one in partitions}

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: self.ends[one] for one in partitions}

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Record | None]:
        return {
            one: next((record for record in self.held[one] if record.timestamp >= time_ms), None)
            for one, time_ms in times.items()
        }

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions, 0)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        self.polls += 1
        found = {}
        for one, position in self.positions.items():
            records = [record for record in self.held[one] if record.offset >= position][:2]
            if not self.silent and position < self.ends[one]:
                if records:
                    found[one] = records
                self.positions[one] = records[-1].offset + 1 if records else self.ends[one]
        return found

    def close(self) -> None:
        self.closed = True


def records(partition: int, *stamped: tuple[int, int]) -> list[Record]:
    return [Record("t", partition, offset, time_ms) for offset, time_ms in stamped]


@pytest.fixture
def using(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(consumer: Consumer) -> Consumer:
        monkeypatch.setattr(reading, "connect_consumer", lambda *_, **__: consumer)
        return consumer

    return use


def test_partitions_are_read_as_one_in_the_order_of_time(using: Any) -> None:
    using(
        Consumer(
            p0=records(0, (0, 10), (1, 30), (2, 50), (3, 70)),
            p1=records(1, (5, 20), (6, 21), (7, 22), (9, 60)),
            p2=[],
        )
    )
    topic = LetterTopic(SETTINGS, "t")
    assert topic.total == 9  # one offset is no record
    assert [letter.written_ms for letter in topic] == [10, 20, 21, 22, 30, 50, 60, 70]
    assert topic.read == 8


def test_what_comes_while_it_reads_is_not_read(using: Any) -> None:
    consumer = using(Consumer(p0=records(0, (0, 10), (1, 20))))
    topic = LetterTopic(SETTINGS, "t")
    consumer.held[TopicPartition("t", 0)] += records(0, (2, 30), (3, 40))
    assert [letter.place.offset for letter in topic] == [0, 1]


def test_what_cannot_be_in_a_span_of_time_is_left_out(using: Any) -> None:
    hour = 3_600_000
    using(Consumer(p0=records(0, *((number, number * hour) for number in range(20)))))
    topic = LetterTopic(SETTINGS, "t", since_ms=5 * hour, until_ms=10 * hour)
    assert [letter.place.offset for letter in topic] == list(range(4, 11))
    assert list(LetterTopic(SETTINGS, "t", since_ms=50 * hour)) == []


def test_a_topic_that_is_not_there_is_named_and_the_consumer_closed(using: Any) -> None:
    consumer = using(Consumer(p0=[]))
    with pytest.raises(InputError, match="topic other does not exist"):
        LetterTopic(SETTINGS, "other")
    assert consumer.closed


def test_silence_has_an_end(using: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SILENCE_S_MAX", 0.01)
    using(Consumer(p0=records(0, (0, 10)))).silent = True
    with pytest.raises(ServiceUnavailable, match="has sent nothing of topic t"):
        list(LetterTopic(SETTINGS, "t"))
    with pytest.raises(ServiceUnavailable, match="has sent nothing of topic t"):
        RecordLookup(SETTINGS).at(Place("t", 0, 0))


def test_records_are_found_by_their_place(using: Any) -> None:
    consumer = using(Consumer(p0=records(0, (3, 10), (4, 20), (6, 30)), p1=records(1, (0, 5))))
    lookup = RecordLookup(SETTINGS)
    found = [lookup.at(Place("t", 0, offset)) for offset in (3, 4)]
    assert [record.timestamp for record in found if record] == [10, 20]
    assert consumer.polls == 1  # both came together
    gone = [Place("t", 0, 2), Place("t", 0, 5), Place("t", 0, 7), Place("t", 9, 0), Place("other", 0, 0)]
    assert [lookup.at(place) for place in gone] == [None] * 5
    other = lookup.at(Place("t", 1, 0))
    assert other is not None
    assert other.timestamp == 5
