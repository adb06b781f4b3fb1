"""Writes Kafka topics through SQL tables, because PyFlink's KafkaSink can set neither keys nor headers.

Delivery is at-least-once. A Kafka transaction would hold results back until the next checkpoint. Records are keyed and
hold absolute values, so reading one twice changes nothing (docs/decisions/0004-delivery-guarantee.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from pyflink.datastream import DataStream
from pyflink.table import DataTypes, Schema, StatementSet, StreamTableEnvironment


def literal(text: str) -> str:
    """Return the text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class TopicWriter:
    """Collects the INSERT statements for a job's results.

    Args:
        tables: the job's table environment.
        statements: the statement set that is attached to the job.
        bootstrap: host:port of Kafka.
    """

    def __init__(self, tables: StreamTableEnvironment, statements: StatementSet, bootstrap: str) -> None:
        self._tables = tables
        self._statements = statements
        self._bootstrap = bootstrap

    def write_results(self, results: DataStream, topics: Mapping[str, str]) -> None:
        """Write rows of maps from key to value: every entry becomes a record, None as value a tombstone.

        Args:
            results: rows with a map for each channel (jobs/operators/rows.py).
            topics: the name of each channel's topic, in the order of the columns.
        """
        kind = DataTypes.MAP(DataTypes.STRING(), DataTypes.BYTES())
        schema = Schema.new_builder()
        for channel in topics:
            schema = schema.column(channel, kind)
        self._view("blocks", results, schema.build())
        for channel, topic in topics.items():
            entries = f"blocks CROSS JOIN UNNEST({channel}) AS entry(id, v)"
            self._insert(topic, f"SELECT ENCODE(id, 'UTF-8'), v FROM {entries}")  # noqa: S608  (nothing in it comes from outside)

    def write_rejects(self, rejects: DataStream, topic: str, view: str) -> None:
        """Write rows of (k, v, headers)."""
        kind = DataTypes.MAP(DataTypes.STRING(), DataTypes.BYTES())
        schema = Schema.new_builder().column("k", DataTypes.BYTES()).column("v", DataTypes.BYTES())
        self._view(view, rejects, schema.column("headers", kind).build())
        self._insert(topic, f"SELECT k, v, headers FROM {view}", "headers MAP<STRING, BYTES> METADATA")  # noqa: S608

    def _view(self, name: str, stream: DataStream, schema: Schema) -> None:
        self._tables.create_temporary_view(name, self._tables.from_data_stream(stream, schema))

    def _insert(self, topic: str, query: str, *columns: str) -> None:
        table = f"`{topic.replace('`', '``')}`"
        self._tables.execute_sql(f"""
            CREATE TEMPORARY TABLE {table} ({", ".join(["k BYTES", "v BYTES", *columns])}) WITH (
                'connector' = 'kafka', 'topic' = {literal(topic)},
                'properties.bootstrap.servers' = {literal(self._bootstrap)},
                'properties.linger.ms' = '5',
                'sink.delivery-guarantee' = 'at-least-once',
                'key.format' = 'raw', 'key.fields' = 'k',
                'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY'
            )""")
        self._statements.add_insert_sql(f"INSERT INTO {table} {query}")
