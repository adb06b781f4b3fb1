"""Decides what a replay reads: which offsets of which partition, from the lake or from the topic. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from console.accounting import Extent, Part
from driftline.errors import InputError
from history.lake.reading import Stretch

Gaps = Mapping[int, tuple[int, int]]


class Source(StrEnum):
    """Where a replay reads from."""

    AUTO = "auto"  # the topic, and before its beginning the lake
    TOPIC = "topic"
    LAKE = "lake"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options ask for.

    Attributes:
        source: where it reads from.
        since_ms: records of then or later, by their timestamps; None: from the beginning.
        from_offsets: where it begins, by partition; in place of a time.
        until_ms: records before then; None: until now.
        then_live: it has no end.
    """

    source: Source = Source.AUTO
    since_ms: int | None = None
    from_offsets: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    until_ms: int | None = None
    then_live: bool = False


class Held(NamedTuple):
    """What Kafka holds of the topic, by partition.

    Attributes:
        extents: all of it.
        since, until: the first offset of the times that were asked for, or later; the end where there is none.
    """

    extents: Mapping[int, Extent]
    since: Mapping[int, int] = MappingProxyType({})
    until: Mapping[int, int] = MappingProxyType({})


class Stored(NamedTuple):
    """What the lake holds.

    Attributes:
        stretches: all of them, in any order.
        offset_at: returns the first offset of a partition whose record is of a time or later; the end where none is.
    """

    stretches: tuple[Stretch, ...]
    offset_at: Callable[[int, int], int]

    def ends(self) -> dict[int, int]:
        """Return the offset behind the last one of each partition."""
        found: dict[int, int] = {}
        for stretch in self.stretches:
            found[stretch.partition] = max(found.get(stretch.partition, 0), stretch.end)
        return found

    def begins(self) -> dict[int, int]:
        """Return the first offset of each partition."""
        found: dict[int, int] = {}
        for stretch in self.stretches:
            found[stretch.partition] = min(found.get(stretch.partition, stretch.begin), stretch.begin)
        return found


class Planned(NamedTuple):
    """What a replay reads of each partition, and the offsets between the lake and the topic that nobody has."""

    parts: Mapping[int, Part]
    gaps: Gaps


def of_topic(asked: Asked, held: Held) -> Planned:
    """Plan a replay of the topic.

    Raises:
        InputError: an offset is of no partition, or has been deleted.
    """
    starts = _starts(asked, held)
    if deleted := {number: start for number, start in starts.items() if start < held.extents[number].begin}:
        message = f"Kafka has deleted {_spans(deleted, held.extents)}; --from auto, or later offsets"
        raise InputError(message)
    untils = {number: _until(asked, held, number) for number in starts}
    ends = {number: None if until is None else max(starts[number], until) for number, until in untils.items()}
    return Planned({number: Part(start, ends[number]) for number, start in starts.items()}, {})


def needs_lake(asked: Asked, held: Held) -> bool:
    """Whether the topic does not hold all that was asked for any more."""
    return any(start < held.extents[number].begin for number, start in _from_the_first(asked, held).items())


def of_both(asked: Asked, held: Held, stored: Stored) -> Planned:
    """Plan a replay that begins in the lake, reads it to its end, and goes on in the topic.

    Raises:
        InputError: an offset is of no partition, or the lake is that of another topic.
    """
    ends = stored.ends()
    parts, gaps = {}, {}
    for number, start in _from_the_first(asked, held).items():
        begin, end = held.extents[number]
        lake_end = ends.get(number, 0)
        if lake_end > end:
            message = (
                f"the lake has partition {number} up to offset {lake_end:,}, the topic up to {end:,}: the lake is that "
                "of another topic, or the topic was made anew; --from lake reads the lake alone"
            )
            raise InputError(message)
        if asked.since_ms is not None and start < begin:
            start = min(stored.offset_at(number, asked.since_ms), begin)  # noqa: PLW2901  (of its time)
        until = _until(asked, held, number)
        if asked.until_ms is not None and until == begin:  # in the lake, perhaps
            until = min(stored.offset_at(number, asked.until_ms), begin)
        lake_until = max(start, lake_end if until is None else min(lake_end, until))
        parts[number] = Part(start, until if until is None else max(start, until), lake_until)
        if begin > lake_until and (until is None or until > lake_until):
            gaps[number] = lake_until, begin
    return Planned(parts, gaps)


