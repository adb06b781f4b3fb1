"""Kafka records packed into blocks by the JVM: one stream element a shard and `block_ms`, instead of one a record.

Crossing from the JVM into Python costs about as much for a block as for a single record. The window's content is Flink
state, so a block is checkpointed before Python has seen it.
"""

from __future__ import annotations

from pyflink.common import Types
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
# How often the partitions' progress is looked at. In a backlog all that is read in between waits to be committed.
WATERMARK_INTERVAL_MS = 200
_DISCOVERY_S = 10  # how often new partitions are looked for
_KEYED_TYPE = Types.ROW([Types.INT(), BLOCK_TYPE])


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
) -> KeyedStream:
    """Read a topic from its beginning (or the restored offsets) as blocks, keyed by shard.

    Where Kafka has deleted the offsets that the job is to go on from, the job fails, or with `skip_deleted` goes on at
    the oldest that are left.

    Windows are of processing time: ingest time would leave the last block of a pause hanging, because its watermark
    only moves with events. Neither has to do with event time; order is kept per user, in state.

    The stream's watermark is the oldest of what the partitions have reached in record timestamps, without those that
    had no record for `partition_idle_ms`. A partition that is further ahead than `partition_drift_ms_max` is not read
    on until the others follow (0: it is). Timestamps ahead of the clock do not count: one such record would stop its
    partition.

    A value above `event_bytes_max` and a key above `KEY_BYTES_MAX` are left behind: a marker says how large they were
    (udfs/oversized.py).
    """
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
            'scan.startup.mode' = 'earliest-offset',
            'scan.topic-partition-discovery.interval' = '{_DISCOVERY_S} s',
            'scan.watermark.idle-timeout' = '{partition_idle_ms} ms',
            {_alignment(partition_drift_ms_max)}
            'key.format' = 'raw', 'key.fields' = 'record_key',
            'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
        )""")
    key, value = bounded_columns(event_bytes_max)
    # Milliseconds since the epoch: seconds alone would make the skew check coarse.
    epoch_ms = "EXTRACT(EPOCH FROM `timestamp`) * 1000 + EXTRACT(MILLISECOND FROM `timestamp`)"
    tables.execute_sql(f"""
        CREATE TEMPORARY VIEW sharded AS
        SELECT {shard_of(key, shards)} AS shard,
            {key} AS record_key, {value} AS record_value, `partition`, `offset`, {epoch_ms} AS timestamp_ms, read_at
        FROM records""")  # noqa: S608  (nothing in it comes from outside)
    blocks = tables.to_data_stream(
        tables.sql_query(f"""
            SELECT shard AS f0, ROW(
                ARRAY_AGG(record_key), ARRAY_AGG(record_value),
                ARRAY_AGG(`partition`), ARRAY_AGG(`offset`), ARRAY_AGG(timestamp_ms)) AS f1
            FROM TABLE(TUMBLE(TABLE sharded, DESCRIPTOR(read_at), INTERVAL '{block_ms / 1000:.3f}' SECOND))
            GROUP BY shard, window_start, window_end""")  # noqa: S608  (nothing in it comes from outside)
    )
    if not skip_deleted:
        _fail_where_offsets_are_deleted(blocks)
    return _keyed(blocks)


def _alignment(drift_ms_max: int) -> str:
    if not drift_ms_max:
        return ""
    options = {
        "group": "partitions",
        "max-drift": f"{drift_ms_max} ms",
        "update-interval": f"{WATERMARK_INTERVAL_MS} ms",
    }
    return " ".join(f"'scan.watermark.alignment.{name}' = '{value}'," for name, value in options.items())


def _fail_where_offsets_are_deleted(blocks: DataStream) -> None:
    """Give the source's consumer no position to fall back to.

    The SQL connector derives that from the start-up mode: with earliest-offset the records that are missing would be
    passed over without a word. The beginning is still found: the source seeks it by itself. Private API of the
    connector 5.0, kept to these lines.
    """
    transformations = blocks._j_data_stream.getTransformation().getTransitivePredecessors()  # noqa: SLF001
    (source,) = (one.getSource() for one in transformations if one.getClass().getSimpleName() == "SourceTransformation")
    properties = source.getClass().getDeclaredField("props")
    properties.setAccessible(True)
    properties.get(source)["auto.offset.reset"] = "none"


def shard_of(key: str, shards: int) -> str:
    """Return the expression for the shard of a record by that of its key: where a user's state is looked for.

    It must never give another answer (tests/flink/test_shards.py). A record without a key goes to the first shard.
    """
    keys = ", ".join(map(str, shard_keys(shards)))
    # HASH_CODE may be Integer.MIN_VALUE, whose ABS is negative: reduce first.
    return f"(ARRAY[{keys}])[ABS(MOD(COALESCE(HASH_CODE(DECODE({key}, 'UTF-8')), 0), {shards})) + 1]"


def bounded_columns(event_bytes_max: int) -> tuple[str, str]:
    """Return the expressions for a record's key and value that keep an oversized one's bytes from travelling.

    SQL has no length of bytes. A cast to a length leaves shorter bytes as they are, so only longer ones differ from it;
    their size is counted in characters of an encoding that has one for each byte.
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


def _keyed(blocks: DataStream) -> KeyedStream:
    """Key the stream by its first field inside the JVM; PyFlink's own key_by would add a Python operator.

    Private API of PyFlink 2.3, kept to these lines.
    """
    stream = blocks._j_data_stream  # noqa: SLF001
    stream.getTransformation().setOutputType(_KEYED_TYPE.get_java_type_info())
    selector = get_gateway().jvm.KeyByKeySelector()
    return KeyedStream(stream.keyBy(selector, Types.ROW([Types.INT()]).get_java_type_info()), BLOCK_TYPE, blocks)
