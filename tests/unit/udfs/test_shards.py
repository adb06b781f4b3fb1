"""The number of shards is part of the state's format."""

from __future__ import annotations

import pytest

from driftline.errors import SettingError
from udfs.shards import KEY_GROUPS, KEYS, require_same_shards, shard_keys


def test_shards_are_spread_evenly_over_the_key_groups() -> None:
    assert shard_keys(128) == KEYS
    assert shard_keys(4) == (KEYS[0], KEYS[32], KEYS[64], KEYS[96])
    assert shard_keys(1) == (KEYS[0],)


def test_shard_keys_never_change() -> None:
    """They are in every savepoint; tests/flink/test_shards.py compares all of them with Flink."""
    assert (KEYS[:8], KEYS[-4:], max(KEYS)) == ((250, 57, 89, 134, 39, 19, 220, 235), (25, 6, 67, 85), 923)
    assert len(set(KEYS)) == KEY_GROUPS


def test_state_of_another_number_of_shards_is_refused() -> None:
    require_same_shards(16, 16)
    with pytest.raises(SettingError, match="--set shards=32"):
        require_same_shards(32, 16)


def test_state_without_the_number_had_one_shard_for_each_key_group() -> None:
    require_same_shards(0, 128)
    with pytest.raises(SettingError, match="--set shards=128"):
        require_same_shards(0, 16)
