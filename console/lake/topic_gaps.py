"""Tells, of offsets that a lake lacks, which are records of the topic: by reading it there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from kafka import TopicPartition
from kafka.errors import KafkaError

from console.accounting import Extent
from driftline.errors import ServiceUnavailable
from history.lake.coverage import Coverage, OffsetSet, Span, joined
from history.lake.verifying import Held, missing_of

_POLL_MS: Final = 500
_SILENT_S_MAX: Final = 30.0  # how long a broker may hand out nothing, markers neither
_APART_MAX: Final = 10_000  # offsets between two gaps that are read rather than skipped


def held_by(
    consumer: Any,
    topic: str,
    extents: Mapping[int, Extent],
    found: Mapping[int, Coverage],
    report: Callable[[str], object] = lambda text: None,
) -> dict[int, Held]:
    """Return what Kafka has of each partition, and which of the offsets that a lake lacks are records.

    Args:
        consumer: without a group; it is assigned partitions.
        topic: its name.
        extents: what Kafka holds, asked after the lake was read, so that it holds what the lake has.
        found: what the lake has.
        report: is told what is being read.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    held: dict[int, Held] = {}
    for number, extent in extents.items():
        bare = Held(begin=extent.begin, end=extent.end)
        missing = missing_of(found.get(number, Coverage()), bare).between(extent.begin, extent.end)
        records = OffsetSet()
        for span in joined(missing.spans(), _APART_MAX):
            report(f"reading offsets {span.begin:,} to {span.end - 1:,} of partition {number}")
            _read(consumer, TopicPartition(topic, number), span, missing, records)
        held[number] = Held(begin=extent.begin, end=extent.end, found=records)
    return held


def _read(consumer: Any, where: TopicPartition, span: Span, wanted: OffsetSet, into: OffsetSet) -> None:
    """Add those of the wanted offsets that are records."""
    try:
        consumer.assign([where])
        consumer.seek(where, span.begin)
        reached, moved_s = span.begin, time.monotonic()
        while reached < span.end:
            records = consumer.poll(timeout_ms=_POLL_MS).get(where, ())
            offsets = [one.offset for one in records if one.offset < span.end and one.offset in wanted]
            if offsets:
                into.add(np.array(offsets, np.int64))
            position = consumer.position(where)
            if position > reached:
                reached, moved_s = position, time.monotonic()
            elif time.monotonic() > moved_s + _SILENT_S_MAX:
                message = (
                    f"Kafka hands out nothing of {where.topic}, partition {where.partition}, from offset {reached:,}"
                )
                raise ServiceUnavailable(message)
    except KafkaError as error:
        message = f"Kafka: {error}"
        raise ServiceUnavailable(message) from None
