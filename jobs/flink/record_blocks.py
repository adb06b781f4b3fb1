"""Reads a topic's records, with everything that they have, in blocks that the JVM packs; see `jobs.flink.blocks`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyflink.common import Types
from pyflink.datastream.data_stream import DataStream
from pyflink.table import StreamTableEnvironment

from driftline.settings import IsolationLevel
from jobs.flink.blocks import DISCOVERY_S, EPOCH_MS, bounded_columns, fail_where_offsets_are_deleted, startup_options
from jobs.flink.outputs import literal
from udfs.shards import shard_keys

# No job decodes a larger value (event_bytes_max), and its size alone makes the same dead letter as its bytes would.
VALUE_BYTES_MAX: Final = 1_000_000
_BYTES: Final = Types.PRIMITIVE_ARRAY(Types.BYTE())
RECORDS_TYPE: Final = Types.ROW(
    [  # the raw columns of a block, as of history.lake.layout.RAW
        Types.OBJECT_ARRAY(Types.INT()),
        Types.OBJECT_ARRAY(Types.LONG()),
        Types.OBJECT_ARRAY(Types.LONG()),
        Types.OBJECT_ARRAY(_BYTES),
        Types.OBJECT_ARRAY(_BYTES),
        Types.OBJECT_ARRAY(Types.MAP(Types.STRING(), _BYTES)),
    ]
)


def read_records(
    tables: StreamTableEnvironment,
    topic: str,
    bootstrap: str,
    group_id: str,
    *,
    parallelism: int,
    block_ms: int,
    isolation_level: IsolationLevel,
    skip_deleted: bool,
    start_offsets: Mapping[int, int] | None = None,
) -> DataStream:
    """Read a topic as blocks of partition, offset, timestamp, key, value and headers.

    The records of a partition stay in their order. A value above VALUE_BYTES_MAX and a key above `KEY_BYTES_MAX` are
    replaced by a marker with their sizes (udfs/oversized.py). Of several headers with one name the last is kept.

    Args:
        tables: of the job.
        topic: to be read.
        bootstrap: host:port of Kafka.
        group_id: of Kafka's consumer group.
        isolation_level: whether records of aborted and open transactions are read, too.
        parallelism: in how many tasks blocks are made; partitions are dealt out to them.
        block_ms: how long the records of a block gather.
        skip_deleted: what is done where Kafka has deleted the next offsets: go on at the oldest, or fail.
        start_offsets: where a job without state begins, by partition; in others at the oldest record.
    """
    _create_records(
        tables, topic, bootstrap, group_id, isolation_level=isolation_level, start_offsets=start_offsets or {}
    )
    _create_dealt(tables, parallelism)
    aggregated = ", ".join(
        f"ARRAY_AGG({name})"
        for name in ("`partition`", "`offset`", "timestamp_ms", "record_key", "record_value", "headers")
    )
    blocks = tables.to_data_stream(
        tables.sql_query(f"""
            SELECT {aggregated}
            FROM TABLE(TUMBLE(TABLE dealt, DESCRIPTOR(read_at), INTERVAL '{block_ms / 1000:.3f}' SECOND))
            GROUP BY task, window_start, window_end""")  # noqa: S608  (nothing in it comes from outside)
    )
    if not skip_deleted:
        fail_where_offsets_are_deleted(blocks)
    blocks._j_data_stream.getTransformation().setOutputType(RECORDS_TYPE.get_java_type_info())  # noqa: SLF001
    return DataStream(blocks._j_data_stream)  # noqa: SLF001


def _create_records(
    tables: StreamTableEnvironment,
    topic: str,
    bootstrap: str,
    group_id: str,
    *,
    isolation_level: IsolationLevel,
    start_offsets: Mapping[int, int],
) -> None:
    """Create the table `records`. It has no watermark: a record is filed by its own time, however late it is."""
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE records (
            record_key BYTES, record_value BYTES, headers MAP<STRING, BYTES> METADATA VIRTUAL,
            `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL,
            `timestamp` TIMESTAMP_LTZ(3) METADATA VIRTUAL,
            read_at AS PROCTIME()
        ) WITH (
            'connector' = 'kafka', 'topic' = {literal(topic)},
            'properties.bootstrap.servers' = {literal(bootstrap)},
            'properties.group.id' = {literal(group_id)}, 'properties.auto.offset.reset' = 'earliest',
            'properties.isolation.level' = '{isolation_level}',
            {startup_options(start_offsets)}
            'scan.topic-partition-discovery.interval' = '{DISCOVERY_S} s',
            'key.format' = 'raw', 'key.fields' = 'record_key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )""")


def _create_dealt(tables: StreamTableEnvironment, parallelism: int) -> None:
    """Create the view `dealt`: the records with the key of a task, oversized ones replaced by markers."""
    key, value = bounded_columns(VALUE_BYTES_MAX)
    keys = shard_keys(1 << (parallelism - 1).bit_length())
    task = f"(ARRAY[{', '.join(map(str, keys))}])[MOD(`partition`, {len(keys)}) + 1]"
    tables.execute_sql(f"""
        CREATE TEMPORARY VIEW dealt AS
        SELECT {task} AS task, {key} AS record_key, {value} AS record_value, headers, `partition`, `offset`,
            {EPOCH_MS} AS timestamp_ms, read_at
        FROM records""")  # noqa: S608  (nothing in it comes from outside)
