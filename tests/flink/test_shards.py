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


# Where a user's state is looked for: in the shard with this key, of 8 and of 128. It is that of savepoints, for ever.
PLACES = {
    "u1": (22, 84),
    "u2": (8, 151),
    "u1000": (22, 21),
    "alice": (250, 250),
    "bob": (8, 15),
    "golden-0": (22, 79),
    "ü": (22, 25),
    "日本": (101, 102),
    "a b": (238, 117),
    "{x}": (250, 22),
    "new\nline": (113, 132),
    "é" * 64: (250, 250),
    "😀": (238, 117),
    "😀:1": (13, 143),
    "00000000-0000-4000-8000-000000000001": (238, 191),
    "user@example.com": (250, 295),
    "polygenelubricants": (250, 250),  # its hash is the smallest integer, which has no absolute value
    "Aa": (250, 22),
    "BB": (250, 22),  # the same hash
    "x" * 128: (250, 250),
}
_PLACES = """
import json, sys
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from jobs.flink.blocks import shard_of

ids = [*json.loads(sys.argv[1]), None]
tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
kind = DataTypes.ROW([DataTypes.FIELD("n", DataTypes.INT()), DataTypes.FIELD("id", DataTypes.STRING())])
tables.create_temporary_view("ids", tables.from_elements(list(enumerate(ids)), kind))
tables.execute_sql("CREATE VIEW records AS SELECT n, CAST(ENCODE(id, 'UTF-8') AS BYTES) AS record_key FROM ids")
columns = ", ".join(shard_of("record_key", shards) for shards in (8, 128))
with tables.sql_query(f"SELECT n, {columns} FROM records").execute().collect() as results:
    print(json.dumps([[row[1], row[2]] for row in sorted(results, key=lambda row: row[0])]))
"""


def test_flink_places_users_where_their_state_has_always_been() -> None:
    command = [sys.executable, "-c", _PLACES, json.dumps(list(PLACES))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    *places, without_key = json.loads(done.stdout.splitlines()[-1])
    assert {user_id: tuple(place) for user_id, place in zip(PLACES, places, strict=True)} == PLACES
    assert without_key == [KEYS[0], KEYS[0]]


def test_readers_outside_flink_look_in_the_same_place() -> None:
    assert {user: tuple(shard_of(user.encode(), shards) for shards in (8, 128)) for user in PLACES} == PLACES
    assert shard_of(None, 8) == KEYS[0]
    # What cannot be read is replaced as Java does it: a surrogate that was encoded by itself is one character.
    for unreadable, text in ((b"\xff\x00 no", "\ufffd\0 no"), (b"\xed\xa0\x80x", "\ufffdx"), (b"a\xe2\x82", "a\ufffd")):
        assert shard_of(unreadable, 128) == shard_of(text.encode(), 128)
