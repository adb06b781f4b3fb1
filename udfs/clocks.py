"""The clock of each partition: the newest record timestamp that a shard has read. Packed in the shard's state.

The records of one partition are always read in order, so how far an event is behind its own partition does not depend
on the order in which partitions are read (docs/decisions/0025-partitions.md).
"""

from __future__ import annotations

import struct

from udfs.timeline import ALL_READ_MS

_ROW = struct.Struct("<2q")  # partition, newest timestamp


class PartitionClocks:
    """The clocks of a shard's partitions.

    Args:
        packed: the result of `pack`; empty at first.
        watermark_ms: no partition will deliver a record with an older timestamp, as far as is known.
    """

    __slots__ = ("_newest_ms", "_watermark_ms")

    def __init__(self, packed: bytes, watermark_ms: int) -> None:
        self._newest_ms: dict[int, int] = {row[0]: row[1] for row in _ROW.iter_unpack(packed)}
        self._watermark_ms = watermark_ms

    def read(self, partition: int, timestamp_ms: int) -> tuple[int, int]:
        """Return the partition's clock after a record with this timestamp, and the watermark, in milliseconds.

        A negative timestamp means that the topic has none; both are then ALL_READ_MS, as for one log read in order.
        """
        if timestamp_ms < 0:
            return ALL_READ_MS, ALL_READ_MS
        newest_ms = self._newest_ms.get(partition, -1)
        if timestamp_ms > newest_ms:
            newest_ms = self._newest_ms[partition] = timestamp_ms
        return newest_ms, self._watermark_ms

    def pack(self) -> bytes:
        """Return a row of 16 bytes for each partition, ascending."""
        return b"".join([_ROW.pack(partition, self._newest_ms[partition]) for partition in sorted(self._newest_ms)])
