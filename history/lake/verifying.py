"""What is wrong with a lake: offsets that are missing, or there more than once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from history.lake.coverage import Coverage, OffsetSet, Span
from history.lake.layout import RAW

SHOWN_MAX: Final = 20  # spans of a kind
_CONTENT: Final = tuple(name for name in RAW.names if name not in {"partition", "offset"})


@dataclass(frozen=True, kw_only=True)
class Held:
    """What Kafka holds of a partition now.

    Attributes:
        begin: what is before was deleted.
        end: behind its newest record.
        found: of the offsets that the lake lacks, those that are records.
    """

    begin: int
    end: int
    found: OffsetSet = field(default_factory=OffsetSet)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Offsets of a kind.

    Attributes:
        count: how many.
        spans: the first SHOWN_MAX of them.
        more: how many spans there are beyond those.
    """

    count: int = 0
    spans: tuple[Span, ...] = ()
    more: int = 0

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Kind:
        """Count offsets, and keep the first of them."""
        rest = iter(spans)
        shown = tuple(islice(rest, SHOWN_MAX))
        count, more = sum(span.width for span in shown), 0
        for span in rest:
            count, more = count + span.width, more + 1
        return cls(count=count, spans=shown, more=more)


@dataclass(frozen=True, kw_only=True)
class PartitionReport:
    """A partition of a lake.

    Attributes:
        partition: its number.
        begin, end: its first offset, and what follows its last.
        rows: of them in the files.
        lost: offsets that are records of the topic, and not in the lake although later ones are.
        unknown: offsets that the lake lacks, where nobody knows whether they were records.
        no_records: offsets that the lake lacks because they are none: markers of transactions, compacted away.
        same, differing: offsets that are there more than once, with one content or with several.
        deleted: how many offsets before `begin` the topic has deleted, too.
        pending: how many offsets of the topic follow the lake's end; they are not archived yet.
    """

    partition: int
    begin: int
    end: int
    rows: int
    lost: Kind
    unknown: Kind
    no_records: Kind
    same: Kind
    differing: Kind
    deleted: int = 0
    pending: int = 0

    @property
    def good(self) -> bool:
        """Whether every offset is there, and says one thing."""
        return not (self.lost.count or self.unknown.count or self.differing.count)


def missing_of(coverage: Coverage, held: Held | None = None) -> OffsetSet:
    """Return the offsets that a lake should have and has not, as far as offsets tell.

    Without Kafka, those between its first and its last. With it, also those that Kafka still has before the first, and
    those behind the last that Kafka has deleted.
    """
    seen = coverage.seen
    if held is None:
        return seen.missing(seen.begin, seen.end)
    if not seen.count:
        return OffsetSet()
    return seen.missing(min(seen.begin, held.begin), max(seen.end, held.begin))


def report_of(
    partition: int, coverage: Coverage, differing: OffsetSet, no_records: OffsetSet, held: Held | None = None
) -> PartitionReport:
    """Return what is wrong with a partition.

    Args:
        partition: its number.
        coverage: what the lake has of it.
        differing: those of its repeated offsets whose rows differ.
        no_records: offsets that were found, at an earlier time, to be no records.
        held: what Kafka has; None: it was not asked.
    """
    seen = coverage.seen
    begin, end = (seen.begin, seen.end) if seen.count or held is None else (held.begin, held.begin)
    missing = missing_of(coverage, held)
    none = no_records_of(missing, no_records, held)
    found = OffsetSet() if held is None else held.found
    return PartitionReport(
        partition=partition,
        begin=begin,
        end=end,
        rows=coverage.rows,
        lost=Kind.of(found.spans()),
        unknown=Kind.of(missing.without(found).without(none).spans()),
        no_records=Kind.of(none.spans()),
        same=Kind.of(coverage.twice.without(differing).spans()),
        differing=Kind.of(differing.spans()),
        deleted=0 if held is None else min(begin, held.begin),
        pending=0 if held is None else max(0, held.end - max(end, held.begin)),
    )


def no_records_of(missing: OffsetSet, known: OffsetSet, held: Held | None) -> OffsetSet:
    """Return the missing offsets that are no records: `known` ones, and those that Kafka has and does not hand out."""
    if held is None:
        return missing.common(known)
    told = missing.between(held.begin, held.end).without(held.found)
    return OffsetSet([*told.spans(), *missing.common(known).without(held.found).without(told).spans()])


def differing_offsets(rows: pa.Table) -> list[int]:
    """Return the offsets whose rows differ, of rows of one partition with all columns of `layout.RAW`."""
    first: dict[int, tuple[Any, ...]] = {}
    found = set[int]()
    columns = [rows.column(name).to_pylist() for name in ("offset", *_CONTENT)]
    for offset, *content in zip(*columns, strict=True):
        if first.setdefault(offset, tuple(content)) != tuple(content):
            found.add(offset)
    return sorted(found)
