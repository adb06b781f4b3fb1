"""How far a shard has read each partition of its topic: a packed list in the shard's state.

Totals alone cannot tell whether everything was read: a broker deletes old records, transactions leave markers, and
compaction leaves gaps. A shard gets the records of a partition in the order of their offsets, so the next offset tells
which of them it has processed, whatever gaps there are.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_ROW = struct.Struct("<4q")  # partition, first, records, next


class Span(NamedTuple):
    """What a shard has processed of a partition."""

    first: int  # the first offset that was seen
    records: int  # how many were processed; one that is read again after a crash counts once: the state rolls back
    next: int  # every record of the shard with a smaller offset has been processed


def unpack_spans(packed: bytes) -> dict[int, Span]:
    """The spans of a shard by partition. Raises struct.error unless `packed` was made by `advance`."""
    return {
        partition: Span(first, records, next_offset)
        for partition, first, records, next_offset in _ROW.iter_unpack(packed)
    }


def advance(packed: bytes, partitions: Sequence[int], offsets: Sequence[int]) -> bytes:
    """Add a block's records to the packed spans and return them: 32 bytes for each partition, ascending.

    Args:
        packed: the spans so far; empty at first.
        partitions: the partition of every record of the block.
        offsets: the offset of every record; those of a partition ascend.
    """
    rows: dict[int, tuple[int, ...]] = {row[0]: row for row in _ROW.iter_unpack(packed)}
    newest = dict(zip(partitions, offsets, strict=True))  # keeps the last offset of each partition
    for partition, records in Counter(partitions).items():
        next_offset = newest[partition] + 1
        row = rows.get(partition)
        if row is None:
            rows[partition] = (partition, offsets[partitions.index(partition)], records, next_offset)
        else:
            rows[partition] = (partition, row[1], row[2] + records, max(row[3], next_offset))
    return b"".join([_ROW.pack(*rows[partition]) for partition in sorted(rows)])
