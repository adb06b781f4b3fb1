"""A shard's state is written in two parts, and read as one."""

from __future__ import annotations

from driftline.state.v1.state_pb2 import ShardState
from state_schemas import codec
from state_schemas.shards import ShardWriter


def shard_state() -> ShardState:
    return ShardState(
        generation=5,
        accepted=7,
        shards=8,
        made_with={"namespace": "main", "disorder_ms": "60000"},
        unknown_types={"play": 3},
        layouts=[b"{}", b'{"reducers":[]}'],
        features={"plays": "3f9c0d1a2b4c"},
        feature_since_ms={"plays": 1_767_225_600_000},
    )


def test_the_parts_in_a_row_are_the_whole_state() -> None:
    writer = ShardWriter(shard_state())
    assert codec.decode(writer.encode(), ShardState) == shard_state()
    writer.state.accepted += 1
    changed = shard_state()
    changed.accepted += 1
    assert codec.decode(writer.encode(), ShardState) == changed


def test_what_lasts_is_encoded_once() -> None:
    writer = ShardWriter(shard_state())
    assert not writer.state.features
    assert not writer.state.made_with
    assert not writer.state.layouts
