"""How far a shard has read its partitions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driftline.state.v1.state_pb2 import ShardState
from tests.builders import T0, block, fold_block, message, processor, timelines
from udfs.offsets import Span, advance, unpack_spans


def test_a_block_counts_into_the_spans_of_its_partitions() -> None:
    packed = advance(b"", [3, 0, 3], [40, 7, 44])
    assert unpack_spans(packed) == {0: Span(7, 1, 8), 3: Span(40, 2, 45)}
    packed = advance(packed, [3], [90])
    assert unpack_spans(packed) == {0: Span(7, 1, 8), 3: Span(40, 3, 91)}
    assert unpack_spans(advance(packed, [], [])) == unpack_spans(packed)


def test_what_comes_behind_its_time_takes_nothing_back() -> None:
    packed = advance(b"", [0], [9])
    assert unpack_spans(advance(packed, [0, 0], [3, 4])) == {0: Span(9, 3, 10)}


reads = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=40)


@given(reads, st.integers(1, 10))
def test_spans_do_not_depend_on_the_division_into_blocks(steps: list[tuple[int, int]], size: int) -> None:
    positions = dict.fromkeys(range(4), 100)
    partitions, offsets = [], []
    for partition, step in steps:  # gaps of any width
        positions[partition] += step
        partitions.append(partition)
        offsets.append(positions[partition])
    whole = advance(b"", partitions, offsets)
    cut = b""
    for start in range(0, len(partitions), size):
        cut = advance(cut, partitions[start : start + size], offsets[start : start + size])
    assert cut == whole
    spans = unpack_spans(whole)
    assert sum(span.records for span in spans.values()) == len(steps)
    assert all(spans[partition].next == positions[partition] + 1 for partition in set(partitions))


def test_a_shard_keeps_spans_with_its_totals() -> None:
    shard = ShardState()
    users = timelines()
    for _ in range(2):
        records = block(message(), message("u2"))
        fold_block(processor(), records, shard, users, T0)
    spans = unpack_spans(shard.offsets)
    totals = shard.accepted + shard.duplicate + shard.late + shard.dead_letter
    assert sum(span.records for span in spans.values()) == totals == 4
