"""The clocks of partitions, as packed in the shard's state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from udfs.clocks import PartitionClocks
from udfs.timeline import ALL_READ_MS


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**50))), st.integers(0, 50))
def test_a_clock_is_the_newest_timestamp_of_its_partition_across_a_restart(
    records: list[tuple[int, int]], restart: int
) -> None:
    clocks = PartitionClocks(b"", 7)
    for number, (partition, timestamp_ms) in enumerate(records):
        if number == restart:
            clocks = PartitionClocks(clocks.pack(), 7)
        newest_ms = max(at for other, at in records[: number + 1] if other == partition)
        assert clocks.read(partition, timestamp_ms) == (newest_ms, 7)
    assert len(clocks.pack()) == 16 * len({partition for partition, _ in records})
    assert PartitionClocks(clocks.pack(), 7).pack() == clocks.pack()


def test_a_topic_without_timestamps_counts_as_read_in_its_order() -> None:
    clocks = PartitionClocks(b"", 7)
    assert clocks.read(0, -1) == (ALL_READ_MS, ALL_READ_MS)
    assert clocks.pack() == b""
