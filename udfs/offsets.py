"""How far a shard has read each partition of its topic. Pure: a packed list that travels in the shard's state.

Totals alone cannot say whether everything was read: a broker deletes old records, transactions leave markers,
compaction leaves gaps. Within a shard the records of a partition arrive in the order of their offsets, so the next
offset says which of them the shard has processed, whatever lies between them.
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
    records: int  # how many were processed, repeats by the source not counted twice: they roll back with the state
    next: int  # every record of the shard with a smaller offset has been processed


def unpack_spans(packed: bytes) -> dict[int, Span]:
    """The spans of a shard by partition. Raises struct.error unless `packed` was made by `advance`."""
    return {
        partition: Span(first, records, next_offset)
        for partition, first, records, next_offset in _ROW.iter_unpack(packed)
    }


def advance(packed: bytes, partitions: Sequence[int], offsets: Sequence[int]) -> bytes:
    """Count a block's records into the packed spans and return the new ones: a row of 32 bytes a partition, ascending.

    Args:
        packed: the spans so far; empty at the beginning.
        partitions: the partition of every record of the block.
        offsets: their offsets, in the order in which each partition was read.
    """
    rows: dict[int, tuple[int, ...]] = {row[0]: row for row in _ROW.iter_unpack(packed)}
    newest = dict(zip(partitions, offsets, strict=True))  # the last one of each partition
    for partition, records in Counter(partitions).items():
        next_offset = newest[partition] + 1
        row = rows.get(partition)
        if row is None:
            rows[partition] = (partition, offsets[partitions.index(partition)], records, next_offset)
        else:
            rows[partition] = (partition, row[1], row[2] + records, max(row[3], next_offset))
    return b"".join([_ROW.pack(*rows[partition]) for partition in sorted(rows)])
