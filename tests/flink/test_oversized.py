"""The SQL that keeps the bytes of oversized records from travelling, in the Flink that runs it."""

from __future__ import annotations

import json
import subprocess
import sys

from udfs.oversized import KEY_BYTES_MAX, marked_sizes

BOUND = 1_024
# In a process of its own: the gateway's JVM ends with it.
_COLUMNS = """
import json, sys
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from jobs.flink.blocks import bounded_columns

tables = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
rows = [(n, *pair) for n, pair in enumerate(json.loads(sys.argv[2]))]
kind = DataTypes.ROW([DataTypes.FIELD(name, DataTypes.INT()) for name in ("n", "k", "v")])
tables.create_temporary_view("sizes", tables.from_elements(rows, kind))
of_size = "CAST(ENCODE(REPEAT('x', {0}), 'UTF-8') AS BYTES) AS record_{1}".format
tables.execute_sql(f"CREATE VIEW records AS SELECT n, {of_size('k', 'key')}, {of_size('v', 'value')} FROM sizes")
key, value = bounded_columns(int(sys.argv[1]))
found = tables.sql_query(f"SELECT n, {key} AS k, {value} AS v FROM records")
kinds = [kind == DataTypes.BYTES() for kind in found.get_schema().get_field_data_types()]
with found.execute().collect() as results:
    read = {row[0]: [None if one is None else bytes(one).decode() for one in (row[1], row[2])] for row in results}
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
    ]
    command = [sys.executable, "-c", _COLUMNS, str(BOUND), json.dumps(sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    kinds, read = json.loads(done.stdout.splitlines()[-1])
    assert kinds[1:] == [True, True]  # BYTES, as in the windows of every release's savepoints
    rows = {int(n): [None if one is None else one.encode() for one in row] for n, row in read.items()}
    assert rows[0] == [b"xx", b"x" * BOUND]
    assert rows[2] == [b"x" * KEY_BYTES_MAX, b""]
    assert rows[6] == [None, None]
    marked = {n: (rows[n][0], marked_sizes(rows[n][1] or b"", BOUND)) for n in (1, 3, 4, 5)}
    assert marked == {
        1: (b"xx", (BOUND + 1, 2)),
        3: (None, (10, KEY_BYTES_MAX + 1)),
        4: (None, (0, KEY_BYTES_MAX + 1)),
        5: (None, (BOUND + 1, 0)),
    }
