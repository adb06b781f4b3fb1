"""Reads Kafka records in blocks that the JVM packs: one stream element for each shard and `block_ms`.

Passing a block from the JVM to Python costs about as much as passing a single record. The content of a window is Flink
state, so records are checkpointed before Python has seen them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyflink.common import Types, typeinfo
from pyflink.datastream.data_stream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from driftline.settings import IsolationLevel
from jobs.flink.outputs import literal
from udfs.oversized import KEY_BYTES_MAX, MARKER, SIZE_COUNTED_MAX
from udfs.shards import shard_keys

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
BLOCK_TYPE = Types.ROW(
    [  # the columns of udfs.block.Block
        Types.OBJECT_ARRAY(_BYTES),
        Types.OBJECT_ARRAY(_BYTES),
        Types.OBJECT_ARRAY(Types.INT()),
        Types.OBJECT_ARRAY(Types.LONG()),
        Types.OBJECT_ARRAY(Types.LONG()),
    ]
)
# How often watermarks are emitted. In a backlog all events that are read in between stay uncommitted until then.
WATERMARK_INTERVAL_MS = 200
DISCOVERY_S = 10  # how often the source looks for new partitions
# Where a start is given for some partitions, the connector begins the others where their consumer group has committed:
# so each is named, with Kafka's own number for the oldest record. More partitions than these no topic has in practice.
_PARTITIONS_NAMED: Final = 4_096
_OLDEST: Final = -2
# Milliseconds since the epoch, in SQL; EPOCH alone has whole seconds.
EPOCH_MS: Final = "EXTRACT(EPOCH FROM `timestamp`) * 1000 + EXTRACT(MILLISECOND FROM `timestamp`)"


def read_blocks(
    tables: StreamTableEnvironment,
    topic: str,
    bootstrap: str,
    group_id: str,
    *,
    shards: int,
    block_ms: int,
    isolation_level: IsolationLevel = "read_committed",
    skip_deleted: bool = False,
    event_bytes_max: int,
    partition_drift_ms_max: int,
    partition_idle_ms: int,
    start_offsets: Mapping[int, int] | None = None,
    until_offsets: Mapping[int, int] | None = None,
) -> KeyedStream:
    """Read a topic from its beginning (or the restored offsets) as blocks, keyed by shard.

    With `start_offsets`, by partition, a job without restored offsets begins there, in other partitions at the oldest
    record. With `until_offsets` records at these offsets and behind them are read and left out: the operators of the
    plan and their states are those of a job without an end.

    If Kafka has deleted the offsets at which the job has to continue, the job fails, or with `skip_deleted` continues
    at the oldest offsets that are left.

    Windows use processing time. With ingestion time the last block before a pause would wait for the next event, which
    alone moves the watermark. Windows have nothing to do with event time: a user's events are put in order in state.

    The stream's watermark is the smallest of the partitions' newest record timestamps, without partitions that had no
    record for `partition_idle_ms`. A partition that is further ahead than `partition_drift_ms_max` is paused until the
    others follow (0: never). Timestamps ahead of the clock are ignored: one such record would pause its partition.

    A value above `event_bytes_max` and a key above `KEY_BYTES_MAX` are replaced by a marker with their sizes
    (udfs/oversized.py).
    """
    _create_records(
        tables,
        topic,
        bootstrap,
        group_id,
        isolation_level=isolation_level,
        partition_drift_ms_max=partition_drift_ms_max,
        partition_idle_ms=partition_idle_ms,
        start_offsets=start_offsets or {},
    )
    _create_sharded(tables, shards, event_bytes_max, until_offsets or {})
    blocks = tables.to_data_stream(
        tables.sql_query(f"""
            SELECT shard AS f0, ROW(
                ARRAY_AGG(record_key), ARRAY_AGG(record_value),
                ARRAY_AGG(`partition`), ARRAY_AGG(`offset`), ARRAY_AGG(timestamp_ms)) AS f1
            FROM TABLE(TUMBLE(TABLE sharded, DESCRIPTOR(read_at), INTERVAL '{block_ms / 1000:.3f}' SECOND))
            GROUP BY shard, window_start, window_end""")  # noqa: S608  (nothing in it comes from outside)
    )
    if not skip_deleted:
        fail_where_offsets_are_deleted(blocks)
    return keyed(blocks, BLOCK_TYPE)


def _create_records(
    tables: StreamTableEnvironment,
    topic: str,
    bootstrap: str,
    group_id: str,
    *,
    isolation_level: IsolationLevel,
    partition_drift_ms_max: int,
    partition_idle_ms: int,
    start_offsets: Mapping[int, int],
) -> None:
    """Create the table `records`: the topic's records with their metadata and watermark."""
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE records (
            record_key BYTES, record_value BYTES,
            `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL,
            `timestamp` TIMESTAMP_LTZ(3) METADATA VIRTUAL,
            read_at AS PROCTIME(),
            WATERMARK FOR `timestamp` AS CASE
                WHEN `timestamp` < CURRENT_TIMESTAMP + INTERVAL '1' MINUTE THEN `timestamp` END
        ) WITH (
            'connector' = 'kafka', 'topic' = {literal(topic)},
            'properties.bootstrap.servers' = {literal(bootstrap)},
            'properties.group.id' = {literal(group_id)}, 'properties.auto.offset.reset' = 'earliest',
            'properties.isolation.level' = '{isolation_level}',
            {startup_options(start_offsets)}
            'scan.topic-partition-discovery.interval' = '{DISCOVERY_S} s',
            'scan.watermark.idle-timeout' = '{partition_idle_ms} ms',
            {_alignment(partition_drift_ms_max)}
            'key.format' = 'raw', 'key.fields' = 'record_key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )""")


def _create_sharded(
    tables: StreamTableEnvironment, shards: int, event_bytes_max: int, until_offsets: Mapping[int, int]
) -> None:
    """Create the view `sharded`: the records with their shard, oversized ones replaced by markers."""
    key, value = bounded_columns(event_bytes_max)
    tables.execute_sql(f"""
        CREATE TEMPORARY VIEW sharded AS
        SELECT {shard_of(key, shards)} AS shard,
            {key} AS record_key, {value} AS record_value, `partition`, `offset`, {EPOCH_MS} AS timestamp_ms, read_at
        FROM records{_before(until_offsets)}""")  # noqa: S608  (nothing in it comes from outside)


def startup_options(offsets: Mapping[int, int]) -> str:
    """Return the options of the source for where a job without restored offsets begins."""
    if not offsets:
        return "'scan.startup.mode' = 'earliest-offset',"
    begins = dict.fromkeys(range(_PARTITIONS_NAMED), _OLDEST) | dict(offsets)
    places = ";".join(f"partition:{partition},offset:{offset}" for partition, offset in begins.items())
    return f"'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = '{places}',"


def _before(offsets: Mapping[int, int]) -> str:
    """Return the condition that leaves out what lies at these offsets, by partition, and behind; empty without any."""
    if not offsets:
        return ""
    parts = [f"(`partition` <> {partition} OR `offset` < {offset})" for partition, offset in sorted(offsets.items())]
    return " WHERE " + " AND ".join(parts)


def _alignment(drift_ms_max: int) -> str:
    if not drift_ms_max:
        return ""
    options = {
        "group": "partitions",
        "max-drift": f"{drift_ms_max} ms",
        "update-interval": f"{WATERMARK_INTERVAL_MS} ms",
    }
    return " ".join(f"'scan.watermark.alignment.{name}' = '{value}'," for name, value in options.items())


def fail_where_offsets_are_deleted(blocks: DataStream) -> None:
    """Set the consumer's auto.offset.reset to none, so that a deleted offset is an error.

    The SQL connector derives it from the start-up mode: with earliest-offset, deleted records would be skipped without
    an error. A new job still starts at the beginning, which the source seeks itself. Private API of the connector 5.0,
    used only here.
    """
    transformations = blocks._j_data_stream.getTransformation().getTransitivePredecessors()  # noqa: SLF001
    (source,) = (
        transformation.getSource()
        for transformation in transformations
        if transformation.getClass().getSimpleName() == "SourceTransformation"
    )
    properties = source.getClass().getDeclaredField("props")
    properties.setAccessible(True)
    properties.get(source)["auto.offset.reset"] = "none"


def shard_of(key: str, shards: int) -> str:
    """Return the SQL expression for a record's shard, given that for its key.

    It decides where a user's state is, so its results must never change (tests/flink/test_shards.py). A record without
    a key goes to the first shard.
    """
    keys = ", ".join(map(str, shard_keys(shards)))
    # HASH_CODE may be Integer.MIN_VALUE, whose ABS is negative: reduce first.
    return f"(ARRAY[{keys}])[ABS(MOD(COALESCE(HASH_CODE(DECODE({key}, 'UTF-8')), 0), {shards})) + 1]"


def bounded_columns(event_bytes_max: int) -> tuple[str, str]:
    """Return the SQL expressions for a record's key and value, with a marker in place of oversized ones.

    SQL has no function for the length of bytes. A cast to a length changes only longer values, so a comparison finds
    those. Their size is counted in characters of ISO 8859-1, which has one for each byte.
    """

    def is_over(column: str, bytes_max: int) -> str:
        return f"CAST({column} AS VARBINARY({bytes_max})) <> {column}"

    def size(column: str) -> str:
        counted = f"CHAR_LENGTH(DECODE(CAST({column} AS VARBINARY({SIZE_COUNTED_MAX})), 'ISO-8859-1'))"
        return f"COALESCE(CAST({counted} AS STRING), '0')"

    key_over, value_over = is_over("record_key", KEY_BYTES_MAX), is_over("record_value", event_bytes_max)
    marker = f"ENCODE(CONCAT(U&'\\{MARKER[0]:04x}', {size('record_value')}, ' ', {size('record_key')}), 'UTF-8')"
    return (
        f"CASE WHEN {key_over} THEN CAST(NULL AS BYTES) ELSE record_key END",
        f"CASE WHEN {value_over} THEN {marker} WHEN {key_over} THEN {marker} ELSE record_value END",
    )


def keyed(blocks: DataStream, block_type: typeinfo.TypeInformation) -> KeyedStream:
    """Key a stream by its first field inside the JVM; PyFlink's own key_by would add a Python operator.

    Private API of PyFlink 2.3, used only here.

    Args:
        blocks: rows of a shard's key and a block.
        block_type: of the blocks.
    """
    stream = blocks._j_data_stream  # noqa: SLF001
    stream.getTransformation().setOutputType(Types.ROW([Types.INT(), block_type]).get_java_type_info())
    selector = get_gateway().jvm.KeyByKeySelector()
    return KeyedStream(stream.keyBy(selector, Types.ROW([Types.INT()]).get_java_type_info()), block_type, blocks)
