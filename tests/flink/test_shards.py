"""The shards against the arithmetic of the Flink that runs them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from udfs.shards import KEY_GROUPS, KEYS, shard_keys

# In a process of its own: the gateway's JVM ends with it.
_KEY_GROUPS = """
import json, sys
from pyflink.java_gateway import get_gateway

flink = get_gateway().jvm.org.apache.flink
groups = []
for key in range(int(sys.argv[1])):
    row = flink.types.Row(1)
    row.setField(0, key)
    groups.append(flink.runtime.state.KeyGroupRangeAssignment.assignToKeyGroup(row, int(sys.argv[2])))
print(json.dumps(groups))
"""


@pytest.fixture(scope="module")
def key_groups() -> list[int]:
    """The key groups that Flink puts 0, 1, 2 ... into, up to the largest shard key, as the one field of a row."""
    command = [sys.executable, "-c", _KEY_GROUPS, str(max(KEYS) + 1), str(KEY_GROUPS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_there_is_one_shard_for_each_key_group(key_groups: list[int]) -> None:
    assert [key_groups[key] for key in KEYS] == list(range(KEY_GROUPS))


def test_each_shard_key_is_the_smallest_of_its_key_group(key_groups: list[int]) -> None:
    assert [key_groups.index(group) for group in range(KEY_GROUPS)] == list(KEYS)


@pytest.mark.parametrize("shards", [2**power for power in range(8)])
def test_every_parallelism_has_as_many_shards_on_each_slot(key_groups: list[int], shards: int) -> None:
    groups = [key_groups[key] for key in shard_keys(shards)]
    assert len(set(groups)) == shards
    for parallelism in (2**power for power in range(8) if 2**power <= shards):
        slots = [group * parallelism // KEY_GROUPS for group in groups]  # Flink's computeOperatorIndexForKeyGroup
        assert {slots.count(slot) for slot in range(parallelism)} == {shards // parallelism}
