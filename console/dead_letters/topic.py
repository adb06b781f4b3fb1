"""Reads dead letters from Kafka, to where their topic ends now, and single records by their place."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from console.accounting import Extent
from console.dead_letters.records import DeadLetter, Original, Place
from console.extents import connect_consumer, extents_of, partitions_of
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable
from driftline.units import HOUR_MS, MIB

_POLL_MS = 500
_SILENCE_S_MAX = 30.0
# What a fetch brings is taken at once, and the client never waits for more to come: another partition is next.
_OPTIONS = {"max_poll_records": 100_000, "fetch_max_wait_ms": 20}
_FETCH_BYTES = 256 * 1024  # memory holds so much of each partition, or one larger record
_SLACK_MS = HOUR_MS  # how much later than its failure a dead letter may be stamped, and how far clocks may differ
_LOOK_BYTES = 64 * 1024  # for a look at one record; a larger one still comes
_KEPT_BYTES_MAX = MIB  # a record is kept for the next look up to this size


class LetterTopic:
    """A topic of dead letters. Iterate over it: all that it holds now, in the order in which they were written.

    Args:
        settings: where Kafka is.
        name: the topic.
        since_ms, until_ms: what was rejected before, or from then on, may be left out; not all of it is.

    Attributes:
        total: how many offsets there are to read.
        read: how many records have been read.
        deleted: how many offsets are before the oldest records: what they held is gone.

    Raises:
        ServiceUnavailable: Kafka does not answer.
        InputError: there is no such topic.
    """

    def __init__(
        self, settings: StackSettings, name: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> None:
        self.read = 0
        self._reading: TopicPartition | None = None
        self._consumer = connect_consumer(settings, **_OPTIONS, max_partition_fetch_bytes=_FETCH_BYTES)
        try:
            partitions = partitions_of(self._consumer, name)
            extents = extents_of(self._consumer, partitions)
            self.deleted = sum(extent.begin for extent in extents.values())
            self._extents = {one: self._narrowed(one, extents[one.partition], since_ms, until_ms) for one in partitions}
        except BaseException:
            self._consumer.close()
            raise
        self._next = {partition: extent.begin for partition, extent in self._extents.items()}
        self.total = sum(extent.end - extent.begin for extent in self._extents.values())

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def __iter__(self) -> Iterator[DeadLetter]:
        waiting: dict[TopicPartition, deque[Any]] = {partition: deque() for partition in self._extents}
        while self._fill(waiting):
            oldest = min(waiting, key=lambda one: (waiting[one][0].timestamp, one.partition))
            self.read += 1
            yield letter_of(waiting[oldest].popleft())

    def _fill(self, waiting: dict[TopicPartition, deque[Any]]) -> bool:
        """Read until each partition has a record; those that are at their end are taken out. False if none is left."""
        for partition in [one for one, records in waiting.items() if not records]:
            if records := self._more(partition):
                waiting[partition].extend(records)
            else:
                del waiting[partition]
        return bool(waiting)

    def _more(self, partition: TopicPartition) -> list[Any]:
        """The next records of a partition; none at its end.

        One partition is assigned at a time: the client can lose sight of what it has fetched of paused ones.
        """
        end = self._extents[partition].end
        try:
            if self._reading != partition:
                self._consumer.assign([partition])
                self._consumer.seek(partition, self._next[partition])
                self._reading = partition
            silence = _Silence(partition.topic)
            while self._consumer.position(partition) < end:
                found = self._consumer.poll(timeout_ms=_POLL_MS).get(partition, [])
                self._next[partition] = self._consumer.position(partition)
                if records := [record for record in found if record.offset < end]:
                    return records
                silence.check(self._next[partition])
        except KafkaError as error:
            message = f"Kafka: {error}"
            raise ServiceUnavailable(message) from None
        return []

    def _narrowed(
        self, partition: TopicPartition, extent: Extent, since_ms: int | None, until_ms: int | None
    ) -> Extent:
        """The part of a partition that may hold what failed in a span of time: a letter is stamped after it failed."""
        begin = extent.begin if since_ms is None else self._first_at(partition, since_ms - _SLACK_MS, extent.end)
        end = extent.end if until_ms is None else self._first_at(partition, until_ms + _SLACK_MS, extent.end)
        begin = min(max(begin, extent.begin), extent.end)
        return Extent(begin, min(max(end, begin), extent.end))

    def _first_at(self, partition: TopicPartition, time_ms: int, otherwise: int) -> int:
        try:
            found = self._consumer.offsets_for_times({partition: max(0, time_ms)})[partition]
        except KafkaError as error:
            message = f"Kafka: {error}"
            raise ServiceUnavailable(message) from None
        return otherwise if found is None else int(found.offset)


class RecordLookup:
    """Finds records by their place; quick where the places are close together.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """

    def __init__(self, settings: StackSettings) -> None:
        self._consumer: KafkaConsumer = connect_consumer(settings, **_OPTIONS, max_partition_fetch_bytes=_LOOK_BYTES)
        self._extents: dict[str, dict[int, Extent]] = {}  # by topic
        self._kept: dict[int, Any] = {}  # by offset, of one partition
        self._kept_of: TopicPartition | None = None

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def complete(self, letter: DeadLetter) -> DeadLetter:
        """Return a dead letter with what its record tells, if it is still there."""
        if letter.source is None or (record := self.at(letter.source)) is None:
            return letter
        return letter.with_original(Original(record.key, record.value, record.timestamp, record.headers))

    def at(self, place: Place) -> Any | None:
        """The record at a place; None if there is none, or no more."""
        extent = self._extents_of(place.topic).get(place.partition)
        if extent is None or not extent.begin <= place.offset < extent.end:
            return None
        partition = TopicPartition(place.topic, place.partition)
        if partition != self._kept_of:
            self._consumer.assign([partition])
            self._kept_of, self._kept = partition, {}
        if place.offset in self._kept:
            return self._kept[place.offset]
        try:
            return self._read(partition, place.offset, extent.end)
        except KafkaError as error:
            message = f"Kafka: {error}"
            raise ServiceUnavailable(message) from None

    def _read(self, partition: TopicPartition, offset: int, end: int) -> Any | None:
        self._consumer.seek(partition, offset)
        self._kept = {}
        silence = _Silence(partition.topic)
        while self._consumer.position(partition) < end:
            found = self._consumer.poll(timeout_ms=_POLL_MS).get(partition, [])
            if found:
                small = (record for record in found if len(record.value or b"") <= _KEPT_BYTES_MAX)
                self._kept = {record.offset: record for record in small}
                return next((record for record in found if record.offset == offset), None)
            silence.check(self._consumer.position(partition))
        return None

    def _extents_of(self, topic: str) -> dict[int, Extent]:
        if topic not in self._extents:
            try:
                self._extents[topic] = extents_of(self._consumer, partitions_of(self._consumer, topic))
            except InputError:  # there is no such topic any more
                self._extents[topic] = {}
        return self._extents[topic]


class _Silence:
    """How long a partition has not moved."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._position = -1
        self._until_s = 0.0

    def check(self, position: int) -> None:
        """Raise ServiceUnavailable if the position has been the same for too long."""
        now_s = time.monotonic()
        if position != self._position:
            self._position, self._until_s = position, now_s + _SILENCE_S_MAX
        elif now_s > self._until_s:
            message = f"Kafka has sent nothing of topic {self._topic} for {_SILENCE_S_MAX:g} s"
            raise ServiceUnavailable(message)


def letter_of(record: Any) -> DeadLetter:
    """Return a record of Kafka's client as a dead letter."""
    place = Place(record.topic, record.partition, record.offset)
    return DeadLetter(
        place=place, key=record.key, value=record.value, headers=tuple(record.headers), written_ms=record.timestamp
    )
