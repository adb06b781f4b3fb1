"""The records of a topic from where they are: its lake, and from the topic itself what the lake does not have (yet)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pyarrow as pa
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from console.accounting import Extent
from console.auditing.positions import Range
from console.extents import connect_consumer, extents_of, partitions_of
from console.replaying.worker import tables_ahead
from console.settings import StackSettings
from driftline.errors import ServiceUnavailable
from history.lake.layout import RAW
from history.lake.reading import Lake, Stretch
from history.lake.sequence import in_sequence
from history.lake.shards import COLUMNS

CHUNK_ROWS: Final = 20_000  # records of the topic in memory
_POLL_MS: Final = 500
_SILENCE_S_MAX: Final = 30.0
_OPTIONS: Final = {"max_poll_records": CHUNK_ROWS, "fetch_max_wait_ms": 20}
_SCHEMA: Final = pa.schema([RAW.field(name) for name in COLUMNS])


class Chunk(NamedTuple):
    """Records of a partition, by offset.

    Attributes:
        partition: of the records.
        table: the columns of history.lake.shards.COLUMNS.
        watermark_ms: no record of it or of a later chunk is older, as far as is known.
    """

    partition: int
    table: pa.Table
    watermark_ms: int


class Topic:
    """Reads parts of a topic.

    Raises:
        ServiceUnavailable: Kafka does not answer.
        InputError: there is no such topic.
    """

    def __init__(self, stack: StackSettings, name: str) -> None:
        self._name = name
        self._consumer: KafkaConsumer = connect_consumer(stack, **_OPTIONS)
        try:
            self._partitions = partitions_of(self._consumer, name)
        except BaseException:
            self._consumer.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def extents(self) -> dict[int, Extent]:
        """The offsets that each partition holds now."""
        return extents_of(self._consumer, self._partitions)

    def read(self, wanted: Range) -> tuple[pa.Table, int]:
        """Return the first records of a range, and the offset that follows them."""
        partition = TopicPartition(self._name, wanted.partition)
        rows: list[Any] = []
        silent_until_s = time.monotonic() + _SILENCE_S_MAX
        try:
            self._consumer.assign([partition])
            self._consumer.seek(partition, wanted.begin)
            at = wanted.begin
            while at < wanted.end and len(rows) < CHUNK_ROWS:
                rows += self._consumer.poll(timeout_ms=_POLL_MS).get(partition, [])
                before, at = at, self._consumer.position(partition)
                if at > before:
                    silent_until_s = time.monotonic() + _SILENCE_S_MAX
                elif time.monotonic() > silent_until_s:
                    message = f"Kafka has sent nothing of topic {self._name} for {_SILENCE_S_MAX:g} s"
                    raise ServiceUnavailable(message)
        except KafkaError as error:
            message = f"Kafka: {error}"
            raise ServiceUnavailable(message) from None
        return _table([row for row in rows if row.offset < wanted.end]), min(at, wanted.end)


@dataclass
class RecordLog:
    """A lake, and the topic behind and before it; either may be missing.

    Args:
        lake: of the topic; None: there is none.
        topic: opens the topic; None: it is not asked.
    """

    lake: Lake | None
    topic: Callable[[], Topic] | None
    stretches: Sequence[Stretch] = ()
    problem: str = ""  # why the topic was not read
    missing: list[Range] = field(default_factory=list)  # offsets that neither of them has
    _reached_ms: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.lake is not None:
            self.stretches = self.lake.stretches()

    def offsets(self, ranges: Sequence[Range]) -> int:
        """How many offsets there are in ranges."""
        return sum(one.end - one.begin for one in ranges)

    def read(self, ranges: Sequence[Range]) -> Iterator[Chunk]:
        """Yield the records of ranges: what comes before the lake, the lake, and what comes behind it.

        Offsets that neither the lake nor the topic has are added to `missing`.
        """
        held = lake_extents(self.stretches)
        before, within, behind = split(ranges, held)
        yield from self._of_topic(before)
        yield from self._of_lake(within)
        yield from self._of_topic(behind)

    def _of_lake(self, within: Mapping[int, Range]) -> Iterator[Chunk]:
        if self.lake is None:
            return
        wanted = [clipped for one in self.stretches if (clipped := _clipped(one, within.get(one.partition)))]
        for turn, table in tables_ahead(self.lake, list(in_sequence(wanted))):
            yield Chunk(turn.stretch.partition, table, turn.watermark_ms)
            self._note(turn.stretch.partition, turn.stretch.newest_ms)

    def _of_topic(self, ranges: Sequence[Range]) -> Iterator[Chunk]:
        if not ranges:
            return
        topic = self._opened()
        if topic is None:
            self.missing += ranges
            return
        try:
            extents = topic.extents()
            waiting = {}
            for one in ranges:
                held = extents.get(one.partition, Extent(0, 0))
                if one.begin < held.begin:
                    self.missing.append(one._replace(end=min(one.end, held.begin)))
                if one.end > held.end:
                    self.missing.append(one._replace(begin=max(one.begin, held.end)))
                if max(one.begin, held.begin) < min(one.end, held.end):
                    waiting[one.partition] = Range(one.partition, max(one.begin, held.begin), min(one.end, held.end))
            yield from self._in_turns(topic, waiting)
        finally:
            topic.close()

    def _in_turns(self, topic: Topic, waiting: dict[int, Range]) -> Iterator[Chunk]:
        """Read partitions side by side: the one that is the furthest behind in time comes next."""
        while waiting:
            partition = min(waiting, key=lambda one: (self._reached_ms.get(one, 0), one))
            watermark_ms = min(self._reached_ms.get(one, 0) for one in waiting)
            table, following = topic.read(waiting[partition])
            yield Chunk(partition, table, watermark_ms)
            if table.num_rows:
                self._note(partition, int(table.column("record_time_ms").to_numpy().max()))
            waiting[partition] = waiting[partition]._replace(begin=following)
            if following >= waiting[partition].end:
                del waiting[partition]

    def _opened(self) -> Topic | None:
        if self.topic is None:
            return None
        try:
            return self.topic()
        except ServiceUnavailable as error:
            self.problem = str(error)
            return None

    def _note(self, partition: int, newest_ms: int) -> None:
        self._reached_ms[partition] = max(self._reached_ms.get(partition, 0), newest_ms)


def lake_extents(stretches: Sequence[Stretch]) -> dict[int, Extent]:
    """Return the first offset that a lake has of each partition, and the one behind the last."""
    found: dict[int, Extent] = {}
    for one in stretches:
        known = found.get(one.partition, Extent(one.begin, one.end))
        found[one.partition] = Extent(min(known.begin, one.begin), max(known.end, one.end))
    return found


def split(ranges: Sequence[Range], held: Mapping[int, Extent]) -> tuple[list[Range], dict[int, Range], list[Range]]:
    """Split ranges into what is before a lake, within it, and behind it; without a lake all is behind."""
    before: list[Range] = []
    within: dict[int, Range] = {}
    behind: list[Range] = []
    for one in ranges:
        extent = held.get(one.partition)
        if extent is None:
            behind.append(one)
            continue
        begin, end = max(one.begin, extent.begin), min(one.end, extent.end)
        if one.begin < extent.begin:
            before.append(one._replace(end=min(one.end, extent.begin)))
        if begin < end:
            within[one.partition] = one._replace(begin=begin, end=end)
        if one.end > extent.end:
            behind.append(one._replace(begin=max(one.begin, extent.end)))
    return before, within, behind


def _clipped(stretch: Stretch, wanted: Range | None) -> Stretch | None:
    if wanted is None or stretch.end <= wanted.begin or stretch.begin >= wanted.end:
        return None
    return stretch._replace(begin=max(stretch.begin, wanted.begin), end=min(stretch.end, wanted.end))


def _table(records: Sequence[Any]) -> pa.Table:
    columns = (
        [record.key for record in records],
        [record.value for record in records],
        [record.offset for record in records],
        [record.timestamp for record in records],
    )
    return pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=_SCHEMA)
