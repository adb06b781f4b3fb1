"""Writes files of a lake with Flink's own file sink: complete at a checkpoint, each row once, hidden until then."""

from __future__ import annotations

import uuid
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from pyflink.common import Types, typeinfo
from pyflink.datastream import DataStream, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import DataTypes, Schema, StatementSet, StreamTableEnvironment
from pyflink.table.types import DataType

from driftline.limits import TIME_MS_MAX
from history.lake.layout import DATE, HOUR
from jobs.flink.outputs import literal

SUFFIX: Final = ".parquet"
_PAGE_BYTES: Final = 64 * 1024  # a column of an open file takes buffers in proportion: Parquet's default is a megabyte
_IDLE_S: Final = (
    10  # an hour without records for so long has its file closed: an open one takes up to a megabyte of heap
)
_WRITER: Final = "StreamingFileWriter"  # Flink's operator
_TEXTS_BY_TEXT: Final = pa.map_(pa.string(), pa.string())
_BYTES_BY_TEXT: Final = pa.map_(pa.string(), pa.binary())
_BYTES: Final = Types.PRIMITIVE_ARRAY(Types.BYTE())
_OF_STREAMS: Final[dict[pa.DataType, Any]] = {
    pa.int32(): Types.INT(),
    pa.int64(): Types.LONG(),
    pa.float64(): Types.DOUBLE(),
    pa.string(): Types.STRING(),
    pa.binary(): _BYTES,
    _TEXTS_BY_TEXT: Types.MAP(Types.STRING(), Types.STRING()),
    _BYTES_BY_TEXT: Types.MAP(Types.STRING(), _BYTES),
}
_OF_TABLES: Final[dict[pa.DataType, DataType]] = {
    pa.int32(): DataTypes.INT(),
    pa.int64(): DataTypes.BIGINT(),
    pa.float64(): DataTypes.DOUBLE(),
    pa.string(): DataTypes.STRING(),
    pa.binary(): DataTypes.BYTES(),
    _TEXTS_BY_TEXT: DataTypes.MAP(DataTypes.STRING(), DataTypes.STRING()),
    _BYTES_BY_TEXT: DataTypes.MAP(DataTypes.STRING(), DataTypes.BYTES()),
}
_IN_SQL: Final[dict[pa.DataType, str]] = {
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "STRING",
    pa.binary(): "BYTES",
    _TEXTS_BY_TEXT: "MAP<STRING, STRING>",
    _BYTES_BY_TEXT: "MAP<STRING, BYTES>",
}


def columns_type(schema: pa.Schema) -> typeinfo.RowTypeInfo:
    """Return the type of a block of rows of a lake's file: a row with an array for each column."""
    kinds = [Types.OBJECT_ARRAY(_OF_STREAMS[field.type]) for field in schema]
    return Types.ROW_NAMED(schema.names, kinds)


def write_lake(
    tables: StreamTableEnvironment,
    statements: StatementSet,
    blocks: DataStream,
    schema: pa.Schema,
    folder: str,
    *,
    file_bytes_max: int,
    row_group_bytes: int,
) -> None:
    """Write blocks into the folders of their events' dates and hours.

    Args:
        tables: of the job.
        statements: of the job.
        blocks: of `columns_type(schema)`; `offset` has all of its elements, and an array without any stands for a
            column of nulls.
        schema: of the files.
        folder: URL of the topic's folder.
        file_bytes_max: size at which a file is completed before the next checkpoint.
        row_group_bytes: memory that rows take before they are written into the file.
    """
    columns = Schema.new_builder()
    for field in schema:
        columns = columns.column(field.name, DataTypes.ARRAY(_OF_TABLES[field.type]))
    tables.create_temporary_view("archived", tables.from_data_stream(blocks, columns.build()))
    declared = ", ".join(f"`{field.name}` {_IN_SQL[field.type]}" for field in schema)
    tables.execute_sql(f"""
        CREATE TEMPORARY TABLE lake ({declared}, {DATE} STRING, {HOUR} STRING) PARTITIONED BY ({DATE}, {HOUR}) WITH (
            'connector' = 'filesystem', 'path' = {literal(folder)},
            'format' = 'parquet', 'parquet.compression' = 'ZSTD',
            'parquet.block.size' = '{row_group_bytes}',
            'parquet.page.size' = '{_PAGE_BYTES}', 'parquet.dictionary.page.size' = '{_PAGE_BYTES}',
            'sink.rolling-policy.file-size' = '{file_bytes_max} bytes',
            'sink.rolling-policy.inactivity-interval' = '{_IDLE_S} s', 'sink.rolling-policy.check-interval' = '2 s'
        )""")
    statements.add_insert_sql(_rows_of_blocks(schema))


def file_url(location: str) -> str:
    """Return the URL by which Flink knows a place that is an absolute path or a URL."""
    return location if "://" in location else f"file://{quote(location)}"


def name_files(env: StreamExecutionEnvironment) -> None:
    """Let the names of the files end with SUFFIX, by which many tools know what they are; the SQL sink has no option.

    Private API of Flink 2.3, used only here (tests/flink/test_archive_graph.py).
    """
    transformations = env._j_stream_execution_environment.getTransformations()  # noqa: SLF001
    writers = {step.getId(): step for each in transformations for step in _with_upstream(each)}
    (writer,) = (step for step in writers.values() if step.getName() == _WRITER)
    operator = writer.getOperatorFactory().getOperator()
    builder = operator.getClass().getSuperclass().getDeclaredField("bucketsBuilder")
    builder.setAccessible(True)
    names = get_gateway().jvm.org.apache.flink.streaming.api.functions.sink.filesystem.OutputFileConfig
    builder.get(operator).withOutputFileConfig(names(f"part-{uuid.uuid4()}", SUFFIX))


def _with_upstream(step: Any) -> list[Any]:
    return list(step.getTransitivePredecessors())


def _rows_of_blocks(schema: pa.Schema) -> str:
    """Return the statement that makes a row of each record of a block."""
    elements = ", ".join(f"archived.`{name}`[place]" for name in schema.names)
    filed_ms = f"LEAST(GREATEST(COALESCE(event_time_ms[place], record_time_ms[place]), 0), {TIME_MS_MAX})"
    filed = f"TO_TIMESTAMP_LTZ({filed_ms}, 3)"
    return f"""
        INSERT INTO lake
        SELECT {elements}, DATE_FORMAT({filed}, 'yyyy-MM-dd'), DATE_FORMAT({filed}, 'HH')
        FROM archived CROSS JOIN UNNEST(archived.`offset`) WITH ORDINALITY AS record(o, place)"""  # noqa: S608
