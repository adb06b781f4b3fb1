"""The order in which a replay reads a lake: each partition by offset, partitions side by side in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from history.lake.reading import Stretch

NOTHING_READ_MS = 0


class Turn(NamedTuple):
    """A stretch, and how far all partitions had been read before it.

    Attributes:
        stretch: to be read.
        watermark_ms: the smallest of the newest record timestamps that each partition had reached, of those that go on.
    """

    stretch: Stretch
    watermark_ms: int


def in_sequence(stretches: Iterable[Stretch]) -> Iterator[Turn]:
    """Yield all stretches; the partition that is the furthest behind in time comes next.

    The watermark is what Flink would have had: it never goes back.
    """
    waiting: dict[int, list[Stretch]] = {}
    for stretch in sorted(stretches, reverse=True):
        waiting.setdefault(stretch.partition, []).append(stretch)
    reached_ms = dict.fromkeys(waiting, NOTHING_READ_MS)
    watermark_ms = NOTHING_READ_MS
    while waiting:
        partition = min(waiting, key=lambda one: (reached_ms[one], one))
        watermark_ms = max(watermark_ms, min(reached_ms[one] for one in waiting))
        stretch = waiting[partition].pop()
        yield Turn(stretch, watermark_ms)
        reached_ms[partition] = max(reached_ms[partition], stretch.newest_ms)
        if not waiting[partition]:
            del waiting[partition]
