"""Records of the lake are packed by shard as the job's query and windows would have done it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from history.lake.packing import packed, packed_blocks
from udfs.block import Block
from udfs.oversized import KEY_BYTES_MAX, marked_sizes
from udfs.packed_block import unpack_block
from udfs.shards import shard_of

SHARDS = 8
BOUND = 1_024

keys = st.one_of(
    st.none(), st.binary(max_size=20), st.text(max_size=20).map(str.encode), st.just(b"polygenelubricants")
)
rows = st.lists(st.tuples(keys, st.one_of(st.none(), st.binary(max_size=50)), st.integers(-1, 2**50)), max_size=30)


def table(records: list[tuple[Any, ...]], first: int = 0) -> pa.Table:
    """Records of one partition with offsets in a row."""
    columns = list(zip(*records, strict=True)) or [(), (), ()]
    return pa.table(
        {
            "key": pa.array(columns[0], pa.binary()),
            "payload": pa.array(columns[1], pa.binary()),
            "offset": pa.array(range(first, first + len(records)), pa.int64()),
            "record_time_ms": pa.array(columns[2], pa.int64()),
        }
    )


@given(rows, st.integers(0, 3))
def test_a_packed_block_is_the_block(records: list[tuple[Any, ...]], skipped: int) -> None:
    found = table(records, first=7)[skipped:]  # a slice: its buffers have more than it
    block = unpack_block(packed(found, partition=3))
    kept = records[skipped:]
    assert (list(block.keys), list(block.values)) == ([row[0] for row in kept], [row[1] for row in kept])
    assert list(block.timestamps_ms) == [row[2] for row in kept]
    assert list(block.offsets) == list(range(7 + skipped, 7 + len(records)))[: len(kept)]
    assert list(block.partitions) == [3] * len(kept)
    assert isinstance(block, Block) and len(block) == len(kept)


@given(rows)
def test_each_record_goes_to_its_shard_and_they_stay_in_order(records: list[tuple[Any, ...]]) -> None:
    parts = packed_blocks(table(records), 0, shards=SHARDS, event_bytes_max=BOUND)
    found = {shard: list(unpack_block(part).offsets) for shard, part in parts}
    expected: dict[int, list[int]] = {}
    for offset, (key, _, _) in enumerate(records):
        expected.setdefault(shard_of(key, SHARDS), []).append(offset)
    assert found == expected


def test_what_is_oversized_leaves_its_sizes_and_goes_where_its_key_goes() -> None:
    records = [(b"k", b"x" * (BOUND + 1), 0), (b"k" * (KEY_BYTES_MAX + 1), b"x", 0)]
    found = dict(packed_blocks(table(records), 0, shards=SHARDS, event_bytes_max=BOUND))
    large, keyless = (unpack_block(found[shard_of(key, SHARDS)]) for key in (b"k", None))
    assert marked_sizes(large.values[0] or b"", BOUND) == (BOUND + 1, 1)
    assert (keyless.keys[0], marked_sizes(keyless.values[0] or b"", BOUND)) == (None, (1, KEY_BYTES_MAX + 1))
