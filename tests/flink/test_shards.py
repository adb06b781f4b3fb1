"""The shards against the arithmetic of the Flink that runs them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from udfs.shards import KEY_GROUPS, KEYS, shard_keys, shard_of

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


# What the job's SQL makes of a record's key.
_HASHES = """
import json, sys
from pyflink.table import EnvironmentSettings, TableEnvironment

tables = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
keys = ", ".join(f"({number}, x'{key}')" for number, key in enumerate(json.loads(sys.argv[1])))
tables.execute_sql(f"CREATE TEMPORARY VIEW records AS SELECT * FROM (VALUES {keys}) AS records(number, record_key)")
rows = tables.execute_sql("SELECT number, HASH_CODE(DECODE(record_key, 'UTF-8')) FROM records").collect()
print(json.dumps([row[1] for row in sorted(rows, key=lambda row: row[0])]))
"""
_KEYS = [
    *(f"user-{number}".encode() for number in range(40)),
    *(text.encode() for text in ("", "a", "ab", "abc", "ü", "日本語", "😀", "nul\0inside", "é" * 64, "{x}:y")),
    *(b"\xff\x00 none", b"a\xe2\x82", b"\xed\xa0\x80x", b"\xf0\x9f\x98z", b"\xc0\x80", b"\xf8\x88\x80"),
]


def test_the_shard_of_a_key_is_the_one_that_flink_gives_it() -> None:
    command = [sys.executable, "-c", _HASHES, json.dumps([key.hex() for key in _KEYS])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    hashes: list[int] = json.loads(done.stdout.splitlines()[-1])
    for shards in (1, 8, 128):
        wanted = [shard_keys(shards)[abs(hashed) % shards] for hashed in hashes]
        assert [shard_of(key, shards) for key in _KEYS] == wanted
    assert shard_of(None, 8) == shard_keys(8)[0]
