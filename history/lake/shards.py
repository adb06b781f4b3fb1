"""The records of a stretch by shard, as the job's query makes blocks of them (jobs/flink/blocks.py), column by column.

What is large is replaced by its size, and a shard follows from the key; both must be what the query says, because a
replay has to find the same dead letters, and the same users in each shard.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.block import Block
from udfs.oversized import KEY_BYTES_MAX, MARKER, SIZE_COUNTED_MAX
from udfs.shards import shard_keys, shard_of

COLUMNS: Final = ("key", "payload", "offset", "record_time_ms")  # of what `blocks_of` is given
_ASCII_MAX: Final = 0x7F
_FACTOR: Final = 31  # of String.hashCode


def blocks_of(
    table: pa.Table, partition: int, *, shards: int, event_bytes_max: int, wanted: Collection[int] | None = None
) -> dict[int, Block]:
    """Return the records of a partition as a block for each shard that has any, by the shard's key.

    Args:
        table: the columns COLUMNS, by offset.
        partition: of the records.
        shards: the job's setting.
        event_bytes_max: likewise; a larger value is replaced by a marker with its size.
        wanted: the keys of the shards that are asked for; None: all.
    """
    table = bounded(table, event_bytes_max)
    of_row = shards_of(table.column("key"), shards)
    found: dict[int, Block] = {}
    for key in shard_keys(shards) if wanted is None else wanted:
        rows = np.flatnonzero(of_row == key)
        if len(rows):
            found[key] = block_of(table.take(pa.array(rows)), partition)
    return found


def block_of(table: pa.Table, partition: int) -> Block:
    """Return records as a block; the table has the columns COLUMNS, bounded, by offset."""
    keys, values = (_list_of(table.column(name)) for name in COLUMNS[:2])
    offsets, times_ms = (table.column(name).to_numpy().tolist() for name in COLUMNS[2:])
    return Block(keys, values, [partition] * len(keys), offsets, times_ms)


def bounded(table: pa.Table, event_bytes_max: int) -> pa.Table:
    """Return the table with a marker in place of each value that is too large, or whose key is (udfs/oversized.py)."""
    key, value = table.column("key"), table.column("payload")
    key_over = _greater(pc.binary_length(key), KEY_BYTES_MAX)
    over = pc.or_(key_over, _greater(pc.binary_length(value), event_bytes_max))
    if not pc.any(over).as_py():  # as nearly always
        return table
    sizes = [_sizes(pc.binary_length(column).to_numpy(zero_copy_only=False)) for column in (value, key)]
    markers = [MARKER + f"{size} {key_size}".encode() for size, key_size in zip(*sizes, strict=True)]
    bounded_key = pc.if_else(key_over, pa.scalar(None, key.type), key)
    bounded_value = pc.if_else(over, pa.array(markers, value.type), value)
    columns = {"key": bounded_key, "payload": bounded_value}
    return pa.table({name: columns.get(name, table.column(name)) for name in table.column_names})


def _greater(lengths: Any, bound: int) -> Any:
    return pc.fill_null(pc.greater(lengths, bound), fill_value=False)


def _sizes(lengths: NDArray[Any]) -> list[int]:
    """Return sizes as the query counts them: nothing is 0, and counting stops."""
    return [int(size) for size in np.minimum(np.nan_to_num(lengths.astype(np.float64)), SIZE_COUNTED_MAX)]


def shards_of(keys: pa.ChunkedArray, shards: int) -> NDArray[np.int64]:
    """Return the key of each record's shard: `udfs.shards.shard_of` of a whole column.

    Args:
        keys: of the records, binary.
        shards: the job's setting.
    """
    column = pa.concat_arrays(keys.chunks) if keys.num_chunks else pa.array([], keys.type)
    if not len(column):
        return np.zeros(0, np.int64)
    begins, bytes_ = _bytes_of(column)
    buckets = np.abs(_java_hashes(begins, bytes_)) % shards
    found: NDArray[np.int64] = np.array(shard_keys(shards), np.int64)[buckets]
    if bytes_.max(initial=0) > _ASCII_MAX:  # whose characters are not its bytes
        beyond = np.concatenate([[0], np.cumsum(bytes_ > _ASCII_MAX)])
        for row in np.flatnonzero(np.diff(beyond[begins])):
            found[row] = shard_of(column[int(row)].as_py(), shards)
    return found


def _list_of(column: pa.ChunkedArray) -> list[bytes | None]:
    """Return values as a list; pyarrow's own way makes an object more of each, and takes ten times as long."""
    found: list[bytes | None] = []
    for chunk in column.chunks:
        begins, bytes_ = _bytes_of(chunk)
        data, places = bytes_.tobytes(), begins.tolist()
        values: list[bytes | None] = [data[begin:end] for begin, end in pairwise(places)]
        if chunk.null_count:
            for row in np.flatnonzero(chunk.is_null().to_numpy(zero_copy_only=False)):
                values[row] = None
        found += values
    return found


def _bytes_of(column: pa.BinaryArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return where each value begins, and where the last one ends, in the bytes of all; a null has none."""
    column = pc.fill_null(column, b"")
    kind = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    _, places, data = column.buffers()
    begins = np.frombuffer(places, kind)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    used = np.frombuffer(data, np.uint8)[begins[0] : begins[-1]] if data is not None else np.zeros(0, np.uint8)
    return begins - begins[0], used


def _java_hashes(begins: NDArray[np.int64], bytes_: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return String.hashCode of each value, of ASCII: the sum of each byte times 31 to the power of those behind it."""
    lengths = np.diff(begins)
    powers = np.ones(int(lengths.max(initial=0)) or 1, np.uint32)
    powers[1:] = _FACTOR
    powers = np.cumprod(powers, dtype=np.uint32)  # modulo 2**32, as all of this
    behind = np.repeat(begins[1:], lengths) - 1 - np.arange(len(bytes_))
    sums = np.concatenate([np.zeros(1, np.uint32), np.cumsum(bytes_ * powers[behind], dtype=np.uint32)])
    hashes: NDArray[np.uint32] = sums[begins[1:]] - sums[begins[:-1]]
    return hashes.view(np.int32).astype(np.int64)
