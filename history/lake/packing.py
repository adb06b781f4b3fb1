"""Packs records of the lake by shard: a block is one value of bytes on its way to the operator that folds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from history.lake.shards import bounded, shards_of
from udfs.packed_block import ABSENT, HEAD


class Texts(NamedTuple):
    """A column of bytes, apart.

    Attributes:
        begins, sizes: of each row, in bytes; the size of a null is 0.
        absent: whether it is null.
        content: the bytes of all rows; those of one follow each other.
    """

    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]
    absent: NDArray[np.bool_]
    content: NDArray[np.uint8]

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array) -> Texts:
        """Return the rows of a column of binary."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(array, pa.ChunkedArray):  # of no rows, or too many bytes for one array
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.binary())
        _, borders, content = array.buffers()
        ends = np.frombuffer(borders, np.int32, len(array) + 1, array.offset * 4).astype(np.int64)
        absent = array.is_null().to_numpy(zero_copy_only=False)
        sizes = np.where(absent, 0, np.diff(ends))
        return cls(ends[:-1], sizes, absent, np.frombuffer(content or b"", np.uint8))

    def gathered(self) -> NDArray[np.uint8]:
        """Return the bytes of the rows in a row, without any in between."""
        borders = np.concatenate([[0], np.cumsum(self.sizes)])
        if len(self.sizes) and bool((self.begins == self.begins[0] + borders[:-1]).all()):  # usual: nothing in between
            return self.content[self.begins[0] : self.begins[0] + borders[-1]]
        shifts = np.repeat(self.begins - borders[:-1], self.sizes)
        gathered: NDArray[np.uint8] = self.content[np.arange(borders[-1]) + shifts]
        return gathered


def packed(records: pa.Table, partition: int) -> bytes:
    """Return records of one partition as `udfs.packed_block.unpack_block` reads them.

    Args:
        records: with the columns `key`, `payload`, `offset` and `record_time_ms`.
        partition: theirs.
    """
    keys, values = Texts.of(records.column("key")), Texts.of(records.column("payload"))
    numbers = [records.column(name).to_numpy().astype("<i8").tobytes() for name in ("offset", "record_time_ms")]
    sizes = [np.where(texts.absent, ABSENT, texts.sizes).astype("<i4").tobytes() for texts in (keys, values)]
    content = [texts.gathered().tobytes() for texts in (keys, values)]
    return b"".join([HEAD.pack(records.num_rows, partition), *numbers, *sizes, *content])


def packed_blocks(
    records: pa.Table, partition: int, *, shards: int, event_bytes_max: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the key of each shard that has records, and these, packed; their order stays.

    Args:
        records: as `packed` takes them.
        partition: theirs.
        shards: how many there are.
        event_bytes_max: a larger payload is replaced by a marker with its size, as the job's query does it.
    """
    records = bounded(records, event_bytes_max)
    places = shards_of(records.column("key"), shards)
    for place in np.unique(places):
        yield int(place), packed(records.filter(pa.array(places == place)), partition)
