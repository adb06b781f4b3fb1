"""What is left of a topic for a job to process, from Kafka's offsets and what the job's shards say of theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from sink_connectors.score_store import Progress, ShardReport
from udfs.offsets import Span, unpack_spans
from udfs.shards import KEY_GROUPS, shard_keys, shard_of


class Extent(NamedTuple):
    """The offsets that a partition holds in Kafka."""

    begin: int  # the oldest that has not been deleted
    end: int  # behind the newest that a reader may see


class Part(NamedTuple):
    """What a replay is to read of a partition."""

    start: int  # the first offset
    until: int | None = None  # the one behind the last; None: it goes on with what comes
    lake_until: int = 0  # what is below is read from the lake, and need not be in Kafka

    @property
    def in_lake(self) -> bool:
        """Whether all of it is in the lake."""
        return self.until is not None and self.until <= self.lake_until


@dataclass(frozen=True, kw_only=True)
class PartitionAccount:
    """A partition as far as it concerns a job.

    Of the offsets from `start` to `end` the job has counted `records`. Where the two agree, all are processed. Where
    they do not, records are on their way, or offsets are no records: markers and aborted records of transactions, what
    was compacted away, or what was deleted before it was read. Only reading tells them apart, from `open_from` on.
    """

    start: int  # where the job began to count
    end: int
    records: int
    furthest: int  # every shard is at most here
    open_from: int  # the first offset that may be a record which is not processed
    lost: tuple[int, int] | None  # offsets that were deleted before the job had read so far
    skipped: int  # offsets that the job was told to do without
    next_of_shard: Mapping[int, int] = field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """How many of the offsets were not counted: records on their way, or none. Never negative."""
        return max(0, self.end - self.start - self.records)

    def is_processed(self, shard: int, offset: int) -> bool:
        """Whether a record of this shard has been processed."""
        return offset < self.next_of_shard.get(shard, self.open_from)


@dataclass(frozen=True)
class Account:
    """A topic as far as it concerns a job."""

    totals: Progress
    partitions: Mapping[int, PartitionAccount]
    shards: int

    @classmethod
    def of(
        cls,
        extents: Mapping[int, Extent],
        reports: Mapping[int, ShardReport],
        skipped: Mapping[int, Sequence[tuple[int, int]]],
        parts: Mapping[int, Part] = MappingProxyType({}),
    ) -> Account | None:
        """Make the account; None where the reports do not hold enough for one, because older code wrote some of them.

        Args:
            extents: of each partition that is to be read.
            reports: of the job's shards.
            skipped: by partition, the offsets that the job was told to do without.
            parts: of a replay, what it is to read of each partition; without one a job reads all that there is.

        Raises struct.error on reports that this code did not write.
        """
        totals = Progress.total(report.totals for report in reports.values())
        if any(not report.shards for report in reports.values()):
            return None
        spans = {shard: unpack_spans(report.offsets) for shard, report in reports.items()}
        counted = sum(span.records for of_shard in spans.values() for span in of_shard.values())
        before = totals.events - counted  # events that were counted before offsets were kept
        shards = next((report.shards for report in reports.values()), KEY_GROUPS)
        accounts = {}
        for partition, extent in extents.items():
            seen = {shard: of_shard[partition] for shard, of_shard in spans.items() if partition in of_shard}
            if before > 0 and not seen and extent.end > extent.begin:
                return None  # read before offsets were kept, or not at all: nobody knows
            accounts[partition] = _account(
                extent, seen, skipped.get(partition, ()), shards, is_older=before > 0, part=parts.get(partition)
            )
        return cls(totals, accounts, shards)

    def is_processed(self, partition: int, offset: int, key: bytes | None) -> bool:
        """Whether the record with this key has been processed."""
        return self.partitions[partition].is_processed(shard_of(key, self.shards), offset)


def _account(
    extent: Extent,
    seen: Mapping[int, Span],
    skipped: Iterable[tuple[int, int]],
    shards: int,
    *,
    is_older: bool,
    part: Part | None,
) -> PartitionAccount:
    first = min((span.first for span in seen.values()), default=extent.begin)
    # What is older than state with offsets was processed by the code before. Else the job began at the beginning, and
    # what now lies before the first that was seen may still be on its way.
    start = first if is_older else min(first, extent.begin)
    lake_until = 0
    if part is not None:
        start, lake_until = min(first, part.start) if seen else part.start, part.lake_until
    furthest = max((span.next for span in seen.values()), default=start)
    next_of_shard = {key: seen[key].next if key in seen else start for key in shard_keys(shards)}
    ranges = list(skipped)
    readable = max(furthest, min(lake_until, extent.end))
    jumps = [end for begin, end in ranges if begin <= readable <= end]
    reached = max([readable, *jumps])
    oldest_open = min(next_of_shard.values())
    return PartitionAccount(
        start=start,
        end=extent.end,
        records=sum(span.records for span in seen.values()),
        furthest=furthest,
        open_from=oldest_open if oldest_open < lake_until else max(extent.begin, oldest_open),
        lost=(reached, extent.begin) if (seen or part) and extent.begin > reached else None,
        skipped=sum(max(0, end - max(begin, start)) for begin, end in ranges),
        next_of_shard=next_of_shard,
    )
