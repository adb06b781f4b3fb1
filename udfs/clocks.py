"""How far a shard has read each partition in time: the newest record timestamp. Pure: packed in the shard's state.

A partition's own records are read in their order, so whether an event is behind its partition is the same in every
order in which partitions are read (docs/decisions/0025-partitions.md).
"""

from __future__ import annotations

import struct

from udfs.timeline import ALL_READ_MS

_ROW = struct.Struct("<2q")  # partition, newest timestamp


class PartitionClocks:
    """The clocks of a shard's partitions.

    Args:
        packed: what `pack` made; empty at the beginning.
        watermark_ms: no partition will deliver a record with an older timestamp, as far as is known.
    """

    __slots__ = ("_newest_ms", "_watermark_ms")

    def __init__(self, packed: bytes, watermark_ms: int) -> None:
        self._newest_ms: dict[int, int] = {row[0]: row[1] for row in _ROW.iter_unpack(packed)}
        self._watermark_ms = watermark_ms

    def read(self, partition: int, timestamp_ms: int) -> tuple[int, int]:
        """Return the partition's clock after a record with this timestamp, and the watermark, in milliseconds.

        Where the topic's records have none, it is as if all were read in their order.
        """
        if timestamp_ms < 0:
            return ALL_READ_MS, ALL_READ_MS
        newest_ms = self._newest_ms.get(partition, -1)
        if timestamp_ms > newest_ms:
            newest_ms = self._newest_ms[partition] = timestamp_ms
        return newest_ms, self._watermark_ms

    def pack(self) -> bytes:
        """Return a row of 16 bytes a partition, ascending."""
        return b"".join([_ROW.pack(partition, self._newest_ms[partition]) for partition in sorted(self._newest_ms)])
