"""How much of the events topic a job has processed: offsets in Kafka against those that the job writes to Redis."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kafka import TopicPartition
from kafka.errors import KafkaError

from console.accounting import Account, Extent, PartitionAccount
from console.extents import connect_consumer, extents_of, partitions_of
from console.replaying.note import Replay
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable
from sink_connectors.replay_notes import ReplayNotes
from sink_connectors.score_store import Progress, RedisScoreStore, ShardReport, read_live_namespace

if TYPE_CHECKING:
    from console.replaying.lake_records import LakeRecords

_READ_EVERY_S = 1.0  # how often offsets that may be no records are read at most
_READ_S_MAX = 2.0  # and for how long at a time: a look must stay a look
_POLL_MS = 500
_RETRY_S = 5.0


@dataclass(frozen=True)
class Drained:
    """A look at a topic and the job that reads it."""

    published: int  # records that are the job's to process, as far as is known: offsets may turn out to be none
    totals: Progress
    lost: Mapping[int, tuple[int, int]] = field(default_factory=dict)  # by partition: deleted before they were read
    no_events: int = 0  # offsets that are no records: markers of transactions, aborted or compacted away
    skipped: int = 0  # offsets that a submission was told to do without
    reading: str = ""  # what is being looked at more closely
    unknown_types: Mapping[str, int] = field(default_factory=dict)  # events by the word of a type that is not known
    records: int = 0  # of the topic that were read: events, and those of users whom a replay leaves out

    @property
    def done(self) -> bool:
        """Whether every published event is accounted for."""
        return not self.lost and self.totals.events >= self.published

    @property
    def lost_offsets(self) -> int:
        """How many offsets were deleted before they were read."""
        return sum(end - begin for begin, end in self.lost.values())


class _Settled(NamedTuple):
    """What the records of a partition themselves have shown."""

    below: int  # every record below this offset is processed
    no_events: int  # so many offsets, of those that nothing accounted for, were no events


class TopicProgress:
    """Compares a topic with the progress of a namespace; `look` as often as needed, then `close`.

    Where the namespace is that of a replay, what counts is what the replay is to read, in the lake and in the topic.

    Args:
        settings: where the services are.
        namespace: empty: that of the settings, else the live one.
        replay: what to compare with in place of what is known of the namespace.

    Raises:
        ServiceUnavailable: Kafka or Redis cannot be reached.
        InputError: the topic does not exist, or is not the one that the job has read.
    """

    def __init__(self, settings: StackSettings, namespace: str = "", replay: Replay | None = None) -> None:
        redis = settings.redis_address
        self.namespace = namespace or settings.namespace or read_live_namespace(redis, retry_s=_RETRY_S)
        with ExitStack() as opened:
            store = RedisScoreStore.connect(redis, namespace=self.namespace, retry_s=_RETRY_S)
            self._store = opened.enter_context(closing(store))
            notes = ReplayNotes.connect(redis, namespace=self.namespace, retry_s=_RETRY_S)
            self._notes = opened.enter_context(closing(notes))
            self._given = replay
            self._replay = replay or Replay.decode(self._notes.get())
            self.topic = self._replay.topic if self._replay else settings.events_topic
            self._consumer = opened.enter_context(closing(connect_consumer(settings)))
            # What is in the lake alone may have been imported: there need not be a topic.
            in_topic = self._replay is None or self._replay.needs_topic
            self._partitions = partitions_of(self._consumer, self.topic) if in_topic else []
            self._close = opened.pop_all().close
        self._lake: LakeRecords | None = None
        self._settled: dict[int, _Settled] = {}  # by partition
        self._read_at_s = 0.0

    def look(self) -> Drained:
        """Compare now. Where offsets and counts do not meet, the records themselves are read, a few at a time."""
        # Kafka last: what is published or deleted meanwhile is seen too early by nobody.
        reports, skipped = self._store.read_reports(), self._store.read_skipped()
        replay = self._replay = self._given or Replay.decode(self._notes.get())
        extents = extents_of(self._consumer, self._partitions) if self._partitions else {}
        if replay is not None:
            extents = replay_extents(replay, extents)
        account = Account.of(extents, reports, skipped, {} if replay is None else replay.parts)
        if account is None:  # older code wrote some of it: the count of offsets has to do
            held = sum(extent.end - extent.begin for extent in extents.values())
            totals = Progress.total(report.totals for report in reports.values())
            return Drained(held, totals, unknown_types=_unknown_types(reports))
        self._check(account)
        reading = self._read(account)
        no_events = {
            partition: min(part.unaccounted, self._settled_of(partition).no_events)
            for partition, part in account.partitions.items()
        }
        open_offsets = sum(part.unaccounted - no_events[partition] for partition, part in account.partitions.items())
        return Drained(
            published=account.totals.events + open_offsets,
            totals=account.totals,
            lost={partition: part.lost for partition, part in account.partitions.items() if part.lost},
            no_events=sum(no_events.values()),
            skipped=sum(part.skipped for part in account.partitions.values()),
            reading=reading,
            unknown_types=_unknown_types(reports),
            records=sum(part.records for part in account.partitions.values()),
        )

    def skip(self, lost: Mapping[int, tuple[int, int]]) -> None:
        """Remember that the job is to do without these offsets, so that they are an error no longer."""
        self._store.note_skipped(lost)

    def close(self) -> None:
        """Close the connections."""
        self._close()

    def _check(self, account: Account) -> None:
        for partition, part in account.partitions.items():
            if part.end < part.furthest:
                message = (
                    f"partition {partition} of {self.topic} ends at offset {part.end:,}, and the job in namespace "
                    f"{self.namespace} has processed it up to {part.furthest:,}: another topic, one that was made "
                    "anew, or another isolation_level than the job's"
                )
                raise InputError(message)

    def _read(self, account: Account) -> str:
        """Look for unprocessed records where numbers do not meet; returns what is still unknown, empty if nothing."""
        doubtful = [partition for partition, part in account.partitions.items() if self._is_doubtful(partition, part)]
        if not doubtful or time.monotonic() < self._read_at_s + _READ_EVERY_S:
            return ""
        deadline_s = time.monotonic() + _READ_S_MAX
        try:
            for partition in doubtful:
                part = account.partitions[partition]
                begin = max(part.open_from, self._settled_of(partition).below)
                reached, is_open = self._first_open(account, partition, begin, deadline_s)
                self._settled[partition] = _Settled(reached, self._settled_of(partition).no_events)
                if is_open:
                    continue
                if reached < part.end:
                    return f"offsets {reached:,} to {part.end:,} of partition {partition}"
                self._settled[partition] = _Settled(reached, part.unaccounted)
        except KafkaError as error:
            message = f"Kafka: {error}"
            raise ServiceUnavailable(message) from None
        finally:
            self._read_at_s = time.monotonic()
        return ""

    def _settled_of(self, partition: int) -> _Settled:
        return self._settled.get(partition, _Settled(0, 0))

    def _is_doubtful(self, partition: int, part: PartitionAccount) -> bool:
        return part.unaccounted > self._settled_of(partition).no_events

    def _first_open(self, account: Account, partition: int, begin: int, deadline_s: float) -> tuple[int, bool]:
        """The first offset whose record is not processed, and True; else how far was read, and False."""
        part = account.partitions[partition]
        reached = begin
        if self._replay is not None and (lake_until := self._lake_until(partition, part)) > begin:
            reached, is_open = self._records_of(self._replay).first_open(
                account, partition, begin, lake_until, deadline_s
            )
            if is_open or reached < lake_until or reached == part.end:
                return reached, is_open
        where = TopicPartition(self.topic, partition)
        self._consumer.assign([where])
        self._consumer.seek(where, reached)
        while reached < part.end and time.monotonic() < deadline_s:
            for record in self._consumer.poll(timeout_ms=_POLL_MS).get(where, ()):
                if record.offset >= part.end:
                    break
                if not account.is_processed(partition, record.offset, record.key):
                    return record.offset, True
            reached = self._consumer.position(where)
        return min(reached, part.end), False

    def _lake_until(self, partition: int, part: PartitionAccount) -> int:
        known = None if self._replay is None else self._replay.parts.get(partition)
        return 0 if known is None else min(known.lake_until, part.end)

    def _records_of(self, replay: Replay) -> LakeRecords:
        from console.replaying.lake_records import LakeRecords, open_lake  # arrow

        if self._lake is None:
            if replay.lake is None:
                message = f"the replay into {self.namespace} names no lake, but offsets of one"
                raise AssertionError(message)
            self._lake = LakeRecords(open_lake(replay.lake, self.topic))
        return self._lake


def replay_extents(replay: Replay, in_kafka: Mapping[int, Extent]) -> dict[int, Extent]:
    """Return what a replay is to read of each partition, as far as it is there.

    Args:
        replay: what was asked for. One without an end reads partitions that were added since, too.
        in_kafka: what Kafka holds.
    """
    found = {}
    for partition, part in replay.parts.items():
        if part.until is not None and part.in_lake:
            found[partition] = Extent(part.start, part.until)
        elif partition in in_kafka:
            begin, end = in_kafka[partition]
            end = end if part.until is None else min(end, part.until)
            found[partition] = Extent(min(begin, end), end)
    if any(part.until is None for part in replay.parts.values()):
        found |= {partition: extent for partition, extent in in_kafka.items() if partition not in found}
    return found


def _unknown_types(reports: Mapping[int, ShardReport]) -> dict[str, int]:
    """Add up what the shards tell, by name; a name that one of them has no room for is among the rest of that one."""
    found: Counter[str] = Counter()
    for report in reports.values():
        found.update(report.unknown_types or {})
    return dict(found)


def lost_text(topic: str, lost: Mapping[int, tuple[int, int]]) -> str:
    """Say which offsets were deleted before they were read. Each was an event or the marker of a transaction."""
    spans = [
        f"{end - begin:,} of partition {partition} (offsets {begin:,} to {end - 1:,})"
        for partition, (begin, end) in sorted(lost.items())
    ]
    total = sum(end - begin for begin, end in lost.values())
    return f"Kafka has deleted {total:,} events of {topic} before the job has read them: {', '.join(spans)}"
