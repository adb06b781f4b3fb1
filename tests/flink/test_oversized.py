"""The SQL that keeps the bytes of oversized records from travelling, in the Flink that runs it."""

from __future__ import annotations

import json
import subprocess
import sys

from udfs.oversized import KEY_BYTES_MAX, SIZE_COUNTED_MAX, marked_sizes

BOUND = 1_024
# In a process of its own: the gateway's JVM ends with it.
_COLUMNS = """
import json, sys
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from driftline.flink.blocks import bounded_columns

tables = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
bound, sizes = int(sys.argv[1]), json.loads(sys.argv[2])
rows = [(n, *(None if size is None else bytearray([200]) * size for size in pair)) for n, pair in enumerate(sizes)]
kinds = [DataTypes.FIELD(name, kind) for name, kind in
         (("n", DataTypes.INT()), ("record_key", DataTypes.BYTES()), ("record_value", DataTypes.BYTES()))]
tables.create_temporary_view("records", tables.from_elements(rows, DataTypes.ROW(kinds)))
key, value = bounded_columns(bound)
found = tables.sql_query(f"SELECT n, {key} AS k, {value} AS v FROM records")
kinds = [str(kind) for kind in found.get_schema().get_field_data_types()]
with found.execute().collect() as results:
    read = {row[0]: [None if one is None else bytes(one).hex() for one in (row[1], row[2])] for row in results}
print(json.dumps([kinds, read]))
"""


def test_bytes_within_the_bounds_pass_and_others_leave_their_sizes() -> None:
    sizes = [
        (2, BOUND),
        (2, BOUND + 1),
        (KEY_BYTES_MAX, 0),
        (KEY_BYTES_MAX + 1, 10),
        (KEY_BYTES_MAX + 1, None),
        (None, BOUND + 1),
        (None, None),
        (2, SIZE_COUNTED_MAX + 5),
    ]
    command = [sys.executable, "-c", _COLUMNS, str(BOUND), json.dumps(sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    kinds, read = json.loads(done.stdout.splitlines()[-1])
    assert kinds[1:] == ["BYTES", "BYTES"]  # the types of the windows in savepoints of every release
    rows = {int(n): [None if one is None else bytes.fromhex(one) for one in row] for n, row in read.items()}
    as_they_came = {n: [size and bytes([200]) * size for size in sizes[n]] for n in (0, 6)} | {
        2: [bytes([200]) * KEY_BYTES_MAX, b""]
    }
    assert {n: rows[n] for n in as_they_came} == as_they_came
    marked = {n: (rows[n][0], marked_sizes(rows[n][1] or b"", BOUND)) for n in (1, 3, 4, 5, 7)}
    assert marked == {
        1: (b"\xc8\xc8", (BOUND + 1, 2)),
        3: (None, (10, KEY_BYTES_MAX + 1)),
        4: (None, (0, KEY_BYTES_MAX + 1)),
        5: (None, (BOUND + 1, 0)),
        7: (b"\xc8\xc8", (SIZE_COUNTED_MAX, 2)),
    }
