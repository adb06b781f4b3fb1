"""Records of the lake go to the shards that the job's query gives them to, with markers in place of what is large."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from history.lake.shards import blocks_of, bounded, shards_of
from udfs.oversized import KEY_BYTES_MAX, marked_sizes
from udfs.shards import shard_keys, shard_of

KEYS = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"", b"u1", "ü".encode(), "日本".encode(), "😀".encode(), b"\xed\xa0\x80", b"\xff\xfe"]),
)


def table(keys: list[bytes | None], values: list[bytes | None] | None = None) -> pa.Table:
    number = len(keys)
    columns = {
        "key": pa.array(keys, pa.binary()),
        "payload": pa.array(values if values is not None else [b"v"] * number, pa.binary()),
        "offset": pa.array(range(number), pa.int64()),
        "record_time_ms": pa.array([5] * number, pa.int64()),
    }
    return pa.table(columns)


@given(st.lists(KEYS, max_size=30), st.sampled_from([1, 2, 8, 128]), st.integers(0, 5))
def test_a_whole_column_has_the_shards_of_its_records(keys: list[bytes | None], shards: int, start: int) -> None:
    column = pa.chunked_array([pa.array(keys, pa.binary()).slice(start), pa.array(keys, pa.binary())], pa.binary())
    expected = [shard_of(key, shards) for key in [*keys[start:], *keys]]
    assert shards_of(column, shards).tolist() == expected


def test_without_records_there_are_no_shards() -> None:
    assert shards_of(pa.chunked_array([], pa.binary()), 8).tolist() == []


def test_long_keys_overflow_as_in_java() -> None:
    keys = [b"a" * size for size in (1, 6, 7, 31, 4_096)]
    assert shards_of(pa.chunked_array([keys], pa.binary()), 128).tolist() == [shard_of(key, 128) for key in keys]


@given(st.lists(st.tuples(KEYS, st.one_of(st.none(), st.binary(max_size=8))), max_size=30), st.sampled_from([1, 8]))
def test_every_record_is_in_the_block_of_its_shard_in_order(
    records: list[tuple[bytes | None, bytes | None]], shards: int
) -> None:
    keys, values = [key for key, _ in records], [value for _, value in records]
    blocks = blocks_of(table(keys, values), 3, shards=shards, event_bytes_max=1_024)
    found = [
        (offset, key, value, partition, shard)
        for shard, block in blocks.items()
        for offset, key, value, partition in zip(block.offsets, block.keys, block.values, block.partitions, strict=True)
    ]
    expected = [(at, key, value, 3, shard_of(key, shards)) for at, (key, value) in enumerate(records)]
    assert sorted(found, key=lambda row: row[0]) == expected
    assert all(list(block.offsets) == sorted(block.offsets) for block in blocks.values())


def test_only_the_wanted_shards_are_made() -> None:
    keys: list[bytes | None] = [f"u{number}".encode() for number in range(100)]
    wanted = shard_keys(8)[2:4]
    assert set(blocks_of(table(keys), 0, shards=8, event_bytes_max=1_024, wanted=wanted)) <= set(wanted)


def test_what_is_large_is_replaced_by_its_sizes_and_a_large_key_is_none() -> None:
    long_key = b"k" * (KEY_BYTES_MAX + 1)
    found = bounded(
        table([b"u", b"u", long_key, long_key, None], [b"v" * 1_024, b"v" * 1_025, b"v", None, None]), 1_024
    )
    keys, values = found.column("key").to_pylist(), found.column("payload").to_pylist()
    assert keys == [b"u", b"u", None, None, None]
    assert values[0] == b"v" * 1_024
    assert values[1:4] == [b"\x001025 1", b"\x001 4097", b"\x000 4097"]
    assert values[4] is None
    assert [marked_sizes(value, 1_024) for value in values[1:4]] == [(1_025, 1), (1, 4_097), (0, 4_097)]


def test_a_record_with_a_large_key_goes_where_one_without_a_key_goes() -> None:
    blocks = blocks_of(table([b"k" * (KEY_BYTES_MAX + 1)], [b"v"]), 0, shards=8, event_bytes_max=1_024)
    assert list(blocks) == [shard_of(None, 8)]
