"""How far a job is in its topic, by what its shards have written, and which records are still to be read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftline.errors import InputError
from sink_connectors.score_store import ShardReport
from udfs.offsets import Span, unpack_spans


class Range(NamedTuple):
    """Offsets of a partition, `end` excluded."""

    partition: int
    begin: int
    end: int


@dataclass(frozen=True)
class Positions:
    """What a job has processed.

    Attributes:
        shards: how many there are.
        spans: of each shard, by partition.
        skipped: by partition, offsets that the job was told to do without, the end excluded.
    """

    shards: int
    spans: Mapping[int, Mapping[int, Span]]
    skipped: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, reports: Mapping[int, ShardReport], skipped: Mapping[int, Sequence[tuple[int, int]]], namespace: str
    ) -> Positions:
        """Return what the reports of a namespace say.

        Raises:
            InputError: no job has written it, or one of a release that did not tell its offsets.
        """
        if not reports:
            message = f"no job has written namespace {namespace}; `driftline namespaces` lists those that there are"
            raise InputError(message)
        numbers = {report.shards for report in reports.values()}
        if len(numbers) != 1 or not all(numbers):
            message = f"the job of namespace {namespace} is of a release that did not tell how far it has read"
            raise InputError(message)
        spans = {shard: unpack_spans(report.offsets) for shard, report in reports.items()}
        return cls(numbers.pop(), spans, dict(skipped))

    def ranges(self, done: Mapping[int, int] | None = None) -> list[Range]:
        """Return the offsets of each partition that some shard has processed, without those below `done`."""
        found: dict[int, Range] = {}
        for of_shard in self.spans.values():
            for partition, span in of_shard.items():
                known = found.get(partition, Range(partition, span.first, span.next))
                found[partition] = Range(partition, min(known.begin, span.first), max(known.end, span.next))
        below = done or {}
        every = [one._replace(begin=max(one.begin, below.get(one.partition, 0))) for one in found.values()]
        return sorted(one for one in every if one.begin < one.end)

    def processed(self, shard: int, partition: int, offsets: NDArray[np.int64], since: int) -> NDArray[np.bool_]:
        """Return which records of a shard the job has processed, of those from an offset on.

        Args:
            shard: its key.
            partition: of the records.
            offsets: of the records.
            since: those before are left out, because they have been read.
        """
        span = self.spans.get(shard, {}).get(partition)
        if span is None:
            return np.zeros(len(offsets), np.bool_)
        found = (offsets >= max(span.first, since)) & (offsets < span.next)
        for begin, end in self.skipped.get(partition, ()):
            found &= (offsets < begin) | (offsets >= end)
        return found

    def next_of(self, shard: int, partition: int) -> int:
        """Return the offset behind which a shard has processed nothing of a partition; 0 where it has nothing."""
        span = self.spans.get(shard, {}).get(partition)
        return 0 if span is None else span.next