def of_lake(asked: Asked, held: Held | None, stored: Stored) -> Planned:
    """Plan a replay of the lake; one that goes live then goes on in the topic.

    Args:
        asked: neither times nor offsets: the lake was opened for dates.
        held: what Kafka holds; needed by a replay that goes live.
        stored: what the lake has of the dates.

    Raises:
        InputError: the lake is that of another topic.
    """
    begins, ends = stored.begins(), stored.ends()
    if not asked.then_live or held is None:
        return Planned({number: Part(begins[number], end, end) for number, end in ends.items()}, {})
    parts, gaps = {}, {}
    for number, extent in held.extents.items():
        lake_end = ends.get(number, 0)
        if lake_end > extent.end:
            message = f"the lake has partition {number} up to offset {lake_end:,}, the topic up to {extent.end:,}"
            raise InputError(message)
        parts[number] = Part(begins.get(number, 0), None, lake_end)
        if extent.begin > lake_end:
            gaps[number] = lake_end, extent.begin
    return Planned(parts, gaps)


def clipped(stretches: Iterable[Stretch], parts: Mapping[int, Part]) -> Iterator[Stretch]:
    """Yield what of the stretches a replay reads from the lake."""
    for stretch in stretches:
        part = parts.get(stretch.partition)
        if part is None:
            continue
        begin, end = max(stretch.begin, part.start), min(stretch.end, part.lake_until)
        if begin < end:
            yield stretch._replace(begin=begin, end=end, rows=min(stretch.rows, end - begin))


def spans_text(spans: Gaps) -> str:
    """Say which offsets these are."""
    return ", ".join(
        f"offsets {begin:,} to {end - 1:,} of partition {number}" for number, (begin, end) in spans.items()
    )


def _starts(asked: Asked, held: Held) -> dict[int, int]:
    """Return where a replay of the topic begins; a partition without an offset, at its oldest one."""
    _require_partitions(asked.from_offsets, held)
    if asked.since_ms is not None:
        return dict(held.since)
    return {number: asked.from_offsets.get(number, extent.begin) for number, extent in held.extents.items()}


def _from_the_first(asked: Asked, held: Held) -> dict[int, int]:
    """Return where a replay begins that is to miss nothing: at offset 0, unless a later one was asked for.

    Of a time that the topic's oldest record may be behind, that is not known from the topic: it is 0 as well.
    """
    _require_partitions(asked.from_offsets, held)
    if asked.since_ms is None:
        return {number: asked.from_offsets.get(number, 0) for number in held.extents}
    return {number: 0 if at == held.extents[number].begin else at for number, at in held.since.items()}


def _until(asked: Asked, held: Held, number: int) -> int | None:
    if asked.then_live:
        return None
    return held.extents[number].end if asked.until_ms is None else held.until[number]


def _require_partitions(offsets: Mapping[int, int], held: Held) -> None:
    for number, offset in offsets.items():
        if number not in held.extents:
            known = ", ".join(map(str, sorted(held.extents)))
            message = f"--from-offsets: there is no partition {number}; there are {known}"
            raise InputError(message)
        if offset > held.extents[number].end:
            end = held.extents[number].end
            message = f"--from-offsets: partition {number} ends at {end:,}, before offset {offset:,}"
            raise InputError(message)


def _spans(starts: Mapping[int, int], extents: Mapping[int, Extent]) -> str:
    return spans_text({number: (start, extents[number].begin) for number, start in starts.items()})
