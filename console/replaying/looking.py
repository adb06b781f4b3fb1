"""Looks at Kafka and the lake for what a replay may read, and plans it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError

from console.extents import connect_consumer, extents_of, partitions_of
from console.replaying.note import LakePart
from console.replaying.planning import (
    Asked,
    Held,
    Planned,
    Source,
    Stored,
    clipped,
    needs_lake,
    of_both,
    of_lake,
    of_topic,
    spans_text,
)
from console.settings import StackSettings
from driftline.errors import InputError, ServiceUnavailable

if TYPE_CHECKING:
    from history.lake.reading import Lake, Stretch
    from history.lake.sequence import Turn


class Plan:
    """What a replay reads, and from where.

    Attributes:
        parts: what it reads of each partition.
        gaps: the offsets between the lake and the topic that nobody has.
        lake: the lake that it reads; None: nothing of it is in one.
        turns: the stretches of it, in their order.
    """

    def __init__(self, planned: Planned, lake: LakePart | None, turns: list[Turn]) -> None:
        self.parts, self.gaps = planned
        self.lake = lake
        self.turns = turns


def plan(stack: StackSettings, asked: Asked, lake: LakePart, report: Callable[[str], object]) -> Plan:
    """Look at what there is, and plan a replay of it.

    Args:
        stack: where the services are; the topic is that of the settings.
        asked: what is wanted.
        lake: where the lake is, and of which dates.
        report: told what is being done.

    Raises:
        InputError: what is wanted is not there.
        ServiceUnavailable: Kafka does not answer.
    """
    if asked.source is Source.LAKE:
        held = look_at_topic(stack, asked) if asked.then_live else None
        stored = _stored(lake, stack.events_topic, report)
        return _with_turns(of_lake(asked, held, stored), lake, stored)
    report(f"looking at the topic {stack.events_topic}")
    held = look_at_topic(stack, asked)
    if asked.source is Source.TOPIC or not needs_lake(asked, held):
        return Plan(of_topic(asked, held), None, [])
    try:
        stored = _stored(lake, stack.events_topic, report)
    except InputError as error:
        oldest = {number: (0, extent.begin) for number, extent in held.extents.items() if extent.begin}
        message = (
            f"Kafka has deleted {spans_text(oldest)} of {stack.events_topic}, and {error}; "
            "--from topic begins at the oldest that is there"
        )
        raise InputError(message) from None
    return _with_turns(of_both(asked, held, stored), lake, stored)


def look_at_topic(stack: StackSettings, asked: Asked) -> Held:
    """Return what Kafka holds of the topic. Raises InputError without the topic, ServiceUnavailable without Kafka."""
    with closing(connect_consumer(stack)) as consumer:
        partitions = partitions_of(consumer, stack.events_topic)
        extents = extents_of(consumer, partitions)

        def offsets_at(time_ms: int | None) -> Mapping[int, int]:
            if time_ms is None:
                return {}
            try:
                found: dict[Any, Any] = consumer.offsets_for_times(dict.fromkeys(partitions, time_ms))
            except KafkaError as error:
                message = f"Kafka: {error}"
                raise ServiceUnavailable(message) from None
            return {one.partition: _within(extents[one.partition], found.get(one)) for one in partitions}

        return Held(extents, offsets_at(asked.since_ms), offsets_at(asked.until_ms))


def _within(extent: tuple[int, int], found: Any) -> int:
    begin, end = extent
    return end if found is None else min(max(begin, int(found.offset)), end)


def _stored(lake: LakePart, topic: str, report: Callable[[str], object]) -> Stored:
    from console.replaying.lake_records import open_lake  # arrow

    report(f"looking at the lake in {lake.url}")
    opened = open_lake(lake, topic)
    stretches = tuple(opened.stretches())

    def offset_at(partition: int, time_ms: int) -> int:
        return _first_at(opened, [one for one in stretches if one.partition == partition], time_ms)

    return Stored(stretches, offset_at)


def _first_at(lake: Lake, stretches: Sequence[Stretch], time_ms: int) -> int:
    """Return the first offset of a partition whose record is of this time or later; behind the last one without any."""
    end = 0
    for stretch in stretches:
        end = stretch.end
        if stretch.newest_ms < time_ms:
            continue
        rows = lake.read(stretch.partition, stretch.begin, stretch.end, ["offset", "record_time_ms"])
        for offset, at_ms in zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True):
            if at_ms >= time_ms:
                return int(offset)
    return end


def _with_turns(planned: Planned, lake: LakePart, stored: Stored) -> Plan:
    from history.lake.sequence import in_sequence

    turns = list(in_sequence(clipped(stored.stretches, planned.parts)))
    if not turns:
        return Plan(planned, None, [])
    events = sum(turn.stretch.rows for turn in turns)
    return Plan(planned, replace(lake, events=events), turns)
