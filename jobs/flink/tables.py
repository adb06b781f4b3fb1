"""The table environment of a job, by which savepoints find its operators."""

from __future__ import annotations

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from udfs.shards import KEY_GROUPS


def table_environment(env: StreamExecutionEnvironment, parallelism: int) -> StreamTableEnvironment:
    """Return the table environment of a job that uses this number of slots."""
    env.set_parallelism(parallelism)
    env.set_max_parallelism(KEY_GROUPS)
    tables = StreamTableEnvironment.create(env)
    tables.get_config().set("table.exec.uid.generation", "ALWAYS")  # a savepoint finds every operator by its uid
    tables.get_config().set("table.local-time-zone", "UTC")
    return tables
